"""Clicks in process: validating by link, button and code, and refusing."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from chalice.test import HTTPResponse

from chalicelib.users.store import MAX_GUESSES
from tests.support.service import (
    ALEXIS,
    BASE_URL,
    BROWSER,
    FORM,
    Browser,
    Service,
    code_in_mail,
)

EMAIL = ALEXIS["email"]
UPDATE = "dynamodb.UpdateItem"
SCANNERS = [
    pytest.param("GET", {"user_agent": "curl/8.5.0", "accept": "*/*"}, id="curl"),
    pytest.param("GET", {"user_agent": "Mozilla/5.0 SafeLinks", "accept": "*/*"}, id="SafeLinks"),
    pytest.param("GET", {"user_agent": "BarracudaCentral", "accept": "text/html"}, id="Barracuda"),
    pytest.param("GET", {"user_agent": "Mozilla/5.0", "accept": BROWSER}, id="headless browser"),
    pytest.param("GET", {"user_agent": "Slackbot-LinkExpanding 1.0"}, id="link preview"),
    pytest.param("GET", {"accept": "text/html, application/json;q=0.9"}, id="page before JSON"),
    pytest.param("GET", {"accept": "application/json;q=0"}, id="anything but JSON"),
    pytest.param("GET", {"accept": BROWSER, "sec_purpose": "prefetch;prerender"}, id="prerender"),
    pytest.param("GET", {"accept": "application/json", "purpose": "prefetch"}, id="prefetch"),
    pytest.param("HEAD", {"accept": "application/json"}, id="HEAD"),
]


def is_validated(service: Service) -> bool:
    return "validated_at" in service.item(EMAIL)


def heading(page: HTTPResponse) -> str:
    found = re.search(r"<h1>(.*?)</h1>", page.body.decode())
    assert found
    return html.unescape(found[1])


# Links


def test_the_browser_that_signed_up_validates_by_one_click(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up()
    assert browser.open(service.link()).status_code == 200
    assert is_validated(service)


def test_another_browser_validates_by_the_button(service: Service) -> None:
    Browser(service).sign_up()
    other = Browser(service)
    page = other.open(service.link())
    assert page.status_code == 200
    assert EMAIL in page.body.decode()
    assert "Bienvenue" in page.body.decode()
    assert f"{BASE_URL}/refuse?" in page.body.decode()
    assert not is_validated(service)
    assert other.press(page).status_code == 200
    assert is_validated(service)


def test_another_sign_ups_ticket_does_not_count(service: Service) -> None:
    Browser(service).sign_up()
    link = service.link()
    stranger = Browser(service)
    stranger.sign_up(email="stranger@example.org")
    stranger.open(link)
    assert not is_validated(service)


@pytest.mark.parametrize(("method", "headers"), SCANNERS)
def test_a_mail_scanner_validates_nobody(
    service: Service, method: str, headers: dict[str, str]
) -> None:
    Browser(service).sign_up()
    path = service.link().removeprefix(BASE_URL)
    assert service.request(method, path, **headers).status_code == 200
    assert not is_validated(service)


def test_a_scanner_without_accept_is_told_how_to_confirm(service: Service) -> None:
    Browser(service).sign_up()
    answer = service.get(service.link().removeprefix(BASE_URL))
    assert answer.json_body["status"] == "confirm"


def test_a_program_validates_by_get(service: Service) -> None:
    Browser(service).sign_up()
    assert service.open(service.link()).json_body["status"] == "validated"


def test_a_used_link_says_so_in_every_browser(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up()
    browser.open(service.link())
    pages = [browser.open(service.link()), Browser(service).open(service.link())]
    assert len({heading(page) for page in pages}) == 1


def test_the_answer_to_a_click_needs_one_call(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up()
    service.calls.clear()
    Browser(service).open(service.link())
    browser.open(service.link())
    assert service.calls == [UPDATE, UPDATE]


# Codes


def test_the_waiting_page_takes_the_code_of_the_mail(service: Service) -> None:
    browser = Browser(service)
    page = browser.sign_up()
    assert 'name="code"' in page.body.decode()
    assert browser.type_code(code_in_mail(service)).status_code == 200
    assert is_validated(service)
    assert service.item(EMAIL)["validated_with"] == {"S": "code"}


def test_a_program_sends_code_and_ticket_in_json(service: Service) -> None:
    ticket = service.post_json("/users", ALEXIS).json_body["ticket"]
    service.deliver()
    code = code_in_mail(service)
    sent = {"email": EMAIL.upper(), "code": f"{code[:3]} {code[3:]}", "ticket": ticket}
    assert service.post_json("/validate", sent).json_body["status"] == "validated"
    assert service.post_json("/validate", sent).json_body["status"] == "already_validated"


def test_every_code_that_does_not_work_gets_the_same_answer(service: Service) -> None:
    browser, other = Browser(service), Browser(service)
    browser.sign_up()
    right = code_in_mail(service)
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    other.sign_up(email="other@example.org")
    ticket = browser.cookie.partition("=")[2]
    answers = [
        service.post_json("/validate", {"email": EMAIL, "ticket": ticket, **fields})
        for fields in (
            {"code": wrong},
            {"code": ""},
            {"code": "12345"},
            {"code": "1234567"},
            {"code": "١٢٣٤٥٦"},
            {"code": 123456},
            {"code": "1" * 10_000},
            {"code": wrong, "email": "nobody@example.org"},
            {"code": wrong, "email": "not an address"},
            {"code": right, "ticket": ""},
            {"code": right, "ticket": other.cookie.partition("=")[2]},
        )
    ]
    answers += [  # the guesses are used up before the right one
        service.post_json("/validate", {"email": EMAIL, "ticket": ticket, "code": code})
        for code in [wrong] * MAX_GUESSES + [right]
    ]
    assert {(a.status_code, a.body, json.dumps(a.headers)) for a in answers} == {
        (400, answers[0].body, json.dumps(answers[0].headers))
    }
    assert answers[0].json_body["type"] == "urn:bienvenue:problem:code_invalid"
    assert not is_validated(service)


def test_a_wrong_code_can_be_typed_again_on_its_page(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up()
    right = code_in_mail(service)
    page = browser.type_code(f"{(int(right) + 1) % 1_000_000:06}")
    assert page.status_code == 400
    assert 'name="code"' in page.body.decode()
    assert EMAIL in page.body.decode()
    assert browser.type_code(right).status_code == 200
    assert is_validated(service)


def test_a_code_expires_after_a_quarter_of_an_hour(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up()
    code = code_in_mail(service)
    service.clock.go_by(minutes=15)
    assert browser.type_code(code).status_code == 400
    assert browser.open(service.link()).status_code == 200
    assert is_validated(service)


# This wasn't me


def refuse(service: Service, **headers: str) -> HTTPResponse:
    fields = dict(parse_qsl(urlsplit(service.link()).query))
    return service.post_form("/refuse", fields, **headers)


def refuse_path(service: Service) -> str:
    return f"/refuse?{urlsplit(service.link()).query}"


def test_opening_the_refusal_page_changes_nothing(service: Service) -> None:
    Browser(service).sign_up()
    service.calls.clear()
    page = service.get(refuse_path(service), accept=BROWSER)
    assert page.status_code == 200
    assert EMAIL in page.body.decode()
    assert service.get(refuse_path(service)).json_body["status"] == "refuse"
    assert service.calls == []


def test_a_refusal_erases_what_strangers_said_and_stops_mail(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up()
    page = service.get(refuse_path(service), accept=BROWSER)
    assert browser.press(page).status_code == 200
    item = service.item(EMAIL)
    assert item["mail"] == {"S": "refused"}
    assert "Alexis" not in json.dumps(item)
    service.clock.go_by(days=2)
    Browser(service).sign_up()
    assert len(service.mails) == 1
    assert not is_validated(service)


def test_a_refusal_holds_for_all_spellings_and_after_a_deletion(service: Service) -> None:
    Browser(service).sign_up()
    assert refuse(service).status_code == 200
    service.lose_the_stream()
    table = {"TableName": "users", "Key": {"email": {"S": EMAIL}}}
    service.app.service.outbox.table.client.delete_item(**table)
    Browser(service).sign_up()
    Browser(service).sign_up(email=EMAIL.replace("@", "+again@"))
    assert len(service.mails) == 1
    assert service.item(EMAIL)["mail"] == {"S": "refused"}


def test_a_refusal_that_could_not_be_remembered_is_repeated(service: Service) -> None:
    """The item refuses by itself meanwhile, for good. The second press writes the rest."""
    Browser(service).sign_up()
    limits = service.app.service.mailboxes.table.name
    service.fail_at(limits)
    assert refuse(service).status_code == 503
    item = service.item(EMAIL)
    assert (item["mail"], "expires_at" in item) == ({"S": "refused"}, False)
    service.fail_at("")
    assert refuse(service).json_body["status"] == "refuse_done"
    assert service.app.service.mailboxes.allow(EMAIL, service.clock.now())


def test_a_refusal_can_be_repeated(service: Service) -> None:
    Browser(service).sign_up()
    answers = [refuse(service) for _ in range(2)]
    assert [(a.status_code, a.json_body["status"]) for a in answers] == [(200, "refuse_done")] * 2


ONE_CLICK = b"List-Unsubscribe=One-Click"
ONE_CLICK_PARTS = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(ONE_CLICK, FORM), (ONE_CLICK_PARTS, "multipart/form-data; boundary=x")],
    ids=["form", "multipart"],
)
@pytest.mark.parametrize(
    "headers",
    [{}, {"sec_fetch_site": "cross-site", "origin": "https://webmail.example"}],
    ids=["a mailbox's server", "a page of webmail"],
)
def test_a_mailbox_refuses_by_one_click(
    service: Service, body: bytes, content_type: str, headers: dict[str, str]
) -> None:
    """RFC 8058: the address has the token, the body is either kind of form."""
    Browser(service).sign_up()
    answer = service.request("POST", refuse_path(service), body, content_type, **headers)
    assert answer.status_code == 200
    assert service.item(EMAIL)["mail"] == {"S": "refused"}


def test_a_foreign_page_refuses_only_by_one_click(service: Service) -> None:
    Browser(service).sign_up()
    foreign = {"sec_fetch_site": "cross-site", "origin": "https://webmail.example"}
    for body in (b"a=b", b"List-Unsubscribe=Yes"):
        answer = service.request("POST", refuse_path(service), body, FORM, **foreign)
        assert answer.status_code == 403
    path = refuse_path(service).replace("/refuse", "/validate")
    assert service.request("POST", path, ONE_CLICK, FORM, **foreign).status_code == 403
    assert service.item(EMAIL)["mail"] == {"S": "sent"}


def test_a_refusal_undoes_a_validation_for_a_week(service: Service) -> None:
    """A stranger or a mail scanner may have validated. Later, a link that leaked closes nothing."""
    browser = Browser(service)
    browser.sign_up()
    browser.open(service.link())
    service.clock.go_by(days=7)
    assert refuse(service).json_body["status"] == "already_validated"
    assert is_validated(service)
    service.clock.go_by(seconds=-1)
    assert refuse(service).json_body["status"] == "refuse_done"
    assert not is_validated(service)
    service.clock.go_by(days=8)
    assert refuse(service).json_body["status"] == "refuse_done"


def test_an_unsubscribe_button_undoes_no_validation(service: Service) -> None:
    """No spelling gets a mail after it, whoever signs up, also after a deletion."""
    browser = Browser(service)
    browser.sign_up()
    browser.open(service.link())
    answer = service.request("POST", refuse_path(service), ONE_CLICK, FORM)
    assert answer.json_body["status"] == "refuse_done"
    assert is_validated(service)
    for email in (EMAIL, EMAIL.replace("@", "+again@")):
        service.clock.go_by(minutes=2)
        Browser(service).sign_up(email=email)
    service.app.service.outbox.table.client.delete_item(
        TableName=service.app.service.outbox.table.name, Key={"email": {"S": EMAIL}}
    )
    Browser(service).sign_up()
    assert len(service.mails) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_link_refuses_nothing(service: Service, method: str) -> None:
    Browser(service).sign_up()
    for query in ("", "?email=a@example.org&token=short", f"?email={EMAIL}&token=" + "x" * 43):
        if method == "GET" and query.endswith("x" * 43):
            continue  # a GET looks nobody up
        answer = service.request(
            method, f"/refuse{query}", b"a=b" if method == "POST" else b"", FORM
        )
        assert answer.status_code == 400
        assert answer.json_body["type"] == "urn:bienvenue:problem:link_invalid"
    assert service.item(EMAIL)["mail"] == {"S": "sent"}


def test_a_resend_keeps_what_the_sign_up_of_the_ticket_said(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up(lang="en")
    service.clock.go_by(minutes=2)
    service.post_form("/resend", {"email": EMAIL}, cookie=browser.cookie)
    service.deliver()
    assert browser.open(service.link()).status_code == 200
    assert is_validated(service)
