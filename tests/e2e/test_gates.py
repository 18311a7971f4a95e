"""The gates on the deployed stack, under attack: domains, DNS, throttle, WAF.

The attacks are small here. ``ATTACKS=full`` has them at the size of docs/gates.md.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from urllib3 import BaseHTTPResponse

from benchmarks import attacks, name_server
from benchmarks.attacks import ATTACKER, INVENTED, ONE_CLIENT, Attack
from ops.resources.api import rest_api
from ops.resources.api.rest_api import FIRST_SIGN_UP_BURST, FIRST_SIGN_UP_RATE, Throttle
from tests.e2e import limited
from tests.e2e.deploying import SHOP
from tests.e2e.limited import Limited
from tests.e2e.stack import HTTP, Stack, running, wait_for
from tests.support import web_acl

IS_FULL = os.environ.get("ATTACKS") == "full"
CHECKED_EVERY = web_acl.CHECKED_EVERY if IS_FULL else 1.0
UNDER_WAY = 4.0  # seconds
SETTINGS = {
    "REFUSED_DOMAINS": "refused.example.org",
    "DISPOSABLE": "refuse",
    "CHECK_DOMAIN": "true",
}


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stage that refuses by domain and asks DNS, of which this machine answers."""
    folder = tmp_path_factory.mktemp("gated")
    chosen = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    with name_server.running() as port, running(folder, *chosen) as stack:
        name_server.have_functions_ask(stack.client("lambda"), port, folder)
        yield stack


@pytest.mark.parametrize("domain", ["refused.example.org", "a.refused.example.org", "yopmail.com"])
def test_a_refused_domain_is_told_at_once(gated: Stack, domain: str) -> None:
    answer = gated.post("/users", {"email": f"nobody@{domain}"})
    assert answer.status == 422
    assert [cause["code"] for cause in answer.json()["errors"]] == ["domain_refused"]
    assert gated.item(f"nobody@{domain}") == {}


def test_a_domain_that_takes_no_mail_gets_none(gated: Stack) -> None:
    nobody, somebody = f"nobody@d1{name_server.REFUSING}", "somebody@example.net"
    for email in (nobody, somebody):
        assert gated.post("/users", {"email": email}).status == 202
    item = gated.wait_for_item(nobody, "failed")
    assert item["mail_error"] == {"S": "takes no mail"}
    gated.wait_for_mails(somebody)
    assert gated.mails(nobody) == []


def test_invented_addresses_get_no_mail_and_no_bounce(gated: Stack) -> None:
    attack = INVENTED if IS_FULL else sized(INVENTED, 300)
    result = attacks.run(gated, attack)
    assert result.answers == {202: len(attack.emails)}, "as any other address is answered"
    assert result.mails == 0
    for email in attack.emails[:: len(attack.emails) // 10]:
        assert gated.item(email)["mail_error"] == {"S": "takes no mail"}
    assert result.taken == len(result.visits) == len(result.waits) >= 1, "honest people"


def sized(attack: Attack, size: int) -> Attack:
    """Return the beginning of an attack."""
    return replace(attack, emails=attack.emails[:size])


def test_sign_ups_are_throttled_and_pages_are_not(gated: Stack) -> None:
    """As a deploy to AWS does it; `make run` throttles nobody."""
    gateway = gated.client("apigateway")
    (api,) = gateway.get_rest_apis()["items"]
    limits = Throttle(sign_up_rate=0.1, sign_up_burst=FIRST_SIGN_UP_BURST)
    rest_api.ensure_throttle(gateway, api["id"], "api", limits, lambda _: None)

    def sign_up(number: int) -> int:
        return gated.post("/users", {"email": f"crowd{number}@example.net"}).status

    with ThreadPoolExecutor(10) as threads:
        answers = Counter(threads.map(sign_up, range(3 * FIRST_SIGN_UP_BURST)))
    assert set(answers) == {202, 429}
    assert FIRST_SIGN_UP_BURST <= answers[202] < 2 * FIRST_SIGN_UP_BURST
    for _ in range(2 * FIRST_SIGN_UP_BURST):
        assert gated.get(f"{gated.api}/").status == 200


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    """A stage as deployed with a limit by client, whose web ACL is enforced."""
    with limited.running(tmp_path_factory.mktemp("walled"), CHECKED_EVERY) as stage:
        with ThreadPoolExecutor(10) as visitors:  # the local cloud starts a function in seconds
            list(visitors.map(lambda _: HTTP.request("GET", f"{stage.api}/"), range(10)))
        yield stage


def test_a_flood_of_one_client_keeps_nobody_else_out(walled: Limited) -> None:
    attack = ONE_CLIENT if IS_FULL else sized(ONE_CLIENT, 2000)
    started = time.time()
    result = attacks.run(walled, attack, are_apart=True)
    assert result.answers.keys() == {202, 429}
    assert result.mails <= result.answers[202]
    throttled = FIRST_SIGN_UP_BURST + FIRST_SIGN_UP_RATE * (time.time() - started)
    assert result.answers[202] <= throttled, "until AWS WAF looked"
    assert walled.firewall.refused[ATTACKER] > len(attack.emails) / 2
    assert walled.firewall.refused.keys() == {ATTACKER}
    # What was under way when AWS WAF looked still takes its part of the throttle.
    free = walled.firewall.refused_since[ATTACKER] + UNDER_WAY
    later = [visit for visit in result.visits.values() if visit.at > free]
    assert {visit.status for visit in later} == {202}
    assert len(result.waits) == result.taken >= len(later) >= 2


def test_a_client_over_the_limit_reads_why_and_may_still_look(walled: Limited) -> None:
    with attacks.connections(ATTACKER) as attacker:

        def refused() -> BaseHTTPResponse | None:
            answer = attacker.request("POST", f"{walled.api}/users", json={})
            return answer if "Retry-After" in answer.headers else None

        answer = wait_for(refused, 2 * CHECKED_EVERY + 5, "AWS WAF looks")
        assert answer
        assert (answer.status, answer.headers["Retry-After"]) == (429, "300")
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.json()["title"] == "Too many requests"
        page = attacker.request("GET", f"{walled.api}/", headers={"Accept": "text/html"})
        assert page.status == 200
    assert HTTP.request("POST", f"{walled.api}/users", json={}).status == 422
