"""One HTTP request, read once: a frozen value whose facts have no order."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, cast

import chalice.app

from chalicelib import language_tag
from chalicelib.settings import Settings
from chalicelib.users import tokens
from chalicelib.users.people import NOTHING
from chalicelib.web import body, negotiation
from chalicelib.web.body import REPEATED, BodyError
from chalicelib.web.cors import ANY_ORIGIN
from chalicelib.web.forms import MOMENT, SOLUTION, TRAP

MAX_AGENT = 256

_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""The headers that say why a browser asks: the standard's, and those of older browsers."""
_EARLY = ("prefetch", "prerender", "preview")


class Request(NamedTuple):
    """One request of a client.

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
    is_form: bool
    """The body is a form, which may hold fields that are not for us."""
    wants_page: bool
    """The client prefers HTML to JSON."""
    is_program: bool
    """The client asks for JSON by its name: no browser and no mail scanner does."""
    is_trapped: bool
    """A form came back with its trap filled in. API clients see no form."""
    tickets: tuple[str, ...]
    """Tickets of earlier sign-ups: the field's, or those of the cookies of this and other sites."""
    solution: str
    """The solution of a challenge, and the signed ``moment`` of a form. Empty without one."""
    moment: str
    is_prefetch: bool
    """A browser asks for a page before its user does."""
    is_foreign: bool
    """A browser sent this request from a page whose origin is not allowed."""
    is_cross_site: bool
    """A browser sends this for a page of another site. It brings no cookie that is SameSite=Lax."""
    has_named_origin: bool
    """The operator names the origin of that page."""
    sent_from: Mapping[str, str]
    """The sender's ``address`` and ``agent``, if the stage keeps them beside a consent."""

    @property
    def ticket(self) -> str:
        """Return the client's ticket; empty if it has none."""
        return next(iter(self.tickets), "")

    @property
    def is_one_click(self) -> bool:
        """Return True for a press of the mailbox's own unsubscribe button (RFC 8058, 3.2).

        The token in its address decides, and no cookie, so any page may send it.
        """
        return self.path == "/refuse" and self.fields.get("List-Unsubscribe") == "One-Click"

    @property
    def is_probe(self) -> bool:
        """Return True for requests that no user has made yet, or that want no content."""
        return self.method == "HEAD" or self.is_prefetch


def read_request(
    received: chalice.app.Request, stage: Settings, languages: Collection[str]
) -> Request:
    """Return the request that Chalice received. Any request can be read."""
    headers = dict(received.headers)  # Chalice's own mapping takes 0.7 µs for each look-up
    query = _query(received)
    fields, body_error = _fields(received, headers)
    is_form = body.media_type(headers.get("content-type", "")) in body.FORMS
    tickets = _tickets(fields.pop("ticket", ""), headers.get("cookie", ""), stage)
    origin = headers.get("origin", "").lower()
    trap = fields.pop(TRAP, "") if is_form else ""
    proof = ["", ""]
    if stage.challenge != "off":
        proof = [text_of(fields.pop(name, "")) for name in (SOLUTION, MOMENT)]
    # A field's language is read as a sign-up reads it: the answer and the mail share a language.
    chosen = language_tag.match(text_of(fields.get("lang")), languages)
    chosen = chosen or language_tag.match(text_of(query.get("lang")), languages)
    accepted = headers.get("accept-language", "")
    wants_page = negotiation.prefers_html(headers.get("accept", ""))
    return Request(
        method=received.method,
        path=received.path,
        query=query,
        fields=fields,
        body_error=body_error,
        lang=chosen or negotiation.language(accepted, frozenset(languages), stage.default_lang),
        lang_is_chosen=bool(chosen),
        is_form=is_form,
        wants_page=wants_page,
        is_program=not wants_page and negotiation.names_json(headers.get("accept", "")),
        is_trapped=trap is REPEATED or bool(text_of(trap).strip()),
        tickets=tickets,
        solution=proof[0],
        moment=proof[1],
        is_prefetch=_is_prefetch(headers),
        is_foreign=_is_foreign(headers, stage.origins),
        is_cross_site=headers.get("sec-fetch-site", "") == "cross-site",
        has_named_origin=origin in stage.origins,
        sent_from=_sender(received, stage) if stage.own_fields else NOTHING,
    )


