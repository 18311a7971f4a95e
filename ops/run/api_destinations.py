"""EventBridge's webhooks for the local cloud, which has none.

It knows API destinations, but not in a stack, and it drops an event that the address does not take.
AWS tries again for a day by the target's retry policy, then puts the event into the target's
dead-letter queue. Here the pauses are shorter. Events wait for their turn, at the destination's
rate.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any

from ministack.core.arn import parse_arn  # type: ignore[import-untyped]
from ministack.services import eventbridge  # type: ignore[import-untyped]
from ministack.services.cloudformation import provisioners  # type: ignore[import-untyped]

AGAIN = (401, 407, 409, 429)
"""The answers below 500 after which EventBridge tries again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0

Properties = dict[str, Any]


class Pace:
    """The turns of requests to one address, which are as far apart as its rate says."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def turn(self, rate: float, now: float) -> float:
        """Return the seconds until the next turn, and take it."""
        with self._lock:
            turn = max(now, self._next)
            self._next = turn + 1 / rate
            return turn - now


_paces: dict[str, Pace] = defaultdict(Pace)
"""By the name of the destination."""


def install() -> None:
    """Fill the gaps in the local cloud of this process."""
    for kind, arn in (("Connection", "ConnectionArn"), ("ApiDestination", "ApiDestinationArn")):
        provisioners._RESOURCE_HANDLERS[f"AWS::Events::{kind}"] = _handler(kind, arn)
    eventbridge._dispatch_to_api_destination = _dispatch


def _handler(kind: str, arn: str) -> dict[str, Callable[..., Any]]:
    """Return what CloudFormation does with a resource of ``kind``, by the service's own calls."""
    word = {"Connection": "connection", "ApiDestination": "api_destination"}[kind]
    call = {act: getattr(eventbridge, f"_{act}_{word}") for act in ("create", "update", "delete")}

    def create(_logical_id: str, properties: Properties, _stack: str) -> tuple[str, Properties]:
        return properties["Name"], {"Arn": _answer(call["create"](properties))[arn]}

    def update(name: str, _old: Properties, new: Properties, _stack: str) -> tuple[str, Properties]:
        return name, {"Arn": _answer(call["update"](new))[arn]}

    def delete(name: str, _properties: Properties) -> None:
        call["delete"]({"Name": name})

    return {"create": create, "update": update, "delete": delete}


def _answer(response: tuple[int, Any, Any]) -> Properties:
    status, _, body = response
    if status >= 400:
        raise ValueError(str(body))
    content: Properties = json.loads(body)
    return content


def _dispatch(spec: Any, payload: str, target: Mapping[str, Any]) -> None:
    """Deliver an event in the background."""
    destination = eventbridge._api_destinations[spec.resource.split("/")[1]]
    connection = eventbridge._connections[destination["ConnectionArn"].rpartition("/")[2]]
    request = eventbridge._build_api_destination_request(destination, connection, {}, payload)
    key = connection["AuthParameters"]["ApiKeyAuthParameters"]
    headers = {key["ApiKeyName"]: key["ApiKeyValue"]}
    context = copy_context()
    pace = _paces[destination["Name"]]

    def wait() -> None:
        rate = int(destination["InvocationRateLimitPerSecond"])
        time.sleep(pace.turn(rate, time.monotonic()))

    arguments = (request, headers, payload, target, wait)
    threading.Thread(target=context.run, args=(_deliver, *arguments), daemon=True).start()


def _deliver(
    request: Properties,
    headers: Mapping[str, str],
    payload: str,
    target: Mapping[str, Any],
    wait: Callable[[], None],
) -> None:
    """Send an event until it is taken, each time in its turn. After the last try it is dead."""
    policy = target.get("RetryPolicy", {})
    ends = time.monotonic() + int(policy.get("MaximumEventAgeInSeconds", 86400))
    pause = FIRST_PAUSE
    for _ in range(1 + int(policy.get("MaximumRetryAttempts", 185))):
        wait()
        status = _send(request, headers)
        if 200 <= status < 300:
            return
        is_final = 300 <= status < 500 and status not in AGAIN
        if is_final or time.monotonic() + pause > ends:
            break
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    if queue := target.get("DeadLetterConfig", {}).get("Arn"):
        eventbridge._dispatch_to_sqs(parse_arn(queue), payload)


def _send(request: Properties, headers: Mapping[str, str]) -> int:
    """Return the status of the answer; 0 if there is none within EventBridge's 5 seconds."""
    try:
        return int(eventbridge._api_destination_send_sync(request, headers))
    except OSError:
        return 0
