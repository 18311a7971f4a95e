"""Answers: HTML pages, JSON, and problems as in RFC 9457."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from chalice.app import Response

from chalicelib import language_tag, return_urls
from chalicelib.settings import Settings
from chalicelib.templates import Templates
from chalicelib.users.domain_rules import DomainRules
from chalicelib.users.links import Link
from chalicelib.users.people import Click, SignUp, Validation
from chalicelib.web.forms import FIELDS, SOLUTION, TRAP, Problem
from chalicelib.web.pages import Pages
from chalicelib.web.request import Request, cookie_name, text_of

BODY_STATUS = {"body_malformed": 400, "body_too_large": 413, "content_type_unsupported": 415}

_CLICK_STATUS = {
    Validation.VALIDATED: 200,
    Validation.ALREADY_VALIDATED: 200,
    Validation.CONFIRM: 200,
    Validation.EXPIRED: 410,
    Validation.INVALID: 400,
}
_RETURNED = (Validation.VALIDATED, Validation.ALREADY_VALIDATED, Validation.EXPIRED)
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of JSON, in case a browser shows it as a page."""
TICKET_LIFE = timedelta(days=7)
"""A browser keeps its ticket as long as the sign-up may wait to be validated."""
ICON_LIFE = timedelta(days=1)
_MAX_POINTER = 64
_ENCODER = json.JSONEncoder(ensure_ascii=False)

Headers = dict[str, str | list[str]]


if TYPE_CHECKING:

    class Challenge(Protocol):
        """The part of challenge.py's Challenge that answers need."""

        def is_asked_now(self) -> bool: ...
        def describe(self, description: str) -> str: ...


