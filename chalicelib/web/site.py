"""The edge between Chalice and the answers: requests in, responses out."""

import logging
from collections.abc import Callable
from functools import wraps

import chalice.app
from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Chalice, Response

from chalicelib.logs import error_name
from chalicelib.web import cors
from chalicelib.web.forms import Invalid
from chalicelib.web.request import Request, read_request
from chalicelib.web.response import Answers

log = logging.getLogger(__name__)

View = Callable[[Request], Response]

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": f"max-age={365 * 24 * 60 * 60}",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every answer, including API Gateway's own."""
_HEADERS = {**SECURITY_HEADERS, "Vary": "Accept, Accept-Language, Cookie, Origin"}
# The problems that Chalice itself returns, by their status.
_CHALICE_CODES = {
    400: "body_malformed",
    405: "method_not_allowed",
    500: "internal_error",
}


class Site:
    """Turns functions from a Request to a Response into Chalice's routes."""

    def __init__(self, app: Chalice, answers: Answers) -> None:
        self._app = app
        self._answers = answers
        app.middleware("http")(self.finish)
        app.api.binary_types = []  # all is text: Chalice needs to look for nothing else

    def get(self, path: str) -> Callable[[View], View]:
        """Return a decorator that answers GET and HEAD of ``path``."""
        return self._route(path, ["GET", "HEAD"])

    def post(self, path: str) -> Callable[[View], View]:
        """Return a decorator that answers POST to ``path``."""
        return self._route(path, ["POST"])

    def finish(
        self,
        received: chalice.app.Request,
        get_response: Callable[[chalice.app.Request], Response],
    ) -> Response:
        """Return the final response: Chalice's own errors as problems, headers on all."""
        response = get_response(received)
        if isinstance(response.body, dict):  # Chalice's own: ours are text by now
            code = _CHALICE_CODES.get(response.status_code, "internal_error")
            problem = self._answers.problem(self._read(received), response.status_code, code)
            problem.headers.update({k: v for k, v in response.headers.items() if k == "Allow"})
            response = problem
        response.headers = {**_HEADERS, **response.headers}
        if allowed := self._answers.settings.allowed_origins:
            origin = received.headers.get("origin", "").lower()
            response.headers.update(cors.response_headers(received.path, origin, allowed))
        if received.method == "HEAD":
            response.body = ""
        return response

    def _route(self, path: str, methods: list[str]) -> Callable[[View], View]:
        def register(view: View) -> View:
            # Chalice takes any type: body.py reads those that it knows, and refuses others.
            route = self._app.route(path, methods=methods, content_types=[])
            route(wraps(view)(lambda: self._answer(view)))
            return view

        return register

    def _answer(self, view: View) -> Response:
        received = self._app.current_request
        assert received is not None  # noqa: S101  # Chalice calls views for requests only
        request = self._read(received)
        try:
            return self._answers.blocked(request) or view(request)
        except Invalid as error:
            return self._answers.invalid(request, error.problems)
        except (ClientError, BotoCoreError) as error:
            log.error("not stored: %s", error_name(error))
            return self._answers.problem(request, 503, "service_unavailable")

    def _read(self, received: chalice.app.Request) -> Request:
        answers = self._answers
        return read_request(received, answers.settings, answers.templates.languages)