def cookie_name(stage: Settings, *, is_cross_site: bool = False) -> str:
    """Return the name of the cookie that holds a ticket.

    Browsers take a ``__Host-`` cookie only over https and only from this very host. Sign-ups on
    pages of other sites have a cookie of their own: they do not bring that of this site's pages, so
    they would replace its ticket.
    """
    name = "bienvenue-embedded" if is_cross_site else "bienvenue"
    return f"__Host-{name}" if stage.is_secure else name


def text_of(value: object) -> str:
    """Return ``value`` if it is text, else nothing. JSON's lone surrogates become ``?``."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode(errors="replace").decode()


def _query(received: chalice.app.Request) -> dict[str, object]:
    """Return the query's parameters; one that comes twice is body.REPEATED."""
    params = received.query_params
    if params is None:
        return {}
    return body.once([(name, value) for name in params for value in params.getlist(name)])


def _fields(
    received: chalice.app.Request, headers: Mapping[str, str]
) -> tuple[dict[str, object], str]:
    """Return the body's fields, and the code of what is wrong with the body. Only POST has one."""
    if received.method != "POST":
        return {}, ""
    content_type = headers.get("content-type", "")
    if not content_type and _is_browser(headers):
        # A page of another origin can send a body without a type, unasked (Fetch, "no-cors").
        return {}, "content_type_unsupported"
    try:
        raw = cast(bytes, received.raw_body)
    except ValueError:  # text that is not UTF-8, or not base64
        return {}, "body_malformed"
    try:
        return body.fields(content_type, raw), ""
    except BodyError as error:
        return {}, error.code


def _tickets(field: object, cookies: str, stage: Settings) -> tuple[str, ...]:
    """Return the field's ticket, or else those of the cookies of this site and of others."""
    if isinstance(field, str) and tokens.well_formed(field):
        return (field,)
    if not cookies:
        return ()
    pairs = (pair.partition("=") for pair in cookies.split(";"))
    values = {name.strip(): value.strip() for name, _, value in pairs}
    held = [values.get(cookie_name(stage, is_cross_site=each), "") for each in (False, True)]
    return tuple(dict.fromkeys(filter(tokens.well_formed, held)))


def _is_prefetch(headers: Mapping[str, str]) -> bool:
    """Return True if a header says that the browser's user has not asked for the page yet."""
    purposes = [headers[name].lower() for name in _PURPOSES if name in headers]
    return any(early in purpose for purpose in purposes for early in _EARLY)


def _sender(received: chalice.app.Request, stage: Settings) -> dict[str, str]:
    """Return what is kept of a request beside a consent. API Gateway says who has sent it."""
    kept: dict[str, str] = {}
    if stage.consent_address != "none":
        from ipaddress import ip_interface  # few stages keep addresses

        address = ip_interface(received.context["identity"]["sourceIp"])
        if stage.consent_address == "truncated":
            bits = 24 if address.version == 4 else 48
            address = ip_interface(ip_interface(f"{address.ip}/{bits}").network.network_address)
        kept["address"] = str(address.ip)
    if stage.keeps_user_agent and (agent := received.headers.get("user-agent", "")):
        kept["agent"] = "".join(filter(str.isprintable, agent[:MAX_AGENT]))
    return kept


def _is_browser(headers: Mapping[str, str]) -> bool:
    """Return True if a header is there that browsers send with every POST."""
    return "origin" in headers or "sec-fetch-site" in headers


def _is_foreign(headers: Mapping[str, str], origins: Collection[str]) -> bool:
    """Return True if the page that sends this is of an origin other than ``origins``.

    Our own pages send ``Origin: null``, because of their Referrer-Policy. Sec-Fetch-Site tells them
    from other pages that hide their origin. All browsers have sent it since March 2023.
    """
    origin = headers.get("origin", "null").lower()
    if origin in origins or ANY_ORIGIN in origins:
        return False
    site = headers.get("sec-fetch-site", "")
    return site not in ("same-origin", "none") if site else origin != "null"