class Answers:
    """A stage's answers, each in the language and the type that its request asks for."""

    def __init__(
        self, settings: Settings, templates: Templates, challenge: "Challenge | None" = None
    ) -> None:
        self.settings = settings
        self.templates = templates
        self.pages = Pages(
            settings.base_url,
            templates,
            settings.brand,
            settings.after_validation_url,
            names=settings.names,
            return_places=tuple(map(return_urls.origin, settings.return_urls)),
            refusable=True,
            domains=DomainRules.of(settings),
            own=settings.own_fields,
        )
        self.challenge = challenge
        # At most one of each message in each language.
        self._content = cache(self._write_content)
        self._message_text = cache(self._write_message)

    def sign_up_page(self, request: Request) -> Response:
        """Return the form with the request's values. Programs get the page as well.

        The page that waits for a mail comes here for its other languages.
        """
        if request.fields.get("show") == "sent":
            return self._sent(request, 200, text_of(request.fields.get("email")))
        return self._form(request, 200)

    def signed_up(self, request: Request, sign_up: SignUp, ticket: str) -> Response:
        """Return the same answer to every sign-up, with the ticket that its browser keeps."""
        if request.wants_page:
            response = self.accepted(request._replace(tickets=(ticket,)), sign_up.email)
            if request.is_form and sign_up.return_to:
                _redirect(response, return_urls.with_result(sign_up.return_to, "sent"))
        else:
            content = {**self._content(request.lang, "accepted"), "ticket": ticket}
            if meant := self.pages.domains.suggest(sign_up.email):
                content["did_you_mean"] = meant
            response = self._json(request, 202, _as_json(content), "application/json")
        response.headers["Set-Cookie"] = self._cookie(ticket, request)
        return response

    def accepted(self, request: Request, email: str) -> Response:
        """Return the same answer to every sign-up and resend, whatever its result."""
        if request.wants_page:
            return self._sent(request, 202, email, again=request.path == "/resend")
        return self._message(request, 202, "accepted")

    def confirm(self, request: Request, link: Link) -> Response:
        """Return a page with one button, where opening the link is not enough."""
        if request.wants_page:
            return self._link_page(request, 200, "confirm", link)
        return self._message(request, 200, "confirm")

    def clicked(self, request: Request, link: Link, click: Click) -> Response:
        """Return the result of a click, in the mail's language unless another is chosen."""
        response = self._outcome(request, link, click)
        if request.wants_page and (address := self._next_address(click)):
            _redirect(response, address)
        return response

    def code_typed(self, request: Request, link: Link, click: Click) -> Response:
        """Return the result of a typed code. ``link`` has no token: there was no click."""
        if _is_validated(click):
            return self.clicked(request, link, click)
        return self.code_refused(request)

    def code_refused(self, request: Request) -> Response:
        """Return the same answer to every code that does not work, whatever the reason."""
        if request.wants_page:
            email = text_of(request.fields.get("email"))
            page = self.pages.sent(request.lang, email, self._typed(request), code_failed=True)
            return self._page(request, 400, page)
        return self.problem(request, 400, "code_invalid")

    def refusal_page(self, request: Request, link: Link | None) -> Response:
        """Return the page whose button says "this was not me". It reads no user."""
        if link is None:
            return self.link_refused(request)
        if request.wants_page:
            return self._page(request, 200, self.pages.refuse(request.lang, link))
        return self._message(request, 200, "refuse")

    def refused(self, request: Request, link: Link, click: Click) -> Response:
        """Return the result of that button."""
        if click.outcome is not Validation.REFUSED:
            return self._outcome(request, link, click)
        request = self._in_language_of(click, request)
        if request.wants_page:
            return self._page(request, 200, self.pages.refuse_done(request.lang))
        return self._message(request, 200, "refuse_done")

    def link_refused(self, request: Request) -> Response:
        """Return the same answer to every link that belongs to no user, known or not."""
        if request.wants_page:
            return self._page(request, 400, self.pages.refused(request.lang))
        return self.problem(request, 400, "link_invalid")

    def description(self) -> Response:
        """Return the OpenAPI description. It is in English: programmers read it."""
        headers: Headers = {
            "Content-Type": "application/json",
            "Content-Language": "en",
            "Content-Security-Policy": _NOTHING,
        }
        text = self._description
        return Response(self.challenge.describe(text) if self.challenge else text, headers, 200)

    @cached_property
    def _description(self) -> str:
        text = Path(__file__).parents[1].joinpath("openapi.json").read_text(encoding="utf-8")
        languages, own_fields = self.templates.languages, self.settings.own_fields
        if not own_fields and languages == Templates().languages:
            return text
        from chalicelib.web import description  # only stages with something of their own load it

        document = description.with_languages(json.loads(text), languages)
        if own_fields:
            document = description.with_own_fields(document, own_fields)
        return _as_json(document)

    def content(self, request: Request, content: str) -> Response:
        """Return content that is JSON, whatever the client prefers."""
        return self._json(request, 200, content, "application/json")

    def icon(self) -> Response:
        """Return the picture of tabs and bookmarks, in the stage's colour."""
        headers: Headers = {
            "Content-Type": "image/svg+xml",
            "Cache-Control": f"public, max-age={int(ICON_LIFE.total_seconds())}",
            "Content-Security-Policy": _NOTHING,
        }
        return Response(self.pages.icon, headers, 200)

    def blocked(self, request: Request) -> Response | None:
        """Return the reason to refuse a request for every route; None if there is none."""
        if request.method == "POST" and request.is_foreign and not request.is_one_click:
            return self.problem(request, 403, "origin_refused")
        if request.body_error:
            return self.problem(request, BODY_STATUS[request.body_error], request.body_error)
        return None

    def trapped(self, request: Request) -> Response:
        """Return the form again, without its trap: a user gets through, most bots do not."""
        return self._invalid(request, [Problem("trap_filled", TRAP)])

    def invalid(self, request: Request, problems: Sequence[Problem]) -> Response:
        """Return all problems of the fields to the page that the form came from."""
        problems = [problem._replace(field=text_of(problem.field)) for problem in problems]
        response = self._invalid(request, problems)
        return_to = text_of(request.fields.get("return_to"))
        may_return = return_urls.is_allowed(return_to, self.settings.return_urls)
        if request.wants_page and request.is_form and may_return:
            fields = ",".join(f"{problem.field}.{problem.code}" for problem in problems)
            _redirect(response, return_urls.with_result(return_to, "invalid", fields=fields))
        return response

    def _invalid(self, request: Request, problems: Sequence[Problem], moment: str = "") -> Response:
        """Return the form with each problem beside its field, or all of them as a problem."""
        if request.wants_page and request.path == "/users":
            return self._form(request, 422, problems, moment)
        return self.problem(request, 422, "fields_invalid", problems)

    def challenged(self, request: Request, code: str, moment: str) -> Response:
        """Return the answer to a sign-up without a solution.

        The page has the form again, which may be sent once it has waited since ``moment``.
        """
        return self._invalid(request, [Problem(code, SOLUTION)], moment)

    def _form(
        self,
        request: Request,
        status: int,
        problems: Sequence[Problem] = (),
        moment: str = "",
    ) -> Response:
        """Return the sign-up page, with a challenge if the stage asks for one now."""
        pages, lang = self.pages, request.lang
        if not (moment or (self.challenge and self.challenge.is_asked_now())):
            return self._page(request, status, pages.sign_up(lang, self._typed(request), problems))
        return_to = text_of(request.fields.get("return_to"))
        challenge = pages.challenge(lang, moment, return_to)
        page = pages.sign_up(lang, self._typed(request), problems, challenge)
        response = self._page(request, status, page)
        response.headers["Content-Security-Policy"] = pages.scripted_policy
        return response

    def problem(
        self, request: Request, status: int, code: str, causes: Sequence[Problem] = ()
    ) -> Response:
        """Return an error as a page, or as RFC 9457 has it with each of its ``causes``."""
        if request.wants_page:
            return self._page(request, status, self.pages.problem(request.lang, code))
        texts = self.templates.words(request.lang)
        details: dict[str, Any] = {
            "type": f"urn:bienvenue:problem:{code}",
            "title": texts[f"problem_{code}_title"],
            "status": status,
            "detail": texts[f"problem_{code}_detail"],
        }
        if code in BODY_STATUS:
            causes = [Problem(code, "")]
        if causes:
            details["errors"] = [self._cause(cause, request.lang) for cause in causes]
        return self._json(request, status, _as_json(details), "application/problem+json")

    def _cause(self, problem: Problem, lang: str) -> dict[str, str]:
        name = f"problem_{problem.code}_detail"
        return {
            "code": problem.code,
            "detail": self.templates.word(name, lang, limit=str(problem.limit)),
            "pointer": _pointer(problem.field),
        }

    def _outcome(self, request: Request, link: Link, click: Click) -> Response:
        request = self._in_language_of(click, request)
        outcome, status = click.outcome, _CLICK_STATUS[click.outcome]
        if outcome is Validation.INVALID:
            return self.link_refused(request)
        if request.wants_page:
            return self._link_page(request, status, outcome.value, link)
        if outcome is Validation.EXPIRED:
            return self.problem(request, status, "link_expired")
        return self._message(request, status, outcome.value)

    def _in_language_of(self, click: Click, request: Request) -> Request:
        """Return the request, in the mail's language unless it chooses another."""
        mailed = language_tag.match(click.lang, self.templates.languages)
        return request._replace(lang=mailed) if mailed and not request.lang_is_chosen else request

    def _cookie(self, ticket: str, request: Request) -> str:
        # Lax, not Strict: the click in a mailbox's page must bring the cookie. Pages of other sites
        # send no Lax cookie, and their scripts keep none. None is safe: origins that the operator
        # does not name are refused. It is not Partitioned, or the click would not bring it.
        # https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.7
        is_sent_to_others = request.is_cross_site and request.has_named_origin
        site = "None" if is_sent_to_others else "Lax"
        # Browsers take None with Secure only, also over plain http from this machine.
        secure = "; Secure" if self.settings.is_secure or is_sent_to_others else ""
        name = cookie_name(self.settings, is_cross_site=request.is_cross_site)
        life = int(TICKET_LIFE.total_seconds())
        return f"{name}={ticket}; Max-Age={life}; Path=/; HttpOnly; SameSite={site}{secure}"

    def _message(self, request: Request, status: int, name: str) -> Response:
        text = self._message_text(request.lang, name)
        return self._json(request, status, text, "application/json")

    def _json(self, request: Request, status: int, content: str, media_type: str) -> Response:
        headers: Headers = {
            "Content-Type": media_type,
            "Content-Language": request.lang,
            "Content-Security-Policy": _NOTHING,
        }
        return Response(content, headers, status)

    def _sent(self, request: Request, status: int, email: str, *, again: bool = False) -> Response:
        takes_code = self.settings.code and bool(request.ticket)
        page = self.pages.sent(
            request.lang, email, self._typed(request), again=again, takes_code=takes_code
        )
        response = self._page(request, status, page)
        # Users return to this page from their mailbox. With no-store, or with a cookie that has
        # changed since, the browser would ask if it may send the form again.
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = "Accept, Accept-Language, Origin"
        return response

    def _page(self, request: Request, status: int, page: str) -> Response:
        headers: Headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Language": request.lang,
            "Content-Security-Policy": self.pages.security_policy,
        }
        return Response(str(page), headers, status)

    def _link_page(self, request: Request, status: int, name: str, link: Link) -> Response:
        # The answer to a button's POST has no address, so it cannot offer other languages.
        in_other_languages = request.method == "GET"
        page = self.pages.link(name, request.lang, link, in_other_languages)
        return self._page(request, status, page)

    def _typed(self, request: Request) -> dict[str, str]:
        """Return the request's values for the fields of the form. A query has only sources."""
        own = self.settings.own_fields
        sources = {name: request.query.get(name) for name in own.sources} if own else {}
        said = {**sources, **request.fields}
        typed = {FIELDS.get(name, name): _as_typed(value) for name, value in said.items()}
        return {name: typed.get(name, "") for name in self.pages.typed_names}

    def _write_message(self, lang: str, name: str) -> str:
        return _as_json(self._content(lang, name))

    def _write_content(self, lang: str, name: str) -> Mapping[str, str]:
        return {"status": name, "message": self.templates.word(f"{name}_message", lang)}

    def _next_address(self, click: Click) -> str:
        """Return the browser's address after its click; nothing if it stays on our page."""
        may_return = return_urls.is_allowed(click.return_to, self.settings.return_urls)
        if may_return and click.outcome in _RETURNED:
            return return_urls.with_result(click.return_to, click.outcome.value)
        return self.settings.after_validation_url if _is_validated(click) else ""


def _redirect(response: Response, address: str) -> None:
    response.status_code = 303
    response.headers["Location"] = address


def _is_validated(click: Click) -> bool:
    return click.outcome in (Validation.VALIDATED, Validation.ALREADY_VALIDATED)


def _as_typed(value: object) -> str:
    """Return a field as a form would send it. A script may tick a box by ``true``."""
    return "true" if value is True else text_of(value)


def _as_json(content: Mapping[str, Any]) -> str:
    return _ENCODER.encode(content) + "\n"


def _pointer(field: str) -> str:
    """Return a JSON pointer to ``field`` as a URI fragment (RFC 6901 §6). Empty: the whole body."""
    if not field:
        return "#"
    escaped = field[:_MAX_POINTER].replace("~", "~0").replace("/", "~1")
    return "#/" + quote(escaped, safe="~")
