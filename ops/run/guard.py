"""The guard that keeps web pages and strangers out of the local cloud.

A page in the developer's browser can send requests to any port of this machine. The local cloud
would obey them, since it looks at neither Origin, Host nor signature.
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from ops.loopback import guard
from ops.run.requests import Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

READY = "/_ministack/ready"

# What the local cloud itself takes for a request to the deployed API, and for nothing else.
_PRODUCT = re.compile(r"/restapis/[^/]+/[^/]+/_user_request_(/.*)?", re.DOTALL)
# Whether it is ready, and the functions' packages: AWS, too, lets these be fetched by a plain GET.
_UNSIGNED = re.compile(rf"{READY}|/_ministack/lambda-code/[\w/-]+")
_SESSION_KEY = re.compile(r"A[SK]IA[A-Z0-9]{16}")


class Guard:
    """Passes a request to ``app`` unless ``refusal`` gives a reason against it."""

    def __init__(self, app: App, refusal: Callable[[Request], str]) -> None:
        self._app = app
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        request = _request(scope, body)
        if reason := self._refusal(request):
            await _refuse(send, request, reason)
        else:
            await self._app(scope, _once(body, receive), send)


def mailbox_refusal(request: Request) -> str:
    """Return why the mailbox refuses ``request``; empty if it does not."""
    return guard.refusal(request.method, request.headers)


def cloud_refusal(request: Request, keys: dict[str, str], *, enforces_iam: bool = False) -> str:
    """Return why the local cloud refuses ``request``; empty if it does not.

    ``keys`` are the secret keys by access key. The deployed API is for everybody, as on AWS: it
    decides on foreign pages itself. A cloud that ``enforces_iam`` checks the functions' own keys.
    """
    if reason := guard.strange_host(request.headers):
        return reason
    if _PRODUCT.fullmatch(request.path):
        return ""
    if reason := guard.foreign_page(request.method, request.headers):
        return reason
    if request.method == "GET" and _UNSIGNED.fullmatch(request.path):
        return ""
    if enforces_iam and _SESSION_KEY.fullmatch(request.access_key):
        return ""
    secret_key = keys.get(request.access_key)
    if secret_key and request.is_signed_with(secret_key):
        return ""
    return "The request is not signed with the keys of this run: they are in its stack.json."


def _request(scope: Scope, body: bytes) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path = scope["path"]
    raw_path = (scope.get("raw_path") or path.encode()).decode("latin-1").partition("?")[0]
    query = scope["query_string"].decode("latin-1")
    return Request(scope["method"], path, raw_path, query, headers, body)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _once(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives the body that was read already, and then whatever comes."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


async def _refuse(send: Send, request: Request, reason: str) -> None:
    # In the words of AWS, so that its clients raise an error that their users know.
    code = "UnrecognizedClientException" if request.access_key else "AccessDeniedException"
    body = json.dumps({"__type": code, "message": reason}).encode()
    content_type = b"application/json"
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        content_type = b"text/xml"
        error = f"<Code>{code}</Code><Message>{_xml(reason)}</Message>"
        body = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-amzn-errortype", code.encode()),
    ]
    status = HTTPStatus.FORBIDDEN
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
