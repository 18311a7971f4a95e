"""A proxy before a service of the local cloud: planned faults, kept requests."""

from __future__ import annotations

import json
import math
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any

from tests.support.forwarding import Forwarder

HOST = "127.0.0.1"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
LONGEST_HANG = 60.0


@dataclass
class Trouble:
    """What befalls requests that have all of ``about`` in them, until ``times`` have met it.

    With ``arrives``, the service does what it is asked, and only its answer is lost.
    """

    what: Callable[[Request], None]
    about: tuple[str, ...] = ()
    times: float = math.inf
    arrives: bool = False
    met: int = 0


class Proxy:
    """Stands before ``target``, an endpoint.

    ``passed`` has the requests that the service took. ``on_passed`` is called with each of them.
    """

    def __init__(self, on_passed: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
        self.target = ""
        self.on_passed = on_passed
        self.troubles: list[Trouble] = []
        self.passed: list[dict[str, Any]] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._server = self._listen(0)
        self.port: int = self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody listens: connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        try:
            yield
        finally:
            self._server = self._listen(self.port)

    def trouble(self, body: str) -> Trouble | None:
        with self._lock:
            for each in self.troubles:
                if each.met < each.times and all(part in body for part in each.about):
                    each.met += 1
                    return each
        return None

    def _listen(self, port: int) -> ThreadingHTTPServer:
        server = Server((HOST, port), Request)
        server.proxy = self  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


class Server(ThreadingHTTPServer):
    """Takes no notice of callers that are gone before they are answered: some are killed."""

    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Request(Forwarder):
    """One request, on a connection of its own, so that none outlives the proxy's being down."""

    @property
    def proxy(self) -> Proxy:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        return proxy

    def handle_post(self) -> None:
        body = self.read_body()
        trouble = self.proxy.trouble(body.decode())
        if trouble is None:
            self.answer(*self._forward(body))
            return
        if trouble.arrives:
            self._forward(body)
        trouble.what(self)

    def handle_get(self) -> None:
        self.answer(*self._forward(b""))

    do_POST, do_GET = handle_post, handle_get  # noqa: N815  # as its base class has it

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        received = self.forward(self.proxy.target, body)
        if body and received[0] == HTTPStatus.OK:
            request = json.loads(body)
            self.proxy.passed.append(request)
            self.proxy.on_passed(request)
        return received


def says(status: int, code: str) -> Callable[[Request], None]:
    """Return an error as AWS's JSON services give it."""
    body = json.dumps({"__type": code, "message": "Trouble."}).encode()
    return lambda request: request.answer(status, {"x-amzn-errortype": code}, body)


def resets(request: Request) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    request.connection.close()


def hangs(request: Request) -> None:
    request.proxy.released.wait(LONGEST_HANG)
