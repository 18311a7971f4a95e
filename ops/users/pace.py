"""The pace of mails that a command causes: SES's quota, less a share."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.stage.aws_errors import in_plain_words

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

SHARE = 0.9
"""The share of SES's quota. The rest is for people who sign up at the same time."""
BURST = 0.25  # seconds' worth of mails at once


@dataclass(frozen=True)
class Quota:
    """The mails that a command may send: ``rate`` a second, and ``mails`` until tomorrow."""

    rate: float
    mails: float


def quota(ses: "SESV2Client", rate: float | None, mails: int | None) -> Quota:
    """Return the operator's numbers, and SES's quota where there are none.

    SES is asked only if a number is missing. Raises DeployError.
    """
    if rate is not None and mails is not None:
        return Quota(rate, mails)
    with in_plain_words():
        allowed = ses.get_account()["SendQuota"]
    daily = allowed["Max24HourSend"]
    # -1 means no limit.
    left = math.inf if daily < 0 else max(daily * SHARE - allowed["SentLast24Hours"], 0)
    return Quota(
        rate=allowed["MaxSendRate"] * SHARE if rate is None else rate,
        mails=(left if math.isinf(left) else int(left)) if mails is None else mails,
    )


class Pace:
    """Allows one mail after the other, within ``quota``. ``now`` is a clock in seconds."""

    def __init__(self, quota: Quota, now: Callable[[], float]) -> None:
        self._rate = quota.rate
        self._left = quota.mails
        self._now = now
        self._most = max(quota.rate * BURST, 1.0)
        self._ready = self._most
        self._then = now()

    @property
    def spent(self) -> bool:
        """True if today's mails are used up."""
        return self._left < 1

    def wait(self) -> float:
        """Return the seconds until the next mail, infinite if today's are used up."""
        if self.spent:
            return math.inf
        now = self._now()
        self._ready = min(self._ready + (now - self._then) * self._rate, self._most)
        self._then = now
        return max(1 - self._ready, 0) / self._rate

    def take(self) -> None:
        """Count a mail."""
        self._ready -= 1
        self._left -= 1

    def give_back(self) -> None:
        """Uncount a mail that was not sent."""
        self._ready += 1
        self._left += 1
