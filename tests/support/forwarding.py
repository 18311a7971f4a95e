"""What every proxy of the tests does: hand a request on, and its answer back."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}  # RFC 9110 §7.6.1
LONGEST_ANSWER = 60.0  # seconds


class Forwarder(BaseHTTPRequestHandler):
    """One request that a proxy may hand on."""

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def forward(
        self, to: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send the request ``to`` an address, with its own headers if no others are given."""
        target = urlsplit(to)
        connection = http.client.HTTPConnection(
            str(target.hostname), target.port, timeout=LONGEST_ANSWER
        )
        sent = dict(self.headers) if headers is None else headers
        try:
            connection.request(self.command, target.path + self.path, body or None, sent)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: pytest is talking."""
