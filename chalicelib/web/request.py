"""One HTTP request, read once: a frozen value whose facts have no order."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

import chalice.app

from chalicelib.web import body, negotiation
from chalicelib.web.body import BodyError

TRAP = "website"
"""A form field that people do not see and simple bots fill in."""


@dataclass(frozen=True)
class Request:
    """What a client sent.

    ``fields`` are the body's. They are empty if the body cannot be read; ``body_error`` is then
    the problem's code. ``lang`` is the language of the answer.
    """

    method: str
    path: str
    query: Mapping[str, object]
    fields: Mapping[str, object]
    body_error: str
    lang: str
    lang_is_chosen: bool
    """The query or a field asks for ``lang``, not only the browser's settings."""
    wants_page: bool
    """The client prefers HTML to JSON."""
    is_trapped: bool
    """A form came back with its trap filled in. API clients see no form."""


def read_request(
    received: chalice.app.Request, languages: Collection[str], default_lang: str
) -> Request:
    """Return the request that Chalice received. Any request can be read."""
    headers = received.headers
    query = _query(received)
    fields, body_error = _fields(received)
    media_type = body.media_type(headers.get("content-type", ""))
    trap = fields.pop(TRAP, "") if media_type == body.FORM else ""
    # A field's language is read as a sign-up reads it: the answer and the mail share a language.
    wanted = [negotiation.primary_language(text_of(fields.get("lang"))), query.get("lang")]
    chosen = next((lang for lang in wanted if isinstance(lang, str) and lang in languages), "")
    accepted = headers.get("accept-language", "")
    return Request(
        method=received.method,
        path=received.path,
        query=query,
        fields=fields,
        body_error=body_error,
        lang=chosen or negotiation.language(accepted, frozenset(languages), default_lang),
        lang_is_chosen=bool(chosen),
        wants_page=negotiation.prefers_html(headers.get("accept", "")),
        is_trapped=bool(trap),
    )


def text_of(value: object) -> str:
    """Return ``value`` if it is text, else nothing. JSON's lone surrogates become ``?``."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _query(received: chalice.app.Request) -> dict[str, object]:
    """Return the query's parameters; one that comes twice is body.REPEATED."""
    params = received.query_params
    if params is None:
        return {}
    return body.once([(name, value) for name in params for value in params.getlist(name)])


def _fields(received: chalice.app.Request) -> tuple[dict[str, object], str]:
    """Return the body's fields, and the code of what is wrong with the body. Only POST has one."""
    if received.method != "POST":
        return {}, ""
    try:
        raw = cast(bytes, received.raw_body)
    except ValueError:  # text that is not UTF-8, or not base64
        return {}, "body_malformed"
    try:
        return body.fields(received.headers.get("content-type", ""), raw), ""
    except BodyError as error:
        return {}, error.code
