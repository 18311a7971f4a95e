"""The stage's limits: a budget of mails, a brake for bounces, the drain's lock.

They live in their own small table, so that one conditional write decides for all functions.
The item ``mail`` holds the budget's counters and the brake; the item ``drain`` holds the lock.
Mailboxes are there as well: chalicelib/users/mailboxes.py.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.users.moments import iso
from chalicelib.users.people import Verdict
from chalicelib.users.table import Item, Table, mapping, number, string

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

log = logging.getLogger(__name__)

BUDGET, BRAKE = "budget", "brake"
"""The reason why no mail may go out at the moment."""

MAX_BOUNCES = 0.08  # SES reviews an account at 5 % and may pause it at 10 %
MAX_COMPLAINTS = 0.003  # SES reviews an account at 0.1 % and may pause it at 0.5 %
FEWEST_MAILS = 100
"""The fewest mails that the brake judges."""
KEPT_HOURS = 24

_ZERO = {"mails": 0, "bounced": 0, "complained": 0}
_MAIL, _DRAIN = "mail", "drain"


class Grant(NamedTuple):
    """The number of mails that may go out, and why no more: BUDGET, BRAKE or empty.

    ``hour`` is the hour whose budget they use; empty if they use none.
    """

    mails: int
    why: str = ""
    hour: str = ""


class Limits:
    """The limits in a table. DynamoDB's own errors pass through.

    ``per_day`` and ``per_hour`` limit the mails of a calendar day and hour in UTC; None means
    no limit.
    """

    def __init__(
        self, client: "DynamoDBClient", table: str, per_day: int | None, per_hour: int | None
    ) -> None:
        self.table = Table(client, table, "name")
        self._per_day = 10**9 if per_day is None else per_day
        self._per_hour = 10**9 if per_hour is None else per_hour

    def reserve(self, mails: int, now: datetime, *, are_welcomes: bool = False) -> Grant:
        """Reserve up to ``mails`` mails of the budget.

        The brake is for addresses that were never validated, so it lets welcomes through.
        """
        day, hour = _day_and_hour(now)
        take = partial(self._take, passes_brake=are_welcomes)
        outcome = take(mails, day, hour)
        is_stopped = "brake" in outcome.item and not are_welcomes
        if not outcome.done and not is_stopped and not _is_of(outcome.item, day, hour):
            if (newer := string(outcome.item, "hour")) > hour:
                day, hour = newer[:10], newer  # another function's clock is a little ahead
            else:
                self._turn_over(outcome.item, day, hour)
            outcome = take(mails, day, hour)
        if outcome.done:
            return Grant(mails, hour=hour)
        if "brake" in outcome.item and not are_welcomes:
            return Grant(0, BRAKE)
        left = min(
            self._per_day - int(number(outcome.item, "day_mails")),
            self._per_hour - int(number(_bucket(outcome.item, hour), "mails")),
        )
        if 0 < left < mails and take(left, day, hour).done:
            return Grant(left, BUDGET, hour)
        return Grant(0, BUDGET)

    def give_back(self, mails: int, hour: str) -> None:
        """Give mails that did not go out back to the budget of their ``hour``.

        Mails of a past day are not given back.
        """
        self.table.update(
            _MAIL,
            "SET day_mails = day_mails - :n, hours.#hour.mails = hours.#hour.mails - :n",
            "#day = :day AND attribute_exists(hours.#hour)",
            {":n": mails, ":day": hour[:10]},
            {"#hour": hour, "#day": "day"},
        )

    def count(self, verdict: Verdict, now: datetime) -> bool:
        """Count a bounce or complaint; return True if that applies the brake.

        The last day's mails are those of the stored hours.
        """
        day, hour = _day_and_hour(now)
        outcome = self._add(verdict, hour)
        if not outcome.done:
            self._turn_over(outcome.item, day, hour)
            outcome = self._add(verdict, max(hour, string(outcome.item, "hour")))
        if not outcome.done or "brake" in outcome.item or not (why := _excess(outcome.item)):
            return False
        applied = self.table.update(
            _MAIL,
            "SET brake = :why, brake_at = :now",
            "attribute_not_exists(brake)",
            {":why": why, ":now": iso(now)},
            moment="brake_at",
        ).done
        if applied:  # the brake's alarm reads this line
            log.error("brake: mail is stopped: %s", why)
        return applied

    def resume(self, now: datetime) -> bool:
        """Lift the brake; return False if it was not on. Counting starts again."""
        _, hour = _day_and_hour(now)
        return self.table.update(
            _MAIL,
            "SET hours = :hours REMOVE brake, brake_at",
            "attribute_exists(brake)",
            {":hours": {hour: _ZERO}},
        ).done

    def state(self) -> Item:
        """Return the item of the budget and the brake as it is now; empty if there is none."""
        return self.table.get(_MAIL)

    def lock(self, holder: str, now: datetime, life: timedelta) -> Item | None:
        """Take the drain's lock; return its item, or None if another drain has it."""
        outcome = self.table.update(
            _DRAIN,
            "SET holder = :holder, held_until = :until",
            "attribute_not_exists(held_until) OR held_until <= :now OR holder = :holder",
            {":holder": holder, ":until": iso(now + life), ":now": iso(now)},
        )
        return outcome.item if outcome.done else None

    def unlock(self, holder: str, now: datetime, scanned: str) -> None:
        """Give the drain's lock back, and remember the hour that was ``scanned``."""
        self.table.update(
            _DRAIN,
            "SET held_until = :now, scanned = :scanned",
            "holder = :holder",
            {":now": iso(now), ":holder": holder, ":scanned": scanned},
        )

    def _take(self, mails: int, day: str, hour: str, *, passes_brake: bool) -> Any:
        """Count ``mails`` mails in the day and the hour, if both have room for all of them."""
        has_room = (
            "#day = :day AND attribute_exists(hours.#hour)"
            " AND day_mails <= :day_left AND hours.#hour.mails <= :hour_left"
        )
        return self.table.update(
            _MAIL,
            "SET day_mails = day_mails + :n, hours.#hour.mails = hours.#hour.mails + :n",
            has_room if passes_brake else f"{has_room} AND attribute_not_exists(brake)",
            {
                ":n": mails,
                ":day": day,
                ":day_left": self._per_day - mails,
                ":hour_left": self._per_hour - mails,
            },
            {"#hour": hour, "#day": "day"},
        )

    def _add(self, verdict: Verdict, hour: str) -> Any:
        return self.table.update(
            _MAIL,
            "SET hours.#hour.#verdict = hours.#hour.#verdict + :one",
            "attribute_exists(hours.#hour)",
            {":one": 1},
            {"#hour": hour, "#verdict": verdict.value},
        )

    def _turn_over(self, old: Item, day: str, hour: str) -> None:
        """Start a new hour, and a new day if it is one, unless another function did.

        Counters that go on are not written, so that no mail counted meanwhile is lost.
        """
        begun = string(old, "hour")
        if begun > hour:  # another function's clock is ahead: its hour stays
            return
        values: dict[str, Any] = {":hour": hour, ":zero": _ZERO}
        names = {"#hour": "hour", "#new": hour}
        change = "SET #hour = :hour"
        if string(old, "day") != day:
            change += ", #day = :day, day_mails = :none"
            names["#day"] = "day"
            values |= {":day": day, ":none": 0}
        if not begun:
            names.pop("#new")
            values[":hours"] = {hour: values.pop(":zero")}
            self.table.update(
                _MAIL, f"{change}, hours = :hours", "attribute_not_exists(#hour)", values, names
            )
            return
        oldest = iso(datetime.fromisoformat(f"{hour}:00+00:00") - timedelta(hours=KEPT_HOURS))[:13]
        ended = [key for key in mapping(old, "hours") if key <= oldest]
        names |= {f"#ended{n}": key for n, key in enumerate(ended)}
        removed = ", ".join(f"hours.#ended{n}" for n in range(len(ended)))
        change += ", hours.#new = :zero" + (f" REMOVE {removed}" if removed else "")
        values[":begun"] = begun
        self.table.update(_MAIL, change, "#hour = :begun", values, names)


def _day_and_hour(now: datetime) -> tuple[str, str]:
    hour = iso(now.astimezone(timezone.utc))[:13]
    return hour[:10], hour


def _is_of(item: Item, day: str, hour: str) -> bool:
    return string(item, "day") == day and hour in mapping(item, "hours")


def _bucket(item: Item, hour: str) -> Item:
    bucket: Mapping[str, Any] = mapping(item, "hours").get(hour, {})
    return dict(bucket.get("M", {}))


def _counts(bucket: Item) -> dict[str, int]:
    return {name: int(number(bucket, name)) for name in _ZERO}


def _excess(item: Item) -> str:
    """Return why the last day's mails need the brake; empty if they do not."""
    hours = [_counts(entry.get("M", {})) for entry in mapping(item, "hours").values()]
    mails, bounced, complained = (
        sum(hour[name] for hour in hours) for name in ("mails", "bounced", "complained")
    )
    if mails < FEWEST_MAILS:
        return ""
    if bounced > MAX_BOUNCES * mails:
        return f"{bounced} of {mails} mails bounced"
    if complained > MAX_COMPLAINTS * mails:
        return f"{complained} complaints about {mails} mails"
    return ""
