"""The console's answers, request by request, over a table in moto."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.console.desk import Desk
from ops.console.server import SHOWN, Console, Request, Response
from ops.users.store import OperatorsUsers
from tests.support.stores import Store

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
THEN = "2031-05-04T11:00:00.000000Z"
EMAIL = "alexis@example.org"
HOST = "127.0.0.1:8500"
ZOE = "arn:aws:sts::123456789012:assumed-role/Support/zoe"


class Browser:
    """A browser that follows redirects and fills in the forms of what it shows."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.root = f"/{console.key}/"
        self.path = self.root
        self.urls: list[str] = []
        self.page = ""
        self.status = 0

    def get(self, path: str) -> str:
        return self._show(Request("GET", path, {"host": HOST}), path)

    def post(self, path: str, **form: str) -> str:
        token = {"token": self.console.token}
        headers = {"host": HOST, "origin": f"http://{HOST}"}
        return self._show(Request("POST", self.root + path, headers, {**token, **form}), path)

    def press(self, words: str) -> str:
        """Press the button, or follow the link, with these words."""
        form = re.search(
            rf'action="([^"]+)"><input[^>]+><button[^>]*>{re.escape(words)}</button>', self.page
        )
        if form:
            return self.post(form[1].removeprefix(self.root))
        link = re.search(rf'href="([^"]+)">{re.escape(words)}</a>', self.page)
        assert link, f"no {words} in {self.page}"
        return self.get(link[1])

    def _show(self, request: Request, path: str) -> str:
        self.urls.append(path)
        response = self.console.respond(request)
        self.page, self.status = "".join(response.parts), int(response.status)
        return self.get(response.location) if response.location else self.page


@pytest.fixture
def console(store: Store) -> Console:
    users = OperatorsUsers(store.client, store.table, store.mailboxes, operator=ZOE)
    return Console(Desk(users, "aws {}".format, lambda: NOW), "prod")


@pytest.fixture
def browser(console: Console) -> Browser:
    return Browser(console)


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"host": "evil.example"}),
        ("GET", {}),
        ("GET", {"host": HOST, "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}),
        ("POST", {"host": HOST, "origin": "http://127.0.0.1:9999"}),
        ("POST", {"host": HOST, "origin": "null"}),
        ("POST", {"host": HOST, "sec-fetch-site": "cross-site"}),
    ],
)
def test_foreign_pages_and_hosts_are_refused(
    console: Console, method: str, headers: dict[str, str]
) -> None:
    form = {"token": console.token, "text": EMAIL}
    response = console.respond(Request(method, f"/{console.key}/find", headers, form))
    assert response.status == 403


@pytest.mark.parametrize("path", ["/", "/wrong/", "/favicon.ico", "/é/"])
def test_without_the_key_there_is_nothing(console: Console, path: str) -> None:
    response = console.respond(Request("GET", path, {"host": HOST}))
    assert (response.status, list(response.parts)) == (
        404,
        ["Open the address that the command printed.\n"],
    )


def test_a_form_without_the_token_changes_nothing(
    store: Store, console: Console, browser: Browser
) -> None:
    store.put(EMAIL, created_at=THEN, mail="sent")
    browser.post("find", text=EMAIL)
    (handle,) = re.findall(r"user/(\w+)/validate", browser.page)[:1]
    path = f"/{console.key}/user/{handle}/validate"
    headers = {"host": HOST, "origin": f"http://{HOST}"}
    for form in ({}, {"token": "wrong"}):
        assert console.respond(Request("POST", path, headers, form)).status == 403
    assert console.respond(Request("GET", path, headers)).status == 404
    assert "validated_at" not in (store.item(EMAIL) or {})


