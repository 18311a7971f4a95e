"""The mailbox: every mail that the local SES took, and the pages that show them.

It records SES's own requests, so that headers and tags are kept, which the local cloud drops.
"""

import base64
import html
import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs

from ops.run.guard import App, Message, Receive, Scope, Send

KEPT = 10_000
SEND_EMAIL = "/v2/email/outbound-emails"

_FILES = Path(__file__).with_name("mailbox_page")
_MAIL = re.compile(r"/messages/(\d{1,9})\.(plain|html|frame|source)")
_TYPES = {".css": "text/css", ".js": "text/javascript"}
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# As webmail shows a mail: no scripts, and links leave the frame.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; "
    "sandbox allow-popups allow-popups-to-escape-sandbox; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class Mail:
    """A mail that SES took, as one of its recipients gets it."""

    number: int
    message_id: str
    at: datetime
    source: bytes

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.source, policy=policy.default)

    def part(self, kind: str) -> str:
        """Return the ``plain`` or ``html`` part; empty if there is none."""
        body = self.parsed.get_body((kind,))
        return str(body.get_content()).replace("\r\n", "\n") if body else ""

    def summary(self) -> dict[str, object]:
        mail = self.parsed
        return {
            "id": self.number,
            "message_id": self.message_id,
            "at": self.at.isoformat(timespec="milliseconds"),
            "sender": str(mail["From"]),
            "recipients": {"to": str(mail["To"]).split(", ")},
            "subject": str(mail["Subject"]),
        }


class Mailbox:
    """The latest mails, numbered from 1 in the order in which SES took them."""

    def __init__(self, kept: int = KEPT) -> None:
        self._mails: deque[Mail] = deque(maxlen=kept)
        self._count = 0

    def add(self, call: Mapping[str, Any], message_id: str, at: datetime) -> Mail:
        """Keep the mail of ``call``, the JSON of an SES v2 SendEmail."""
        self._count += 1
        mail = Mail(self._count, message_id, at, _source(call, message_id, at))
        self._mails.append(mail)
        return mail

    def mails(self) -> list[Mail]:
        return list(self._mails)

    def get(self, number: int) -> Mail | None:
        return next((mail for mail in self._mails if mail.number == number), None)


class Recorder:
    """Keeps in ``mailbox`` what ``app``, the local cloud, accepts for sending.

    ``mail_taken`` is called with the JSON of each SendEmail, SES's id and the moment.
    """

    def __init__(
        self,
        app: App,
        mailbox: Mailbox,
        mail_taken: Callable[[Mapping[str, Any], str, datetime], None],
    ) -> None:
        self._app = app
        self._mailbox = mailbox
        self._mail_taken = mail_taken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_mail = scope["type"] == "http" and scope["path"] == SEND_EMAIL
        if not is_mail or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        asked = await receive()  # the guard has read the whole body
        answer = _Answer()

        async def receive_again() -> Message:
            return asked

        async def record(message: Message) -> None:
            if answer.take(message):
                self._record(json.loads(asked["body"]), answer)
            await send(message)

        await self._app(scope, receive_again, record)

    def _record(self, call: Mapping[str, Any], answer: "_Answer") -> None:
        if answer.status != HTTPStatus.OK:
            return
        message_id, now = json.loads(answer.body)["MessageId"], datetime.now(timezone.utc)
        self._mailbox.add(call, message_id, now)
        self._mail_taken(call, message_id, now)


