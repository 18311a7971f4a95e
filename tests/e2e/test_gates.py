"""The gates on the deployed stack: domains, DNS, and the throttle of sign-ups."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks import name_server
from ops.deployment import rest_api
from ops.deployment.rest_api import FIRST_SIGN_UP_BURST, Throttle
from tests.e2e.stack import Stack, running

SETTINGS = {
    "REFUSED_DOMAINS": "refused.example.org",
    "DISPOSABLE": "refuse",
    "CHECK_DOMAIN": "true",
}


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stage that refuses by domain and asks DNS, of which this machine answers."""
    if os.geteuid():
        pytest.skip("only root can answer for a name server")
    folder = tmp_path_factory.mktemp("gated")
    chosen = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    with (
        name_server.running(),
        running(folder, *chosen, before=name_server.seen_by_one(folder)) as stack,
    ):
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
