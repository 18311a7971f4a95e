"""How many mails may be asked for, and how fast: SES's quota, less what sign-ups need."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.stage.aws_errors import in_plain_words

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

SHARE = 0.9
"""Of what SES allows; the rest is for people who sign up meanwhile."""
BURST = 0.25  # seconds' worth of mails at once


@dataclass(frozen=True)
class Quota:
    """What may be mailed: ``rate`` a second, and ``mails`` in all until tomorrow."""

    rate: float
    mails: float


def quota(ses: "SESV2Client", rate: float | None, mails: int | None) -> Quota:
    """The account's quota, but where the operator says otherwise. Asks SES only for what is not
    said. Raises DeployError."""
    if rate is not None and mails is not None:
        return Quota(rate, mails)
    with in_plain_words():
        allowed = ses.get_account()["SendQuota"]
    daily = allowed["Max24HourSend"]
    # -1 is SES's word for no limit.
    left = math.inf if daily < 0 else max(daily * SHARE - allowed["SentLast24Hours"], 0)
    return Quota(
        rate=allowed["MaxSendRate"] * SHARE if rate is None else rate,
        mails=(left if math.isinf(left) else int(left)) if mails is None else mails,
    )


class Pace:
    """Hands out leave to ask for a mail, no faster and no more often than ``quota`` has it.

    ``now`` is a clock in seconds.
    """

    def __init__(self, quota: Quota, now: Callable[[], float]) -> None:
        self._rate = quota.rate
        self._left = quota.mails
        self._now = now
        self._most = max(quota.rate * BURST, 1.0)
        self._ready = self._most
        self._then = now()

    @property
    def spent(self) -> bool:
        """Whether there are no more mails to be had today."""
        return self._left < 1

    def wait(self) -> float:
        """The seconds until a mail may be asked for; 0 if it may be now, infinite
        if there are no more."""
        if self.spent:
            return math.inf
        now = self._now()
        self._ready = min(self._ready + (now - self._then) * self._rate, self._most)
        self._then = now
        return max(1 - self._ready, 0) / self._rate

    def take(self) -> None:
        """Ask for one."""
        self._ready -= 1
        self._left -= 1

    def give_back(self) -> None:
        """Take that back: no mail came of it."""
        self._ready += 1
        self._left += 1