@dataclass
class _Answer:
    """The local cloud's answer, of which ASGI sends one message after another."""

    status: int = 0
    body: bytes = b""

    def take(self, message: Message) -> bool:
        """Take the answer's next ``message``; return True if it is the last."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            return not message.get("more_body", False)
        return False


class Pages:
    """Shows ``mailbox`` to a browser, and to programs as JSON at /messages/."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._page = Template((_FILES / "page.html").read_text(encoding="utf-8"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            status, content_type, body, csp = HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", "", ""
        else:
            status, content_type, body, csp = self._find(
                scope["path"], scope["query_string"].decode("latin-1")
            )
        content = body.encode("utf-8", "surrogateescape")
        headers = {
            "content-type": f"{content_type}; charset=utf-8",
            "content-length": str(len(content)),
            "content-security-policy": csp or _PAGE_POLICY,
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        content = b"" if scope["method"] == "HEAD" else content
        await send({"type": "http.response.body", "body": content})

    def _find(self, path: str, query: str) -> tuple[HTTPStatus, str, str, str]:
        """Return status, type, body and policy of what is at ``path``."""
        if path == "/":
            chosen = parse_qs(query).get("mail", [""])[0]
            return HTTPStatus.OK, "text/html", self._front(chosen), ""
        if path == "/messages/":
            summaries = {"messages": [mail.summary() for mail in self._mailbox.mails()]}
            return HTTPStatus.OK, "application/json", json.dumps(summaries), ""
        if path in ("/style.css", "/script.js"):
            file = _FILES / path[1:]
            return HTTPStatus.OK, _TYPES[file.suffix], file.read_text(encoding="utf-8"), ""
        match = _MAIL.fullmatch(path)
        mail = self._mailbox.get(int(match[1])) if match else None
        if match and mail:
            return _show(mail, match[2])
        return HTTPStatus.NOT_FOUND, "text/plain", "There is no such mail.\n", ""

    def _front(self, chosen: str) -> str:
        mails = self._mailbox.mails()[::-1]
        shown = self._mailbox.get(int(chosen)) if chosen.isascii() and chosen.isdigit() else None
        shown = shown or (mails[0] if mails else None)
        return self._page.substitute(
            newest=mails[0].number if mails else 0,
            entries="\n".join(_entry(mail, mail is shown) for mail in mails),
            mail=_whole(shown) if shown else "<p>No mail yet. Sign someone up.</p>",
        )


def _source(call: Mapping[str, Any], message_id: str, at: datetime) -> bytes:
    content = call["Content"]
    if raw := content.get("Raw"):
        return base64.b64decode(raw["Data"])
    simple = content["Simple"]
    mail = EmailMessage(policy=policy.default)
    mail["From"] = call["FromEmailAddress"]
    mail["To"] = ", ".join(call["Destination"].get("ToAddresses", []))
    if reply_to := call.get("ReplyToAddresses"):
        mail["Reply-To"] = ", ".join(reply_to)
    mail["Subject"] = simple["Subject"]["Data"]
    mail["Date"] = at
    mail["Message-ID"] = f"<{message_id}>"
    for header in simple.get("Headers", []):
        mail[header["Name"]] = header["Value"]
    body = simple["Body"]
    if text := body.get("Text"):
        mail.set_content(text["Data"])
    if rich := body.get("Html"):
        add = mail.add_alternative if text else mail.set_content
        add(rich["Data"], subtype="html")
    return mail.as_bytes()


def _show(mail: Mail, kind: str) -> tuple[HTTPStatus, str, str, str]:
    if kind == "source":
        return HTTPStatus.OK, "text/plain", mail.source.decode("utf-8", "surrogateescape"), ""
    content = mail.part("html" if kind == "frame" else kind)
    if not content:
        return HTTPStatus.NOT_FOUND, "text/plain", "The mail has no such part.\n", ""
    if kind == "plain":
        return HTTPStatus.OK, "text/plain", content, ""
    if kind == "frame":
        content = re.sub("(?i)<head>", '<head><base target="_blank">', content, count=1)
        return HTTPStatus.OK, "text/html", content, _MAIL_POLICY
    return HTTPStatus.OK, "text/html", content, "frame-ancestors 'none'"


def _entry(mail: Mail, is_shown: bool) -> str:
    parsed = mail.parsed
    current = ' aria-current="true"' if is_shown else ""
    return (
        f'<li><a href="/?mail={mail.number}"{current}>'
        f"<strong>{html.escape(str(parsed['Subject']))}</strong>"
        f"<span>{html.escape(str(parsed['To']))}</span>"
        f"<time>{mail.at.astimezone():%H:%M:%S}</time></a></li>"
    )


def _whole(mail: Mail) -> str:
    parsed = mail.parsed
    skipped = ("content-type", "mime-version", "content-transfer-encoding")
    rows = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd></div>"
        for name, value in parsed.items()
        if name.lower() not in skipped
    )
    at = f"/messages/{mail.number}"
    links = [(f"{at}.plain", "Plain text"), (f"{at}.source", "Source")]
    body = f'<pre tabindex="0">{html.escape(mail.part("plain"))}</pre>'
    if mail.part("html"):
        links.insert(0, (f"{at}.html", "HTML alone"))
        body = f'<iframe src="{at}.frame" title="The mail"></iframe>'
    shown = "".join(f'<a href="{href}" target="_blank">{name}</a>' for href, name in links)
    subject = html.escape(str(parsed["Subject"]))
    return f"<h2>{subject}</h2><dl>{rows}</dl><p>{shown}</p>{body}"


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the server's start and end, as ASGI asks for."""
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
