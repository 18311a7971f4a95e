"""The funnel from sign-up to validation, counted in one read through the table.

The memory that it takes does not grow with the table.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

from chalicelib.users.item import UNVALIDATED_LIFE, WINDOW
from chalicelib.users.table import Item
from ops.terminal.durations import iso_moment

PRECISION = 0.01  # a median is within 1 % of the exact one
_STEP = math.log1p(2 * PRECISION)
_SHORTEST = 0.001  # seconds
_LARGEST = 1e12  # milliseconds; another program may have put any number

ATTRIBUTES = (
    "created_at",
    "mail",
    "mail_at",
    "mail_count",
    "mail_error",
    "mail_window_at",
    "message_id",
    "delivered_at",
    "delivery_ms",
    "mailed_at",
    "reminded_at",
    "validated_at",
    "welcomed_at",
)
"""The attributes that are counted. Addresses and names are not read."""
_SENT = ("sent", "delivered", "bounced", "complained")


@dataclass
class Funnel:
    """The number of users at each step. A user who was mailed and validated counts in both.

    ``unconfirmed`` users were mailed and have not validated. ``owed`` users have a mail under way.
    ``validated_after_reminder`` ones are part of those reminded.
    """

    signed_up: int = 0
    mailed: int = 0
    delivered: int = 0
    validated: int = 0
    unconfirmed: int = 0
    owed: int = 0
    failed: int = 0
    bounced: int = 0
    complained: int = 0
    refused: int = 0
    reminded: int = 0
    validated_after_reminder: int = 0
    welcomed: int = 0

    def add(self, item: Item) -> None:
        """Count a user."""
        mail = text(item, "mail")
        validated = "validated_at" in item
        self.signed_up += 1
        mailed = _is_mailed(item, mail)
        self.mailed += mailed
        self.delivered += mail == "delivered" or "delivered_at" in item
        self.validated += validated
        self.unconfirmed += mailed and not validated
        self.owed += not validated and mail in ("", "owed", "sending")
        self.failed += mail == "failed"
        self.bounced += mail == "bounced"
        self.complained += mail == "complained"
        self.refused += mail == "refused"
        reminded = text(item, "reminded_at")
        self.reminded += bool(reminded)
        self.validated_after_reminder += "" < reminded < text(item, "validated_at")
        self.welcomed += "welcomed_at" in item

    def __add__(self, other: "Funnel") -> "Funnel":
        mine, theirs = asdict(self), asdict(other)
        return Funnel(**{name: count + theirs[name] for name, count in mine.items()})


class Durations:
    """Seconds in a logarithmic histogram of about a thousand classes.

    Classes widen with the seconds in them, so that a quantile is within PRECISION of the exact one,
    from milliseconds to months.
    """

    def __init__(self) -> None:
        self.count = 0
        self._classes: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        number = math.floor(math.log(max(seconds, _SHORTEST)) / _STEP)
        self._classes[number] = self._classes.get(number, 0) + 1
        self.count += 1

    def quantile(self, share: float) -> float | None:
        """Return the seconds that ``share`` of all do not exceed (nearest rank), or None."""
        rank = max(math.ceil(share * self.count), 1)
        for number in sorted(self._classes):
            rank -= self._classes[number]
            if rank <= 0:
                return math.exp((number + 0.5) * _STEP)
        return None


@dataclass
class Metrics:
    """The counts of a table.

    ``sign_ups`` are users with a ``created_at``, and ``days`` has them by the day in UTC, since
    ``first_day``. ``others`` came by imports and other programs. ``to_mail`` is the time from the
    sign-up until SES took the mail, of users who got one mail. ``to_delivery`` is the time from
    there to the mailbox, and ``to_validation`` the time from the latest mail to the click.
    """

    first_day: date
    today: date
    sign_ups: Funnel = field(default_factory=Funnel)
    others: Funnel = field(default_factory=Funnel)
    days: dict[date, Funnel] = field(default_factory=dict)
    to_mail: Durations = field(default_factory=Durations)
    to_delivery: Durations = field(default_factory=Durations)
    to_validation: Durations = field(default_factory=Durations)

    @classmethod
    def of_days(cls, days: int, now: datetime) -> "Metrics":
        """Return empty counts for the last ``days`` days, which include today."""
        today = now.astimezone(timezone.utc).date()
        dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
        return cls(dates[0], today, days={day: Funnel() for day in dates})

    @property
    def everybody(self) -> Funnel:
        return self.sign_ups + self.others

    @property
    def recent(self) -> Funnel:
        """The users of ``days``."""
        return sum(self.days.values(), Funnel())

    def is_whole(self, day: date) -> bool:
        """Return True if no user of ``day`` is deleted yet. Unconfirmed users are, after a week."""
        return self.today - day < UNVALIDATED_LIFE

    def add(self, item: Item) -> None:
        """Count a user."""
        created, validated = moment(item, "created_at"), moment(item, "validated_at")
        mailed = _mailed_at(item)
        if created is None:
            self.others.add(item)
        else:
            self.sign_ups.add(item)
            if day := self.days.get(created.date()):
                day.add(item)
        if text(item, "mail") == "delivered" and (took := _number(item, "delivery_ms")) is not None:
            self.to_delivery.add(took / 1000)
        if mailed is None:
            return
        if created and mailed >= created and _is_first_mail(item, created):
            self.to_mail.add((mailed - created).total_seconds())
        if validated and validated >= mailed:
            self.to_validation.add((validated - mailed).total_seconds())


def count(
    pages: Iterable[list[Item]], metrics: Metrics, report: Callable[[int], None] = lambda _: None
) -> Metrics:
    """Count all users in ``pages``, and report the number of users after each page."""
    users = 0
    for page in pages:
        for item in page:
            metrics.add(item)
        users += len(page)
        report(users)
    return metrics


def text(item: Item, name: str) -> str:
    """Return a text of an item; empty if it has none, or if another program wrote another type."""
    value = item.get(name, {}).get("S")
    return value if isinstance(value, str) else ""


def moment(item: Item, name: str) -> datetime | None:
    """Return the moment in an item's attribute; None if it holds no moment."""
    try:
        return iso_moment(text(item, name))
    except ValueError:
        return None


