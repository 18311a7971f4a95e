"""The server of the console: guarded, with no address in any URL or log."""

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ops.console import pages
from ops.console.desk import Desk, offers
from ops.console.pages import Frame, Notice
from ops.loopback import guard
from ops.stage.errors import OpsError
from ops.users import acts, answers
from ops.users.store import Change

HOST = "127.0.0.1"
LONGEST_FORM = 16 * 1024
SHOWN = 50
"""The most users that a search shows."""
CONFIRMED = (acts.REFUSE, acts.DELETE)
"""The acts that cannot be undone, which a page of its own asks about."""
_STYLE = Path(__file__).with_name("style.css")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # Not no-referrer: with that, browsers send forms with "Origin: null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Request:
    """A request that was read to its end. Names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """An answer, whose ``parts`` are sent as they come."""

    parts: Iterable[str] = ()
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/html; charset=utf-8"
    location: str = ""


class Console:
    """Answers requests about the users of a stage.

    ``key`` is the first part of every path: without it, every request is refused. ``token`` is in
    every form. Pages are named by handles, so that no address is in a URL.
    """

    def __init__(self, desk: Desk, stage: str) -> None:
        self.key = secrets.token_urlsafe(24)
        self.token = secrets.token_urlsafe(24)
        self._desk = desk
        self._stage = stage
        self._texts: dict[str, str] = {}
        self._notices: dict[str, Notice] = {}

    def respond(self, request: Request) -> Response:
        """Return the answer to ``request``."""
        if reason := guard.refusal(request.method, request.headers):
            return Response([reason], HTTPStatus.FORBIDDEN, "text/plain; charset=utf-8")
        _, key, *names = request.path.split("/")
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            words = "Open the address that the command printed.\n"
            return Response([words], HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8")
        try:
            return self._route(request, names)
        except OpsError as error:
            return self._page(pages.problem(str(error)), HTTPStatus.BAD_GATEWAY)
        except Exception as error:  # noqa: BLE001 - the page says so, and no log has an address
            words = f"This is a bug in the console ({type(error).__name__})."
            return self._page(pages.problem(words), HTTPStatus.INTERNAL_SERVER_ERROR)

    def _route(self, request: Request, names: list[str]) -> Response:
        if request.method == "POST":
            if not hmac.compare_digest(request.form.get("token", "").encode(), self.token.encode()):
                words = "This form is from an earlier run of the console. Search again."
                return self._page(pages.problem(words), HTTPStatus.FORBIDDEN)
            return self._change(request, names)
        match names:
            case [""]:
                return self._page(pages.home())
            case ["style.css"]:
                style = _STYLE.read_text(encoding="utf-8")
                return Response([style], content_type="text/css; charset=utf-8")
            case ["find", handle] if handle in self._texts:
                return Response(self._search(self._texts[handle]))
            case ["user", handle] if handle in self._texts:
                return self._show(handle)
            case ["user", handle, act] if handle in self._texts and act in CONFIRMED:
                return self._show(handle, act)
        words = "This page does not exist. Perhaps the console was restarted: search again."
        return self._page(pages.problem(words), HTTPStatus.NOT_FOUND)

    def _change(self, request: Request, names: list[str]) -> Response:
        match names:
            case ["find"]:
                text = request.form.get("text", "").strip()
                if not text:
                    return self._to("")
                key = self._desk.look_up(text)
                return self._to(
                    f"user/{self._handle(key)}" if key else f"find/{self._handle(text)}"
                )
            case ["user", handle, act] if handle in self._texts:
                return self._act(handle, act)
        return self._page(pages.problem("This page does not exist."), HTTPStatus.NOT_FOUND)

    def _act(self, handle: str, act: str) -> Response:
        key = self._texts[handle]
        user = self._desk.read(key)
        if user is None or act not in offers(user):
            change = Change.NOBODY if user is None else None
            words = answers.answer(act, change, key) if change else pages.NO_LONGER
            self._notices[handle] = Notice(words, is_done=False)
            return self._to(f"user/{handle}")
        change = self._desk.act(act, key)
        notice = Notice(answers.answer(act, change, key), is_done=change is Change.DONE)
        self._notices[handle] = notice
        return self._to(f"user/{handle}")

    def _show(self, handle: str, act: str = "") -> Response:
        key = self._texts[handle]
        user = self._desk.read(key)
        notice = self._notices.pop(handle, None)
        if user is None:
            body = pages.nobody(key, notice)
            return self._page(body, HTTPStatus.OK if notice else HTTPStatus.NOT_FOUND)
        if act:
            return self._page(pages.confirmation(self._frame(), user, handle, act))
        command, now = self._desk.unsuppress(key), self._desk.now()
        body = pages.person_page(self._frame(), user, handle, offers(user), notice, command, now)
        return self._page(body)

    def _search(self, text: str) -> Iterable[str]:
        """Yield a page of the users that have ``text``, each as it is found."""
        frame = self._frame(text)
        yield frame.start()
        yield pages.results_start(text)
        count = 0
        try:
            for user in self._desk.find(text):
                if count == SHOWN:
                    yield pages.results_end(SHOWN, is_all=False)
                    break
                count += 1
                yield pages.result(frame, user, self._handle(str(user["email"])))
            else:
                yield pages.results_end(count, is_all=True)
        except OpsError as error:
            yield pages.results_end(count, is_all=False, problem=str(error))
        yield frame.end()

    def _page(self, body: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
        frame = self._frame()
        return Response([frame.start(), body, frame.end()], status)

    def _frame(self, text: str = "") -> Frame:
        return Frame(f"/{self.key}/", self._stage, self.token, text)

    def _to(self, path: str) -> Response:
        return Response(status=HTTPStatus.SEE_OTHER, location=f"/{self.key}/{path}")

    def _handle(self, text: str) -> str:
        """Return the name of an address or a searched text in URLs."""
        handle = hmac.digest(self.key.encode(), text.encode(errors="surrogatepass"), "sha256").hex()
        self._texts[handle[:24]] = text
        return handle[:24]


class Server(ThreadingHTTPServer):
    """Serves a console on a port of 127.0.0.1; 0 takes a free one."""

    daemon_threads = True

    def __init__(self, console: Console, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.console = console

    @property
    def address(self) -> str:
        """Return what to open in the browser."""
        return f"http://{HOST}:{self.server_port}/{self.console.key}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser that goes away is no error, and a traceback may hold addresses."""


class _Handler(BaseHTTPRequestHandler):
    timeout = 30
    server: Server

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LONGEST_FORM:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(int(length)).decode(errors="replace")
        self._answer({name: values[-1] for name, values in parse_qs(body).items()})

    def log_message(self, *_: object) -> None:
        """Log nothing: a request may be about anybody."""

    def version_string(self) -> str:
        return "console"

    def _answer(self, form: Mapping[str, str]) -> None:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        path = self.path.partition("?")[0]
        response = self.server.console.respond(Request(self.command, path, headers, form))
        self.send_response(response.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", response.content_type)
        if response.location:
            self.send_header("Location", response.location)
        self.end_headers()
        for part in response.parts:
            self.wfile.write(part.encode(errors="replace"))
            self.wfile.flush()
