"""Answers: pages for browsers, JSON for the rest, RFC 9457 for problems, and the headers of all."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Chalice, Request, Response

from chalicelib import templates
from chalicelib.logs import kind
from chalicelib.settings import Settings
from chalicelib.users.links import Link
from chalicelib.users.people import Click, Validation
from chalicelib.users.store import Unusable
from chalicelib.web import body, negotiation
from chalicelib.web.body import BodyError
from chalicelib.web.forms import FIELDS, Invalid, Problem
from chalicelib.web.pages import TYPED, Pages

log = logging.getLogger(__name__)

TRAP = "website"
"""A field that people do not see and simple bots fill in."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_BODY_STATUS = {"body_malformed": 400, "body_too_large": 413, "content_type_unsupported": 415}
# What Chalice itself refuses, by the status that it answers with.
_CHALICE_CODES = {
    400: "body_malformed",
    405: "method_not_allowed",
    415: "content_type_unsupported",
    500: "internal_error",
}
_VALIDATION_STATUS = {
    Validation.VALIDATED: 200,
    Validation.ALREADY_VALIDATED: 200,
    Validation.EXPIRED: 410,
    Validation.INVALID: 400,
}
_MAX_POINTER = 64
_ENCODER = json.JSONEncoder(ensure_ascii=False)

View = Callable[["Visit"], Response]
Headers = dict[str, str | list[str]]


class Site:
    """What all of a stage's answers have in common."""

    def __init__(self, app: Chalice, settings: Settings) -> None:
        self.settings = settings
        self.pages = Pages(settings.base_url, settings.brand, settings.after_validation_url)
        self.message = cache(_message)  # there are as many as names in our code and languages
        self._app = app

    def view(self, answer: View) -> Callable[[], Response]:
        """A Chalice view out of a function from a Visit to its answer; errors become problems."""

        @wraps(answer)
        def view() -> Response:
            request = self._app.current_request
            assert request is not None  # noqa: S101  # Chalice calls views for requests only
            visit = Visit(self, request)
            try:
                return answer(visit)
            except BodyError as error:
                return visit.problem(_BODY_STATUS[error.code], error.code)
            except Invalid as error:
                return visit.invalid(error.problems)
            except (ClientError, BotoCoreError, Unusable) as error:
                log.error("not stored: %s", kind(error))
                return visit.problem(503, "service_unavailable")

        return view

    def finish(self, request: Request, response: Response) -> Response:
        """``response`` as it leaves: Chalice's own errors made problems, and the headers of all."""
        if isinstance(response.body, dict):  # only Chalice's: ours are text by now
            visit = Visit(self, request)
            code = _CHALICE_CODES.get(response.status_code, "internal_error")
            problem = visit.problem(response.status_code, code)
            problem.headers.update({k: v for k, v in response.headers.items() if k == "Allow"})
            response = problem
        response.headers.update(_HEADERS)
        if request.method == "HEAD":
            response.body = ""
        return response