def test_a_whole_address_leads_to_its_user(store: Store, browser: Browser) -> None:
    store.put(EMAIL, created_at=THEN, prenom="Alexis", mail="sent", mail_at=THEN)
    with store.calls() as calls:
        page = text(browser.post("find", text="Alexis@Example.org"))
    assert "Scan" not in calls
    assert "Alexis alexis@example.org waits for the click" in page
    assert "2031-05-04 11:00:00 UTC 1 hour ago Signed up" in page
    assert "SES took the mail. The mailbox's server has not confirmed it" in page.replace(
        "&#x27;", "'"
    )


def test_a_part_of_a_name_leads_to_all_who_have_it(store: Store, browser: Browser) -> None:
    store.put("zoe@example.org", prenom="Zoé")
    store.put("other@example.org", nom="Other")
    page = text(browser.post("find", text="ZOE"))
    assert "zoe@example.org Zoé waits for the click" in page
    assert "1 user found." in page
    assert "other@example.org" not in page
    assert "No user found." in text(browser.post("find", text="nobody"))


def test_no_url_has_an_address_or_a_name(store: Store, browser: Browser) -> None:
    store.put(EMAIL, created_at=THEN, prenom="Alexis", mail="sent")
    browser.post("find", text="alexis")
    (link,) = re.findall(r'href="([^"]+/user/\w+)"', browser.page)
    browser.get(link)
    browser.press("Delete …")
    assert not re.search("alexis|example", " ".join(browser.urls))


def test_many_users_are_cut_short(store: Store, browser: Browser) -> None:
    for n in range(SHOWN + 1):
        store.put(f"u{n}@example.org")
    page = browser.post("find", text="example")
    assert page.count("<li>") == SHOWN
    assert f"These are the first {SHOWN}." in text(page)


def test_users_are_shown_as_they_are_found(store: Store, console: Console) -> None:
    store.put(EMAIL)
    headers = {"host": HOST}
    form = {"token": console.token, "text": "example"}
    response = console.respond(Request("POST", f"/{console.key}/find", headers, form))
    with store.calls() as calls:
        parts = iter(console.respond(Request("GET", response.location, headers)).parts)
        assert "<h1>" not in next(parts)
        assert "Users with" in next(parts)
        assert calls == []
        assert EMAIL in next(parts)
    assert calls == ["Scan"]


@pytest.mark.parametrize(
    ("attributes", "buttons"),
    [
        ({"mail": "sent"}, ["Send another mail", "Validate by hand", "Send no more mail …"]),
        ({}, ["Send another mail", "Validate by hand", "Send no more mail …"]),
        (
            {"mail": "bounced"},
            ["Send another mail anyway", "Validate by hand", "Send no more mail …"],
        ),
        ({"mail": "complained"}, ["Validate by hand"]),
        ({"mail": "refused"}, ["Allow mail again"]),
        ({"validated_at": THEN, "mail": "delivered"}, []),
        ({"validated_at": THEN, "mail": "bounced"}, []),
        ({"validated_at": THEN, "mail": "refused"}, ["Allow mail again"]),
    ],
)
def test_the_console_offers_only_possible_actions(
    store: Store, browser: Browser, attributes: dict[str, str], buttons: list[str]
) -> None:
    store.put(EMAIL, created_at=THEN, **attributes)
    page = browser.post("find", text=EMAIL)
    main = page.partition("<main>")[2]
    offered = re.findall(r'(?:<button>|class="button" href="[^"]+">)([^<]+)<', main)
    assert offered == [*buttons, "Delete …"]


@pytest.mark.parametrize(
    ("button", "before", "words", "after"),
    [
        ("Send another mail", {"mail": "failed"}, "is owed a mail again", {"mail": "owed"}),
        (
            "Send another mail anyway",
            {"mail": "bounced"},
            "is owed a mail again",
            {"mail": "owed"},
        ),
        ("Validate by hand", {"mail": "sent"}, "is validated.", {"validated_by": "operator"}),
        ("Allow mail again", {"mail": "refused"}, "may sign up again", {"mail": "failed"}),
    ],
)
def test_an_action_is_done_recorded_and_shown_once(
    store: Store,
    browser: Browser,
    button: str,
    before: dict[str, str],
    words: str,
    after: dict[str, str],
) -> None:
    store.put(EMAIL, created_at=THEN, **before)
    browser.post("find", text=EMAIL)
    page = browser.press(button)
    assert f'<p role="status" class="notice">{EMAIL} {words}' in page
    assert f"by {ZOE}" in text(page)
    item = store.item(EMAIL) or {}
    assert after.items() <= item.items()
    assert item["acts"][0]["by"] == ZOE
    assert words not in browser.get(browser.urls[-1])


