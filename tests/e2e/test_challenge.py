"""The challenge on the deployed stack, for browsers and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import altcha
import pytest
from playwright.sync_api import Browser, expect

from benchmarks import attacks
from benchmarks.attacks import ONE_CLIENT
from tests.e2e import browser as browsers
from tests.e2e.browser import look
from tests.e2e.stack import Stack, running, wait_for
from tests.e2e.test_browser import visiting

TIME_TO_WAIT = 30.0
FLOOD = 600
RUSH, SECONDS_OF_RUSH = 20, 15


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.running() as browser:
        yield browser


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose sign-ups always bring a proof of work."""
    with running(tmp_path_factory.mktemp("guarded"), "--set", "CHALLENGE=altcha") as stack:
        yield stack


def test_a_form_with_a_challenge_works_by_keyboard(browser: Browser, guarded: Stack) -> None:
    """As without one: nothing to tick, and nothing more to tab through."""
    email = "keyboard@example.org"
    with visiting(browser, guarded, "en") as visitor:
        visitor.open_form()
        look(visitor.page, "challenge.en")
        expect(visitor.page.get_by_role("status")).to_have_text("")
        visitor.page.get_by_label(visitor.text("email_label")).focus()
        keys = visitor.page.keyboard
        keys.type(email)
        for _ in range(3):
            keys.press("Tab")
        expect(visitor.page.locator(":focus")).to_have_text(visitor.text("sign_up_button"))
        keys.press("Enter")
        visitor.sees("sent_title")
        assert {cookie["name"] for cookie in visitor.page.context.cookies()} == {"bienvenue"}
    guarded.wait_for_mails(email)


@pytest.mark.parametrize("lang", ["ar", "fr"])
def test_work_in_progress_is_read_aloud(browser: Browser, guarded: Stack, lang: str) -> None:
    """By the status line, which screen readers follow. A second press sends nothing twice."""
    email = f"aloud.{lang}@example.org"
    posted: list[str] = []
    with visiting(browser, guarded, lang) as visitor:
        page = visitor.page
        page.on(
            "request", lambda request: posted.append(request.url) if request.post_data else None
        )
        visitor.open_form()
        visitor.fill_in(email)
        page.route("**/challenge", lambda _: None)  # the answer takes long
        visitor.press("sign_up_button")
        expect(page.get_by_role("status")).to_have_text(visitor.text("challenge_checking"))
        visitor.press("sign_up_button")
        look(page, f"challenge-at-work.{lang}")
        assert [url.rpartition("/")[2] for url in posted] == ["challenge"]


def test_a_wrong_address_is_corrected_as_ever(browser: Browser, guarded: Stack) -> None:
    with visiting(browser, guarded, "en") as visitor:
        visitor.open_form()
        visitor.fill_in("nobody")
        visitor.press("sign_up_button")
        expect(visitor.page.locator("#email-error")).to_be_visible()
        visitor.fill_in("corrected@example.org")
        visitor.press("sign_up_button")
        visitor.sees("sent_title")


def test_without_scripts_a_form_waits_ten_seconds(browser: Browser, guarded: Stack) -> None:
    email = "no.scripts@example.org"
    with visiting(browser, guarded, "en", scripts=False) as visitor:
        visitor.open_form()
        visitor.fill_in(email)
        visitor.press("sign_up_button")
        expect(visitor.page.get_by_text(visitor.text("page_challenge_detail"))).to_be_visible()
        visitor.has_in_the_form(email=email, prenom="Alexis", nom="GÜNST HORN")

        def is_sent() -> bool:
            visitor.press("sign_up_button")
            heading = visitor.page.get_by_role("heading", level=1)
            return heading.text_content() == visitor.text("sent_title")

        wait_for(is_sent, TIME_TO_WAIT, "the form has waited")
    guarded.wait_for_mails(email)


def test_the_page_that_waits_is_accessible(browser: Browser, guarded: Stack) -> None:
    with visiting(browser, guarded, "en") as visitor:
        visitor.page.route("**/challenge/*.js", lambda route: route.abort())
        visitor.open_form()
        visitor.fill_in("blocked.scripts@example.org")
        visitor.press("sign_up_button")
        expect(visitor.page.get_by_text(visitor.text("page_challenge_detail"))).to_be_visible()
        visitor.page.unroute("**/challenge/*.js")
        look(visitor.page, "challenge-waits.en")
        visitor.complaints.clear()  # of the scripts that this test held back


def test_a_program_solves_what_the_error_names(guarded: Stack) -> None:
    fields = {"email": "program@example.org"}
    refused = guarded.post("/users", fields)
    assert refused.status == 422
    assert refused.json()["errors"][0]["code"] == "challenge_missing"
    challenge = altcha.Challenge.from_dict(guarded.post("/challenge", fields).json())
    solution = altcha.solve_challenge(challenge)
    assert solution
    proof = altcha.Payload(challenge, solution).to_base64()
    stolen = guarded.post("/users", {"email": "other@example.org", "altcha": proof})
    assert stolen.json()["errors"][0]["code"] == "challenge_failed"
    assert guarded.post("/users", {**fields, "altcha": proof}).status == 202
    guarded.wait_for_mails("program@example.org")


def test_a_flood_without_solutions_mails_nobody(guarded: Stack) -> None:
    attack = replace(ONE_CLIENT, emails=ONE_CLIENT.emails[:FLOOD])
    result = attacks.run(guarded, attack, solves=True)
    assert (result.answers, result.mails) == ({422: FLOOD}, 0)
    assert result.taken == len(result.visits) == len(result.waits) >= 1, "honest people"


def test_auto_stops_a_flood_and_lets_honest_people_in(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The first sign-ups pass, until the mailer has counted them and the API has looked."""
    settings = ("--set", "CHALLENGE=auto", "--set", "CHALLENGE_ABOVE=30")
    with running(tmp_path_factory.mktemp("rush"), *settings) as stack:
        emails = ONE_CLIENT.emails[: RUSH * SECONDS_OF_RUSH]
        attack = replace(ONE_CLIENT, rate=RUSH, emails=emails)
        result = attacks.run(stack, attack, solves=True)
        assert result.answers.keys() == {202, 422}
        assert 30 < result.answers[202] == result.mails < len(attack.emails)
        assert stack.post("/users", {"email": "late@example.com"}).status == 422
        assert result.taken == len(result.visits) == len(result.waits) >= 1, "honest people"


def test_auto_asks_once_many_sign_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With the roles enforced: the API may read the rate, and the mailer count it."""
    settings = ("--set", "CHALLENGE=auto", "--set", "CHALLENGE_ABOVE=3", "--enforce-iam")
    with running(tmp_path_factory.mktemp("auto"), *settings) as stack:
        assert b"altcha-widget" not in stack.get(f"{stack.api}/", Accept="text/html").data
        numbers = iter(range(100))

        def is_asked() -> bool:
            answer = stack.post("/users", {"email": f"crowd{next(numbers)}@example.org"})
            return answer.status == 422 and b"challenge_missing" in answer.data

        wait_for(is_asked, TIME_TO_WAIT, "the challenge is asked for")
        assert b"altcha-widget" in stack.get(f"{stack.api}/", Accept="text/html").data
