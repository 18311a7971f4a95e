"""The challenge of a sign-up: programs, and browsers with and without scripts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.templates import Templates
from chalicelib.web import challenge as challenges
from tests.support.challenge import EMAIL, codes, moment_in, post_form, solve
from tests.support.service import ALEXIS, BASE_URL, BROWSER, Service, running


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Service]:
    with running(CHALLENGE="altcha", DEFAULT_LANG="en") as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Service:
    shared_service.forget()
    return shared_service


def test_a_program_signs_up_with_a_solution(service: Service) -> None:
    answer = service.post_json("/users", {**ALEXIS, "altcha": solve(service)})
    assert answer.status_code == 202
    service.deliver()
    assert len(service.mails) == 1


def test_a_program_is_told_what_to_do(service: Service) -> None:
    answer = service.post_json("/users", ALEXIS)
    assert codes(answer) == ["challenge_missing"]
    (error,) = answer.json_body["errors"]
    assert (error["pointer"], "POST /challenge" in error["detail"]) == ("#/altcha", True)
    assert service.items() == []


def test_a_solution_is_good_for_its_address_alone(service: Service) -> None:
    other = {**ALEXIS, "email": "other@example.org", "altcha": solve(service)}
    assert codes(service.post_json("/users", other)) == ["challenge_failed"]
    spelled = {**ALEXIS, "email": " Alexis@Example.org ", "altcha": solve(service)}
    assert service.post_json("/users", spelled).status_code == 202


def test_a_solution_is_good_for_ten_minutes(service: Service) -> None:
    solution = solve(service)
    service.clock.go_by(minutes=9, seconds=59)
    assert service.post_json("/users", {**ALEXIS, "altcha": solution}).status_code == 202
    service.clock.go_by(seconds=2)
    late = service.post_json("/users", {**ALEXIS, "altcha": solution})
    assert codes(late) == ["challenge_failed"]


@pytest.mark.parametrize(
    "solution",
    ["x", "é", "e30=", "bnVsbA==", "W10=", "A" * 5000, "eyJjaGFsbGVuZ2UiOjEsInNvbHV0aW9uIjoxfQ=="],
)
def test_what_is_no_solution_is_refused(service: Service, solution: str) -> None:
    assert codes(service.post_json("/users", {**ALEXIS, "altcha": solution})) == [
        "challenge_failed"
    ]


def test_a_challenge_that_was_made_easier_is_refused(service: Service) -> None:
    for change in (
        {"key_prefix": "00"},
        {"cost": 1, "key_prefix": ""},
        {"data": {"for": "x", "expires": 9_999_999_999}, "key_prefix": ""},
        {"algorithm": "SHA-256", "key_prefix": ""},
    ):
        cheat = {**ALEXIS, "altcha": solve(service, **change)}
        assert codes(service.post_json("/users", cheat)) == ["challenge_failed"], change


def test_a_challenge_is_asked_for_a_good_address_alone(service: Service) -> None:
    assert codes(service.post_json("/challenge", {"email": "nobody"})) == ["address_invalid"]
    assert codes(service.post_json("/challenge", {})) == ["field_missing"]


def test_a_challenge_makes_no_call_and_names_no_address(service: Service) -> None:
    asked = service.post_json("/challenge", {"email": EMAIL})
    assert service.calls == []
    assert b"alexis" not in asked.body
    assert asked.headers["Cache-Control"] == "no-store"


def test_fields_are_corrected_before_a_challenge_is(service: Service) -> None:
    assert codes(service.post_json("/users", {"email": "nobody"})) == ["address_invalid"]


def test_a_resend_needs_no_solution(service: Service) -> None:
    """It mails only those who signed up, within their own limits."""
    assert service.post_json("/resend", {"email": EMAIL}).status_code == 202


def test_the_form_has_the_widget_and_a_strict_policy(service: Service) -> None:
    page = service.get("/", accept=BROWSER)
    shown = page.body.decode()
    assert "<altcha-widget" in shown
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    for rule in (
        f"script-src {BASE_URL}/challenge/altcha.js {BASE_URL}/challenge/form.js;",
        f"worker-src {BASE_URL}/challenge/worker.js;",
        f"connect-src {BASE_URL}/challenge",
    ):
        assert rule in policy
    sent = service.post_form("/users", {**ALEXIS, "altcha": solve(service)}, accept=BROWSER)
    assert sent.status_code == 202
    assert "script-src" not in sent.headers["Content-Security-Policy"]


def test_altchas_scripts_are_unchanged() -> None:
    folder = Path(challenges.__file__).with_name("altcha")
    sums = re.findall(r"(\w{64})  (\S+)", (folder / "SOURCE.md").read_text(encoding="utf-8"))
    assert [name for _, name in sums] == ["altcha.js", "worker.js"]
    for sha256, name in sums:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("name", challenges.FILES)
def test_the_scripts_are_ours_and_may_be_kept(service: Service, name: str) -> None:
    answer = service.get(f"/challenge/{name}")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    assert "Set-Cookie" not in answer.headers
    assert "form-action" not in answer.headers["Content-Security-Policy"]


def test_a_browser_without_scripts_waits_instead(service: Service) -> None:
    page = post_form(service)
    assert page.status_code == 422
    words = Templates().word_html("page_challenge_detail", "en")
    assert words in page.body.decode()
    assert f'value="{ALEXIS["nom"]}"' in page.body.decode()
    moment = moment_in(page)
    service.clock.go_by(seconds=challenges.DELAY.total_seconds() - 1)
    early = post_form(service, moment=moment)
    assert early.status_code == 422
    assert moment_in(early) == moment  # so that the waiting goes on
    service.clock.go_by(seconds=1)
    assert post_form(service, moment=moment).status_code == 202
    service.deliver()
    assert len(service.mails) == 1


def test_a_waited_moment_is_good_for_one_address_and_time(service: Service) -> None:
    moment = moment_in(post_form(service))
    service.clock.go_by(seconds=30)
    other = post_form(service, email="other@example.org", moment=moment)
    assert other.status_code == 422
    assert moment_in(other) != moment
    started, _, seal = moment.partition(".")
    forged = f"{int(started) - 60}.{seal}"
    for bad in (forged, "", ".", "1.", f"{started}.", f"{started}.é", f"²{moment}"):
        assert post_form(service, moment=bad).status_code == 422, bad
    service.clock.go_by(minutes=10)
    assert post_form(service, moment=moment).status_code == 422


def test_a_program_cannot_wait_instead(service: Service) -> None:
    moment = moment_in(post_form(service))
    service.clock.go_by(seconds=30)
    answer = service.post_form("/users", {**ALEXIS, "moment": moment})
    assert codes(answer) == ["challenge_missing"]
    assert codes(service.post_json("/users", {**ALEXIS, "moment": moment})) == ["challenge_missing"]


def test_the_description_names_the_challenge(service: Service) -> None:
    described = json.loads(service.get("/openapi.json").body)
    routes = service.app.app.routes
    assert set(described["paths"]) == set(routes)
    for schema in ("SignUp", "SignUpForm"):
        assert "altcha" in described["components"]["schemas"][schema]["properties"]
    answer = service.post_json("/challenge", {"email": EMAIL})
    challenge = described["components"]["schemas"]["Challenge"]
    assert set(answer.json_body["parameters"]) == set(
        challenge["properties"]["parameters"]["properties"]
    )
