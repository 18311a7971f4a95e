"""The funnel, counted from the table itself: who signed up, was mailed, validated, and how soon.

One read through the whole table, page by page; what is kept of it does not grow with it.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

from chalicelib.users.item import UNVALIDATED_LIFE
from chalicelib.users.table import Item
from ops.terminal.durations import iso_moment

PRECISION = 0.01  # how far, as a share of it, a median may be from the exact one
_STEP = math.log1p(2 * PRECISION)
_SHORTEST = 0.001  # seconds

ATTRIBUTES = ("created_at", "mail", "mail_at", "mail_count", "validated_at")
"""What is counted of somebody: neither address nor name."""


@dataclass
class Funnel:
    """How many people came how far. One who was mailed and validated counts in both.

    ``unconfirmed`` are those who were mailed and have not validated, ``owed`` those whose first or
    next mail is under way.
    """

    signed_up: int = 0
    mailed: int = 0
    validated: int = 0
    unconfirmed: int = 0
    owed: int = 0
    failed: int = 0
    bounced: int = 0
    complained: int = 0

    def add(self, item: Item) -> None:
        """Count one person in."""
        mail = text(item, "mail")
        validated = "validated_at" in item
        mailed = _mails(item) > 0 or mail in ("sent", "bounced", "complained")
        self.signed_up += 1
        self.mailed += mailed
        self.validated += validated
        self.unconfirmed += mailed and not validated
        self.owed += not validated and mail in ("", "owed", "sending")
        self.failed += mail == "failed"
        self.bounced += mail == "bounced"
        self.complained += mail == "complained"

    def __add__(self, other: "Funnel") -> "Funnel":
        mine, theirs = asdict(self), asdict(other)
        return Funnel(**{name: count + theirs[name] for name, count in mine.items()})


class Durations:
    """Seconds, remembered as how many fell into each of some thousand classes.

    Classes widen with what they hold (a logarithmic histogram), so that a quantile is within
    PRECISION of the exact one, from milliseconds to months, however many there are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._classes: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        number = math.floor(math.log(max(seconds, _SHORTEST)) / _STEP)
        self._classes[number] = self._classes.get(number, 0) + 1
        self.count += 1

    def quantile(self, share: float) -> float | None:
        """The seconds that ``share`` of them do not exceed (the nearest rank); None of nothing."""
        rank = max(math.ceil(share * self.count), 1)
        for number in sorted(self._classes):
            rank -= self._classes[number]
            if rank <= 0:
                return math.exp((number + 0.5) * _STEP)
        return None


@dataclass
class Metrics:
    """What a read through the table counted.

    ``sign_ups`` are those who came by a sign-up, and ``days`` has them by the day, in UTC, since
    ``first_day``. ``others`` were put by other programs, without saying when. ``to_mail`` is from
    the sign-up to the mail, of those who got one mail; ``to_validation`` from the latest mail to
    the click.
    """

    first_day: date
    today: date
    sign_ups: Funnel = field(default_factory=Funnel)
    others: Funnel = field(default_factory=Funnel)
    days: dict[date, Funnel] = field(default_factory=dict)
    to_mail: Durations = field(default_factory=Durations)
    to_validation: Durations = field(default_factory=Durations)

    @classmethod
    def of_days(cls, days: int, now: datetime) -> "Metrics":
        """Nothing counted yet, for the latest ``days``, today's among them."""
        today = now.astimezone(timezone.utc).date()
        dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
        return cls(dates[0], today, days={one: Funnel() for one in dates})

    @property
    def everybody(self) -> Funnel:
        return self.sign_ups + self.others

    @property
    def recent(self) -> Funnel:
        """Those of ``days``."""
        return sum(self.days.values(), Funnel())

    def is_whole(self, day: date) -> bool:
        """Whether all who signed up on ``day`` are still there to be counted: who does not confirm
        is deleted after a week."""
        return self.today - day < UNVALIDATED_LIFE

    def add(self, item: Item) -> None:
        created, mailed, validated = (
            moment(item, name) for name in ("created_at", "mail_at", "validated_at")
        )
        if created is None:
            self.others.add(item)
        else:
            self.sign_ups.add(item)
            if day := self.days.get(created.date()):
                day.add(item)
        if text(item, "mail") != "sent" or mailed is None:
            return
        if created and mailed >= created and _mails(item) == 1:
            self.to_mail.add((mailed - created).total_seconds())
        if validated and validated >= mailed:
            self.to_validation.add((validated - mailed).total_seconds())


def count(
    pages: Iterable[list[Item]], metrics: Metrics, tell: Callable[[int], None] = lambda _: None
) -> Metrics:
    """``metrics`` with everybody in ``pages`` counted; ``tell`` hears how many, page by page."""
    seen = 0
    for page in pages:
        for item in page:
            metrics.add(item)
        seen += len(page)
        tell(seen)
    return metrics


def text(item: Item, name: str) -> str:
    """A string in an item; empty where another program put something else, or nothing."""
    value = item.get(name, {}).get("S")
    return value if isinstance(value, str) else ""


def moment(item: Item, name: str) -> datetime | None:
    """Return the moment in an item's attribute; None if it holds no moment."""
    try:
        return iso_moment(text(item, name))
    except ValueError:
        return None


def share(part: int, whole: int) -> float | None:
    """``part`` of ``whole``, in per cent; None of nothing."""
    return 100 * part / whole if whole else None


def as_json(metrics: Metrics) -> dict[str, Any]:
    """Everything, for programs. Shares are in per cent, times in seconds."""
    return {
        "everybody": _with_shares(metrics.everybody),
        "sign_ups": _with_shares(metrics.sign_ups),
        "put_by_other_programs": _with_shares(metrics.others),
        "recent": {"since": metrics.first_day.isoformat(), **_with_shares(metrics.recent)},
        "seconds_from_sign_up_to_mail": _quantiles(metrics.to_mail),
        "seconds_from_mail_to_validation": _quantiles(metrics.to_validation),
        "days": [
            {"day": day.isoformat(), "whole": metrics.is_whole(day), **asdict(funnel)}
            for day, funnel in metrics.days.items()
        ],
    }


def _with_shares(funnel: Funnel) -> dict[str, Any]:
    return {
        **asdict(funnel),
        "mailed_share": share(funnel.mailed, funnel.signed_up),
        "validated_share": share(funnel.validated, funnel.signed_up),
        "bounced_share": share(funnel.bounced, funnel.mailed),
        "complained_share": share(funnel.complained, funnel.mailed),
    }


def _quantiles(durations: Durations) -> Mapping[str, float | int | None]:
    return {
        "median": durations.quantile(0.5),
        "p90": durations.quantile(0.9),
        "measured": durations.count,
    }


def _mails(item: Item) -> int:
    """How many mails the item says were sent; none where it says no such thing."""
    try:
        return int(item.get("mail_count", {}).get("N", 0))
    except (TypeError, ValueError):
        return 0
