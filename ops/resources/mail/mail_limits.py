"""The limits MAILS_PER_DAY and MAILS_PER_HOUR, from SES's quota of the account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HOUR = 3600  # seconds

_PARAMETERS = {"MAILS_PER_DAY": "MailsPerDay", "MAILS_PER_HOUR": "MailsPerHour"}
"""The stack's parameter that remembers each setting as deploy last read it off the quota."""


@dataclass(frozen=True)
class MailLimits:
    """The most mails that a stage sends in 24 hours and in one hour."""

    per_day: int
    per_hour: int

    def parameters(self) -> dict[str, str]:
        """Return the limits as parameters of the stack."""
        return dict(zip(_PARAMETERS.values(), self._texts(), strict=True))

    def settings(
        self, recorded: Mapping[str, str], parameters: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the settings: the operator's own where ``recorded`` has them, else these limits.

        A recorded value is the operator's unless the stack's ``parameters`` say that deploy read
        it off the quota: such a value follows the quota.
        """
        limits = dict(zip(_PARAMETERS, self._texts(), strict=True))
        own = {
            name: recorded[name]
            for name, parameter in _PARAMETERS.items()
            if recorded.get(name) and recorded[name] != parameters.get(parameter)
        }
        return {**limits, **own}

    def _texts(self) -> tuple[str, str]:
        return str(self.per_day), str(self.per_hour)


def settings_from_quota(recorded: Mapping[str, str], parameters: Mapping[str, str]) -> list[str]:
    """Return the names of the ``recorded`` settings that deploy read off the quota."""
    return [
        name
        for name, parameter in _PARAMETERS.items()
        if name in recorded and recorded[name] == parameters.get(parameter)
    ]


def read(account: Any) -> MailLimits:
    """Return the limits for an ``account``, as SES's GetAccount describes it.

    10 % of the quota is left to the account's other mail. The hour's limit is what SES's rate
    allows in an hour, also less 10 %, and at most the day's: a burst goes out as fast as SES can.
    """
    quota = account["SendQuota"]
    per_hour = int(quota["MaxSendRate"] * HOUR) * 9 // 10
    most = int(quota["Max24HourSend"])
    per_day = most * 9 // 10 if most >= 0 else per_hour * 24  # -1: SES sets no limit
    return MailLimits(per_day, min(per_day, per_hour))
