"""AWS as a test plays it on the wire, below botocore's own retries."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

NOWHERE = "https://wire.invalid/"

Answer = AWSResponse | Exception | None
"""An HTTP answer, a network's fault, or None where the request may pass."""


class Wire:
    """Answers the requests of one operation of ``client``, one after the other, and remembers them.

    After the last answer, requests get ``then``. With ``arrives``, moto does what it is asked all
    the same, and only its own answer is lost.
    """

    def __init__(
        self,
        client: Any,
        operation: str,
        answers: Iterable[Answer] = (),
        then: Answer = None,
        *,
        arrives: bool = False,
    ) -> None:
        self.requests: list[dict[str, Any]] = []
        self._answers = list(answers)
        self._then = then
        self._arrives = arrives
        self._events = client.meta.events
        self._event = f"before-send.{client.meta.service_model.service_name}.{operation}"

    def __enter__(self) -> Wire:
        # moto listens to the same event: all listeners are asked, and the first answer counts.
        self._events.register_first(self._event, self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        self._events.unregister(self._event, self._answer)

    def _answer(self, request: Any, **_: object) -> AWSResponse | None:
        self.requests.append(json.loads(request.body))
        answer = self._answers.pop(0) if self._answers else self._then
        if isinstance(answer, Exception):
            raise answer
        if answer and not self._arrives:
            request.url = NOWHERE
        return answer


def answer(status: int, body: bytes = b"{}", **headers: str) -> AWSResponse:
    received: Any = HTTPHeaders.from_dict(headers)
    raw: Any = _Raw(body)
    return AWSResponse(NOWHERE, status, received, raw)


def refusal(status: int, code: str, message: str = "") -> AWSResponse:
    """Return an error as AWS's JSON services give it."""
    body = json.dumps({"__type": code, "message": message}).encode()
    return answer(status, body, **{"x-amzn-errortype": code})


class _Raw(io.BytesIO):
    """What botocore reads a body from."""

    def stream(self, **_: object) -> Iterable[bytes]:
        return iter(self.read, b"")
