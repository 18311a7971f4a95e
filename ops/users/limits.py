"""The stage's limits of mail, as an operator sees them: the budget and the brake."""

from collections.abc import Iterator
from datetime import datetime

from chalicelib.mail.limits import Limits
from chalicelib.users.moments import iso
from chalicelib.users.table import Item, mapping, number, string
from ops.stage.lookup import Stage
from ops.users import person

SETTINGS = ("MAILS_PER_DAY", "MAILS_PER_HOUR")


def of(stage: Stage) -> Limits:
    """Return the limits of a stage."""
    client = stage.cloud.session.client("dynamodb")
    per_day, per_hour = (budget(stage, setting) for setting in SETTINGS)
    return Limits(client, stage.project.environment.get("LIMITS_TABLE", ""), per_day, per_hour)


def budget(stage: Stage, setting: str) -> int | None:
    """Return the number of mails that a setting allows; None if there is no limit."""
    text = stage.project.environment.get(setting, "").strip()
    return int(text) if text.isdecimal() else None


def used(state: Item, now: datetime) -> tuple[int, int]:
    """Return the mails of this calendar day and hour, in UTC."""
    day, hour = iso(now)[:10], iso(now)[:13]
    today = int(number(state, "day_mails")) if string(state, "day") == day else 0
    bucket = mapping(state, "hours").get(hour, {}).get("M", {})
    return today, int(number(bucket, "mails"))


def reasons(state: Item, stage: Stage, now: datetime) -> Iterator[str]:
    """Yield why owed mail waits: the brake, or a budget that is used up."""
    if why := string(state, "brake"):
        since = person.moment(string(state, "brake_at"), now)
        yield (
            f"Mail to addresses that were never validated has been stopped since {since}: {why}. "
            f"Find out who signs up wrong addresses. Then:\n{stage.ops('mail resume')}"
        )
    for name, count in zip(SETTINGS, used(state, now), strict=True):
        limit = budget(stage, name)
        if limit is not None and count >= limit:
            yield f"The budget of mails is used up: {name}={limit}. The rest goes out later."
