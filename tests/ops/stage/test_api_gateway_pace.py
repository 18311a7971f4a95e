"""Calls that API Gateway refuses for their pace: repeated while its quota lasts."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from ops.stage import api_gateway_pace
from tests.support.wire import NOWHERE, refusal


class Gateway:
    """A client whose first calls are refused, and the pauses that it makes."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, status: int, code: str, times: float
    ) -> None:
        self.pauses: list[float] = []
        self.calls = 0
        self._refusal, self._times = (status, code), times
        monkeypatch.setattr("botocore.endpoint.time.sleep", self.pauses.append)
        session = botocore.session.Session()
        api_gateway_pace.keep(session)
        self.client = session.create_client("apigateway")
        self.client.meta.events.register_first("before-send.apigateway", self._answer)

    def _answer(self, request: Any, **_: object) -> Any:
        request.url = NOWHERE
        self.calls += 1
        if self.calls <= self._times:
            return refusal(*self._refusal, "Too Many Requests")
        return refusal(202, "")

    def delete(self) -> None:
        self.client.delete_rest_api(restApiId="double")


def test_a_second_api_is_deleted_when_the_quota_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS deletes one in 30 seconds; botocore alone gives up after the fifth call."""
    gateway = Gateway(monkeypatch, 429, "TooManyRequestsException", times=10)
    gateway.delete()
    assert gateway.calls == 11
    assert sum(gateway.pauses) > 30


def test_a_quota_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(monkeypatch, 429, "TooManyRequestsException", times=float("inf"))
    with pytest.raises(ClientError, match="TooManyRequests"):
        gateway.delete()
    assert 60 < sum(gateway.pauses) < 180


def test_no_other_refusal_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(monkeypatch, 400, "BadRequestException", times=float("inf"))
    with pytest.raises(ClientError, match="BadRequest"):
        gateway.delete()
    assert (gateway.calls, gateway.pauses) == (1, [])
