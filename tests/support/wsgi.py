"""The app as WSGI, for tools that drive one in process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from chalice.app import Chalice
from chalice.test import Client

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


def wsgi(app: Chalice) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """Return a WSGI application that answers as Chalice's local API Gateway does."""
    client = Client(app).http

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = client.request(
            environ["REQUEST_METHOD"],
            _path(environ),
            _headers(environ),
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)),
        )
        status = f"{answer.status_code} {HTTPStatus(answer.status_code).phrase}"
        start_response(status, [(name, str(value)) for name, value in answer.headers.items()])
        return [answer.body]

    return application


def _path(environ: Environ) -> str:
    path = quote(environ["PATH_INFO"], encoding="latin-1")  # PEP 3333: bytes, decoded as Latin-1
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path


def _headers(environ: Environ) -> dict[str, str]:
    sent = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    return {name: value for name, value in sent.items() if value}
