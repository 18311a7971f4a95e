"""Requests: each fact of one is read from what Chalice received, in no order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import chalice.app
import pytest

from chalicelib.settings import Settings
from chalicelib.web.body import FORM, JSON, REPEATED
from chalicelib.web.forms import TRAP
from chalicelib.web.request import Request, read_request

LANGUAGES = ("en", "fr")
STAGE = Settings(
    "users", "arn", "hello@example.org", "https://example.org/api", "topic", "limits", "k" * 32
)
TICKET, OTHER = "t" * 43, "o" * 43


def request(
    method: str = "POST",
    raw: bytes = b"{}",
    query: dict[str, list[str]] | None = None,
    stage: Settings = STAGE,
    **headers: str,
) -> Request:
    """Return the request that a client's parts make; headers with ``_`` for ``-``."""
    event: dict[str, Any] = {
        "requestContext": {"httpMethod": method, "resourcePath": "/users"},
        "multiValueQueryStringParameters": query,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "pathParameters": None,
        "stageVariables": None,
        "body": raw,
        "isBase64Encoded": False,
    }
    return read_request(chalice.app.Request(event), stage, LANGUAGES)


def form(**fields: str) -> Request:
    return request(raw=urlencode(fields).encode(), content_type=FORM)


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        request().lang = "en"  # type: ignore[misc]


def test_a_body_becomes_fields() -> None:
    assert request(raw=b'{"nom": "Horn"}', content_type=JSON).fields == {"nom": "Horn"}
    assert form(nom="Horn").fields == {"nom": "Horn"}


def test_a_get_has_no_fields() -> None:
    read = request("GET", raw=b"not JSON")
    assert (read.fields, read.body_error) == ({}, "")


@pytest.mark.parametrize(
    ("raw", "content_type", "code"),
    [
        pytest.param(b"{", JSON, "body_malformed", id="cut off"),
        pytest.param(b" " * 20_000, JSON, "body_too_large", id="too large"),
        pytest.param(b"{}", "text/plain", "content_type_unsupported", id="another type"),
    ],
)
def test_a_body_that_cannot_be_read_has_a_code(raw: bytes, content_type: str, code: str) -> None:
    read = request(raw=raw, content_type=content_type)
    assert (read.fields, read.body_error) == ({}, code)


def test_a_query_parameter_that_comes_twice_has_no_value() -> None:
    assert request(query={"lang": ["en", "fr"], "email": ["a"]}).query == {
        "lang": REPEATED,
        "email": "a",
    }


@pytest.mark.parametrize(
    ("field", "query", "header", "lang", "is_chosen"),
    [
        pytest.param("en-GB", "fr", "fr", "en", True, id="a field"),
        pytest.param("", "en", "fr", "en", True, id="else the query"),
        pytest.param("tlh", "xx", "en;q=0.9", "en", False, id="else the header"),
        pytest.param("", "", "", "fr", False, id="else the stage's own"),
    ],
)
def test_the_language_is_the_nearest_wish(
    field: str, query: str, header: str, lang: str, is_chosen: bool
) -> None:
    raw = urlencode({"lang": field}).encode()
    read = request(raw=raw, query={"lang": [query]}, content_type=FORM, accept_language=header)
    assert (read.lang, read.lang_is_chosen) == (lang, is_chosen)


def test_a_client_that_prefers_html_wants_a_page() -> None:
    assert request(accept="text/html,*/*;q=0.8").wants_page
    assert not request(accept="*/*").wants_page


def test_only_a_form_can_be_trapped() -> None:
    assert form(**{TRAP: "x"}).is_trapped
    assert not form(**{TRAP: ""}).is_trapped
    assert not form(**{TRAP: " \t"}).is_trapped
    assert request(raw=f"{TRAP}=&{TRAP}=".encode(), content_type=FORM).is_trapped
    assert not request(raw=b'{"%s": "x"}' % TRAP.encode(), content_type=JSON).is_trapped


def test_the_trap_is_not_a_field_of_a_form() -> None:
    assert form(**{TRAP: "x"}, nom="Horn").fields == {"nom": "Horn"}


@pytest.mark.parametrize(
    ("cookie", "field", "ticket"),
    [
        pytest.param(f"__Host-bienvenue={TICKET}", "", TICKET, id="a cookie"),
        pytest.param(f"a=b; __Host-bienvenue={TICKET}; c", "", TICKET, id="a cookie among others"),
        pytest.param("", TICKET, TICKET, id="a field"),
        pytest.param(f"__Host-bienvenue={OTHER}", TICKET, TICKET, id="a field before a cookie"),
        pytest.param(f"__Host-bienvenue={TICKET}", "short", TICKET, id="a field that is none"),
        pytest.param(f"bienvenue={TICKET}", "", "", id="a cookie that any sibling can set"),
        pytest.param("__Host-bienvenue=short", "", "", id="a cookie that is none"),
        pytest.param(";=;;", "", "", id="nonsense"),
    ],
)
def test_a_ticket_comes_from_a_field_or_a_cookie(cookie: str, field: str, ticket: str) -> None:
    raw = urlencode({"ticket": field}).encode()
    read = request(raw=raw, content_type=FORM, cookie=cookie)
    assert (read.ticket, read.fields) == (ticket, {})


def test_a_browser_may_have_a_ticket_of_this_site_and_of_another() -> None:
    here, embedded = f"__Host-bienvenue={TICKET}", f"__Host-bienvenue-embedded={OTHER}"
    assert request(cookie=f"{embedded}; {here}").tickets == (TICKET, OTHER)
    assert request(cookie=embedded).tickets == (OTHER,)
    assert request(cookie=f"{here}; __Host-bienvenue-embedded={TICKET}").tickets == (TICKET,)
    assert request().tickets == ()


def test_a_stage_on_this_machine_has_a_plain_cookie() -> None:
    stage = replace(STAGE, base_url="http://127.0.0.1:8000/api")
    assert request(cookie=f"bienvenue={TICKET}", stage=stage).ticket == TICKET