def share(part: int, whole: int) -> float | None:
    """Return ``part`` of ``whole`` in per cent, or None."""
    return 100 * part / whole if whole else None


def as_json(metrics: Metrics) -> dict[str, Any]:
    """Return all counts. Shares are in per cent, times in seconds."""
    return {
        "everybody": _with_shares(metrics.everybody),
        "sign_ups": _with_shares(metrics.sign_ups),
        "put_by_other_programs": _with_shares(metrics.others),
        "recent": {"since": metrics.first_day.isoformat(), **_with_shares(metrics.recent)},
        "seconds_from_sign_up_to_mail": _quantiles(metrics.to_mail),
        "seconds_from_mail_to_mailbox": _quantiles(metrics.to_delivery),
        "seconds_from_mail_to_validation": _quantiles(metrics.to_validation),
        "days": [
            {"day": day.isoformat(), "whole": metrics.is_whole(day), **asdict(funnel)}
            for day, funnel in metrics.days.items()
        ],
    }


def _with_shares(funnel: Funnel) -> dict[str, Any]:
    return {
        **asdict(funnel),
        "delivered_share": share(funnel.delivered, funnel.mailed),
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


def _is_mailed(item: Item, mail: str) -> bool:
    """Return True if SES took a mail. A claim counts its mail before SES has taken it."""
    claimed = mail in ("sending", "failed")
    mails = _number(item, "mail_count") or 0
    return mail in _SENT or "message_id" in item or mails > (1 if claimed else 0)


def _mailed_at(item: Item) -> datetime | None:
    """Return when SES took the latest mail with a link; None if the item does not say."""
    if "welcomed_at" in item:
        return moment(item, "mailed_at")
    mail, took = text(item, "mail"), _number(item, "delivery_ms")
    if mail == "sent" and "mail_error" not in item:  # a delayed delivery has its own moment
        return moment(item, "mail_at")
    delivered = moment(item, "delivered_at")
    if mail == "delivered" and delivered and took is not None:
        return delivered - timedelta(milliseconds=took)
    return None


def _is_first_mail(item: Item, created: datetime) -> bool:
    """Return True if the latest mail is the first. Mails are counted by windows of a day."""
    window = moment(item, "mail_window_at")
    return _number(item, "mail_count") == 1 and (window is None or window - created < WINDOW)


def _number(item: Item, name: str) -> float | None:
    """Return a number of an item; None if it has none."""
    value = item.get(name, {}).get("N")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and abs(number) < _LARGEST else None
