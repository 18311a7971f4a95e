"""API Gateway's own pace: an account may delete one API in 30 seconds.

botocore repeats a call four times, within 15 seconds, and then gives up.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""

from http import HTTPStatus
from typing import Any

import boto3
import botocore.session

PAUSE = 5.0
MOST = 18
"""The most calls that are repeated one after the other: three quotas' worth of pauses."""


def keep(session: boto3.Session | botocore.session.Session) -> None:
    """Have the API Gateway clients of ``session`` wait when they are told to go slower."""
    if isinstance(session, boto3.Session):
        events = session.events
    else:
        events = session.get_component("event_emitter")
    events.register_first("needs-retry.apigateway", _pause)


def _pause(attempts: int, response: Any = None, **_: Any) -> Any:
    """Return the seconds to wait before the same call is sent again; None if it is not."""
    if response is None or response[0].status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    return PAUSE if attempts <= MOST else None