class Visit:
    """One request, and the answers to it in the language and type that its sender likes best."""

    def __init__(self, site: Site, request: Request) -> None:
        self._site = site
        self._request = request
        self._fields: dict[str, object] = {}
        self.wants_page = negotiation.prefers_html(request.headers.get("accept", ""))
        self.lang = negotiation.language(
            request.headers.get("accept-language", ""),
            templates.languages(),
            site.settings.default_lang,
        )
        self.query = _query(request)
        self._lang_is_chosen = self._speak(self.query.get("lang"))

    @property
    def changes_nothing(self) -> bool:
        """Whether the method promises to be safe: a HEAD, and a GET where the stage says so."""
        safe_get = self._request.method == "GET" and not self._site.settings.validate_on_get
        return self._request.method == "HEAD" or safe_get

    def fields(self) -> dict[str, object]:
        """The body's fields. Raises BodyError."""
        content_type = self._request.headers.get("content-type", "")
        try:
            raw = self._request.raw_body
        except ValueError as error:  # text that is no UTF-8, or no base64
            raise BodyError("body_malformed") from error
        self._fields = body.fields(content_type, cast(bytes, raw))
        # As a sign-up reads it: the answer speaks the language of the mail.
        self._lang_is_chosen |= self._speak(
            negotiation.primary_language(_text(self._fields.get("lang")))
        )
        return self._fields

    def trapped(self) -> bool:
        """Whether a form came back with its trap filled in. An API's clients see no form."""
        form = body.media_type(self._request.headers.get("content-type", "")) == body.FORM
        return form and bool(self._fields.pop(TRAP, ""))

    def sign_up_page(self) -> Response:
        """The form, for everybody: there is no other way to say it. What was sent is in it."""
        return self._page(200, self._site.pages.sign_up(self.lang, self._typed()))

    def accepted(self, email: object) -> Response:
        """The one answer to every sign-up and resend, whatever came of it."""
        if self.wants_page:
            page = self._site.pages.sent(self.lang, _text(email), self._typed())
            return self._page(202, page)
        return self._message(202, "accepted")

    def confirm(self, link: Link) -> Response:
        """A page with one button, for where opening the link is not enough."""
        if self.wants_page:
            return self._link_page(200, "confirm", link)
        return self._message(200, "confirm")

    def clicked(self, link: Link, click: Click) -> Response:
        """What became of a click, in the language of the mail if no other is asked for."""
        outcome, status = click.outcome, _VALIDATION_STATUS[click.outcome]
        if not self._lang_is_chosen:
            self._speak(click.lang)
        if outcome is Validation.INVALID:
            return self.link_refused()
        if self.wants_page:
            page = self._link_page(status, outcome.value, link)
            return page if outcome is Validation.EXPIRED else self._sent_on(page)
        if outcome is Validation.EXPIRED:
            return self.problem(status, "link_expired")
        return self._message(status, outcome.value)

    def link_refused(self) -> Response:
        """One and the same for every link that is not somebody's, known or not."""
        status = _VALIDATION_STATUS[Validation.INVALID]
        if self.wants_page:
            return self._page(status, self._site.pages.refused(self.lang))
        return self.problem(status, "link_invalid")

    def description(self) -> Response:
        """What the API is. In English: it is for programs, and for those who write them."""
        headers: Headers = {"Content-Type": "application/json", "Content-Language": "en"}
        return Response(_description(), headers, 200)

    def invalid(self, problems: Sequence[Problem]) -> Response:
        """Everything that is wrong with the fields; beside them, where a form sent them."""
        problems = [Problem(one.code, _text(one.field)) for one in problems]
        if self.wants_page and self._request.path == "/users":
            page = self._site.pages.sign_up(self.lang, self._typed(), problems)
            return self._page(422, page)
        return self.problem(422, "fields_invalid", problems)

    def problem(self, status: int, code: str, about: Sequence[Problem] = ()) -> Response:
        """An error as RFC 9457 has it, or as a page. ``about`` are its single causes."""
        if self.wants_page:
            return self._page(status, self._site.pages.problem(self.lang, code))
        texts = templates.texts(self.lang)
        details: dict[str, Any] = {
            "type": f"urn:bienvenue:problem:{code}",
            "title": texts[f"problem_{code}_title"],
            "status": status,
            "detail": texts[f"problem_{code}_detail"],
        }
        if code in _BODY_STATUS:
            about = [Problem(code, "")]
        if about:
            details["errors"] = [_cause(one, texts) for one in about]
        return self._json(status, _as_json(details), "application/problem+json")

    def _message(self, status: int, name: str) -> Response:
        return self._json(status, self._site.message(self.lang, name), "application/json")

    def _json(self, status: int, content: str, media_type: str) -> Response:
        headers: Headers = {"Content-Type": media_type, "Content-Language": self.lang}
        return Response(content, headers, status)

    def _page(self, status: int, page: str) -> Response:
        headers: Headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Language": self.lang,
            "Content-Security-Policy": self._site.pages.security_policy,
        }
        return Response(str(page), headers, status)

    def _link_page(self, status: int, name: str, link: Link) -> Response:
        # What a button's POST has answered cannot be had again by a link, in whatever language.
        in_other_languages = self._request.method == "GET"
        return self._page(status, self._site.pages.link(name, self.lang, link, in_other_languages))

    def _sent_on(self, page: Response) -> Response:
        """``page``, or instead of it where the stage wants people who are validated."""
        if after := self._site.settings.after_validation_url:
            page.status_code = 303
            page.headers["Location"] = after
        return page

    def _typed(self) -> dict[str, str]:
        """What the body's fields say, where the form has a place for it."""
        typed = {FIELDS.get(name, name): _text(value) for name, value in self._fields.items()}
        return {name: typed.get(name, "") for name in TYPED}

    def _speak(self, lang: object) -> bool:
        """Answer in ``lang``, if it is one of ours; whether it is."""
        if isinstance(lang, str) and lang in templates.languages():
            self.lang = lang
            return True
        return False


def _query(request: Request) -> dict[str, object]:
    """The query's parameters; one that comes twice is body.REPEATED."""
    params = request.query_params
    if params is None:
        return {}
    return body.once([(name, value) for name in params for value in params.getlist(name)])


def _message(lang: str, name: str) -> str:
    return _as_json({"status": name, "message": templates.texts(lang)[f"{name}_message"]})


def _as_json(content: Mapping[str, Any]) -> str:
    return _ENCODER.encode(content) + "\n"


@cache
def _description() -> str:
    return Path(__file__).parents[1].joinpath("openapi.json").read_text(encoding="utf-8")


def _text(value: object) -> str:
    """``value`` as a page can show it: text, and none of the half characters that JSON may hold."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _cause(problem: Problem, texts: Mapping[str, str]) -> dict[str, str]:
    return {
        "code": problem.code,
        "detail": texts[f"problem_{problem.code}_detail"],
        "pointer": _pointer(problem.field),
    }


def _pointer(field: str) -> str:
    """A JSON pointer to ``field`` as a URI fragment (RFC 6901 §6); to the whole body if empty."""
    if not field:
        return "#"
    escaped = field[:_MAX_POINTER].replace("~", "~0").replace("/", "~1")
    return "#/" + quote(escaped, safe="~")