def test_a_refusal_is_asked_about_first(store: Store, browser: Browser) -> None:
    store.put(EMAIL, created_at=THEN, mail="sent", nom="Horn")
    browser.post("find", text=EMAIL)
    assert "The data of the sign-up is erased" in browser.press("Send no more mail …")
    assert (store.item(EMAIL) or {})["mail"] == "sent"
    assert "gets no more mail." in browser.press("Send no more mail")
    item = store.item(EMAIL) or {}
    assert (item["mail"], "nom" in item) == ("refused", False)


def test_a_deletion_is_asked_about_and_may_be_cancelled(store: Store, browser: Browser) -> None:
    store.put(EMAIL, created_at=THEN, mail="sent")
    browser.post("find", text=EMAIL)
    browser.press("Delete …")
    assert "What happened" in browser.press("Cancel")
    browser.press("Delete …")
    assert store.item(EMAIL)
    assert f"{EMAIL} is deleted." in browser.press("Delete for good")
    assert store.item(EMAIL) is None
    assert browser.status == 200
    assert "There is no user with the address" in browser.get(browser.urls[-1])


def test_a_user_who_changed_meanwhile_is_left_alone(store: Store, browser: Browser) -> None:
    store.put(EMAIL, created_at=THEN, mail="sent")
    browser.post("find", text=EMAIL)
    store.put(EMAIL, created_at=THEN, mail="refused")
    page = browser.press("Validate by hand")
    assert "That is no longer possible" in page
    assert (store.item(EMAIL) or {})["mail"] == "refused"


def test_errors_of_aws_are_shown_in_plain_words(
    store: Store, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(EMAIL)

    def refuse(*_: object, **__: object) -> Any:
        error = {"Code": "AccessDeniedException", "Message": "not authorized"}
        raise ClientError({"Error": error}, "GetItem")

    monkeypatch.setattr(store.client, "get_item", refuse)
    page = browser.post("find", text=EMAIL)
    assert browser.status == 502
    assert "These credentials may not GetItem (not authorized): use others that may." in page
    monkeypatch.setattr(store.client, "get_paginator", refuse)
    page = browser.post("find", text="alexis")
    assert (
        'role="alert" class="problem">The search stopped early: These credentials may not' in page
    )
    assert page.endswith("</html>\n")


def test_a_bug_is_shown_without_an_address(browser: Browser, monkeypatch: Any) -> None:
    def fail(*_: object) -> None:
        raise ValueError(EMAIL)

    monkeypatch.setattr(Desk, "look_up", fail)
    page = browser.post("find", text=EMAIL)
    assert browser.status == 500
    assert "This is a bug in the console (ValueError)." in page
    assert EMAIL not in page


def test_what_users_say_is_no_markup(store: Store, browser: Browser) -> None:
    evil = '"><script>alert(1)</script>'
    store.put(f"{evil}@example.org", prenom=evil, mail="failed", mail_error=evil, plan=evil)
    pages = [browser.post("find", text=evil), browser.post("find", text="script")]
    (link,) = re.findall(r'href="([^"]+/user/\w+)"', browser.page)
    pages.append(browser.get(link))
    for page in pages:
        assert "alert(1)" in page
        assert "<script" not in page


def test_handles_of_an_earlier_run_lead_back(console: Console) -> None:
    response: Response = console.respond(
        Request("GET", f"/{console.key}/user/{'0' * 24}", {"host": HOST})
    )
    assert response.status == 404
    assert "search again" in "".join(response.parts)
