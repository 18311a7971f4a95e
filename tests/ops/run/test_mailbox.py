"""What the mailbox keeps of SES's calls, and what its pages show of it."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone
from typing import Any

import pytest

from ops.run.mailbox import SEND_EMAIL, Mailbox, Pages, Recorder

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=timezone.utc)
HTML = "<html><head><title>x</title></head><body><a href='http://127.0.0.1/'>é</a></body></html>"
CALL = {
    "FromEmailAddress": "=?utf-8?q?Acm=C3=A9?= <hello@example.org>",
    "Destination": {"ToAddresses": ["alexis@example.org"]},
    "ReplyToAddresses": ["help@example.org"],
    "Content": {
        "Simple": {
            "Subject": {"Data": "Bienvenue Alexis GÜNST HORN !"},
            "Body": {"Text": {"Data": "Bienvenue\n\né"}, "Html": {"Data": HTML}},
            "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
        }
    },
}


@pytest.fixture
def mailbox() -> Mailbox:
    mailbox = Mailbox()
    mailbox.add(CALL, "id-1", NOW)
    return mailbox


def exchange(app: Any, method: str, path: str, query: str = "", body: bytes = b"") -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    asyncio.run(app(scope, receive, send))
    return sent


def get(mailbox: Mailbox, path: str, query: str = "") -> tuple[int, str]:
    start, body = exchange(Pages(mailbox), "GET", path, query)
    return start["status"], body["body"].decode()


def test_a_mail_keeps_its_headers_and_both_parts(mailbox: Mailbox) -> None:
    (mail,) = mailbox.mails()
    assert mail.part("plain").splitlines() == ["Bienvenue", "", "é"]
    assert mail.part("html").strip() == HTML
    parsed = mail.parsed
    assert parsed["From"] == "Acmé <hello@example.org>"
    assert parsed["To"] == "alexis@example.org"
    assert parsed["Subject"] == "Bienvenue Alexis GÜNST HORN !"
    assert parsed["Reply-To"] == "help@example.org"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Message-ID"] == "<id-1>"


@pytest.mark.parametrize(("status", "count"), [(200, 1), (400, 0)])
def test_only_mails_that_ses_took_are_kept(status: int, count: int) -> None:
    mailbox = Mailbox()

    async def ses(_: Any, receive: Any, send: Any) -> None:
        assert json.loads((await receive())["body"]) == CALL
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b'{"Messa', "more_body": True})
        await send({"type": "http.response.body", "body": b'geId": "id-1"}'})

    taken: list[Any] = []
    recorder = Recorder(ses, mailbox, lambda *mail: taken.append(mail[:2]))
    sent = exchange(recorder, "POST", SEND_EMAIL, body=json.dumps(CALL).encode())
    assert len(sent) == 3
    assert taken == [(CALL, "id-1")] * count
    assert [mail.message_id for mail in mailbox.mails()] == ["id-1"] * count


def test_programs_find_mails_by_number(mailbox: Mailbox) -> None:
    mailbox.add(CALL, "id-2", NOW)
    status, body = get(mailbox, "/messages/")
    assert status == 200
    assert [(one["id"], one["message_id"]) for one in json.loads(body)["messages"]] == [
        (1, "id-1"),
        (2, "id-2"),
    ]
    assert get(mailbox, "/messages/1.plain")[1].startswith("Bienvenue")
    assert get(mailbox, "/messages/1.html")[1].strip() == HTML
    assert "Auto-Submitted" in get(mailbox, "/messages/1.source")[1]
    for path in ("/messages/3.plain", "/messages/1.exe", "/favicon.ico"):
        assert get(mailbox, path)[0] == 404


def test_a_framed_mails_links_open_in_a_new_tab(mailbox: Mailbox) -> None:
    start, body = exchange(Pages(mailbox), "GET", "/messages/1.frame")
    assert b'<base target="_blank">' in body["body"]
    policy = dict(start["headers"])[b"content-security-policy"]
    assert b"sandbox allow-popups allow-popups-to-escape-sandbox;" in policy


def test_the_front_page_shows_the_newest_or_the_chosen_mail(mailbox: Mailbox) -> None:
    mailbox.add(CALL, "id-2", NOW)
    assert 'src="/messages/2.frame"' in get(mailbox, "/")[1]
    assert 'src="/messages/1.frame"' in get(mailbox, "/", "mail=1")[1]
    for query in ("mail=9", "mail=x", "mail=²"):
        assert 'src="/messages/2.frame"' in get(mailbox, "/", query)[1]
    assert "No mail yet" in get(Mailbox(), "/")[1]


def test_what_a_mail_says_is_no_markup_of_the_page(mailbox: Mailbox) -> None:
    simple = {"Subject": {"Data": "<script>$x"}, "Body": {"Text": {"Data": "<b>"}}}
    mailbox.add({**CALL, "Content": {"Simple": simple}}, "id-2", NOW)
    page = get(mailbox, "/")[1]
    assert "&lt;script&gt;$x" in page
    assert "<script>$x" not in page
    assert '<pre tabindex="0">&lt;b&gt;' in page


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_the_mailbox_can_only_be_read(mailbox: Mailbox, method: str) -> None:
    assert exchange(Pages(mailbox), method, "/messages/")[0]["status"] == 405


def test_only_the_latest_mails_are_kept() -> None:
    mailbox = Mailbox(kept=2)
    for n in range(3):
        mailbox.add(CALL, f"id-{n + 1}", NOW)
    assert [mail.number for mail in mailbox.mails()] == [2, 3]
