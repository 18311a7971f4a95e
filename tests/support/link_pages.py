"""The pages that links lead to, as browsers, scanners and programs ask for them."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import chalice.app

from chalicelib.settings import Settings
from chalicelib.templates import Templates
from chalicelib.users import links
from chalicelib.users.links import Link
from chalicelib.users.store import Users
from chalicelib.web.clicks import Clicks
from chalicelib.web.request import Request, cookie_name, read_request
from chalicelib.web.response import Answers

STAGE = Settings(
    "users", "arn", "hello@example.org", "https://example.org/api", "topic", "limits", "k" * 32
)
PAGES = ("/validate", "/refuse")
BROWSER = {"accept": "text/html,*/*;q=0.8"}
READERS = {
    "a browser": BROWSER,
    "a prefetch": {**BROWSER, "sec-purpose": "prefetch"},
    "an old prefetch": {**BROWSER, "x-moz": "prefetch"},
    "a mail scanner": {"accept": "*/*", "user-agent": "SafeLinks"},
}
"""What opens a link without its user's word. A browser may bring a ticket: of another sign-up."""


def may_bring_any_ticket(reader: str) -> bool:
    """Return True if the reader changes nothing even with the ticket of the link's own sign-up."""
    return "prefetch" in reader


class LinkPages:
    """The real routes of links, over the users of a test."""

    def __init__(self, users: Users) -> None:
        self._answers = _answers()
        self._clicks = Clicks(self._answers, lambda: users)

    def read(self, page: str, link: Link, now: datetime, reader: str, ticket: str = "") -> int:
        """GET a page of a link; return the status of the answer."""
        request = _request(page, link, {**READERS[reader], **_cookie(ticket)})
        if page == "/refuse":
            return self._answers.refusal_page(request, links.read(request.query)).status_code
        return self._clicks.open(request, now).status_code


@cache
def _answers() -> Answers:
    return Answers(STAGE, Templates())


def _cookie(ticket: str) -> dict[str, str]:
    return {"cookie": f"{cookie_name(STAGE)}={ticket}"} if ticket else {}


def _request(page: str, link: Link, headers: dict[str, str]) -> Request:
    event: dict[str, Any] = {
        "requestContext": {"httpMethod": "GET", "resourcePath": page},
        "multiValueQueryStringParameters": {"email": [link.email], "token": [link.token]},
        "headers": headers,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    }
    return read_request(chalice.app.Request(event), STAGE, ("en", "fr"))
