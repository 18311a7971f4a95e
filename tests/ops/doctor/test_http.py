"""HTTP requests of the doctor: no redirect is followed, no secret is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ops.doctor import http


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked; sends ``/away`` elsewhere."""

    def do_GET(self) -> None:
        self._answer(302 if self.path == "/away" else 200)

    def do_POST(self) -> None:
        self._answer(202)

    def _answer(self, status: int) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        asked = f"{self.command} {self.headers['Accept']} {self.headers['Content-Type']} "
        self.wfile.write(asked.encode() + sent)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_a_get_asks_for_json(address: str) -> None:
    answer = http.get(f"{address}/openapi.json")
    assert (answer.status, answer.body) == (200, b"GET application/json None ")
    assert answer.seconds > 0
    assert answer.json() is None


def test_a_post_sends_json(address: str) -> None:
    answer = http.post(f"{address}/users", {"nom": "Horn"})
    assert answer.status == 202
    assert answer.body == b'POST application/json application/json {"nom": "Horn"}'


def test_a_redirect_is_not_followed(address: str) -> None:
    assert http.get(f"{address}/away").status == 302


def test_loopback_is_reached_without_a_proxy(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert http.get(address).status == 200


def test_no_answer_names_the_host_but_not_the_path() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        place = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(http.NoAnswer) as told:
            http.get(f"{place}/code?X-Amz-Signature=secret")
    assert str(told.value) == f"{place} does not answer (EndpointConnectionError)."
