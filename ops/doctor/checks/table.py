"""The users' table: its settings, and the users whose mail went wrong."""

from datetime import datetime, timedelta

from chalicelib.users.event_outbox import EventOutbox
from chalicelib.users.outbox import Outbox
from ops.doctor.check import Check, Finding, amber, green, red
from ops.doctor.facts import Facts, NotThere
from ops.metrics.funnel import Funnel, moment, share, text
from ops.resources.functions.event_invoke_config import DRAIN
from ops.resources.stack import table
from ops.terminal import durations

LONG = timedelta(hours=1)
SLOW = timedelta(minutes=2)
VERY_SLOW = timedelta(minutes=15)  # the alarm of old mail rings from here on

# The percentages at which SES reviews an account, and at which it may pause it.
# https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html
BOUNCES = (5.0, 10.0)
COMPLAINTS = (0.1, 0.5)
FEW = 5  # fewer bounces or complaints than this are normal, whatever their share


def _table(facts: Facts) -> Finding:
    name = facts.stage.users_table
    try:
        described = facts.table()
    except NotThere:
        return red(
            f"there is no {name}",
            "Restore the latest of these backups under that name, then deploy again "
            "(docs/operating.md: Backups and restoring).",
            facts.stage.cloud.aws(f"dynamodb list-backups --backup-type ALL --table-name {name}"),
        )
    ttl = facts.client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if ttl.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
        return amber("users who never confirm are not deleted", *facts.deploy_again)
    if ttl.get("AttributeName") != table.TTL_ATTRIBUTE:
        return amber(
            f"users are deleted by {ttl.get('AttributeName')}, not by {table.TTL_ATTRIBUTE}",
            "Turn off its time to live. An hour later, deploy again.",
        )
    if not table.is_protected(described):
        return amber("it is not protected from deletion", *facts.deploy_again)
    if not table.has_backups(facts.client("dynamodb"), name):
        return amber("point-in-time recovery is off", *facts.deploy_again)
    return green(f"{name}, {described['TableStatus'].lower()}")


def _owed(facts: Facts) -> Finding:
    people, is_all = facts.people()
    before = facts.now() - LONG
    waiting = [
        item
        for item in people
        if "validated_at" not in item and text(item, "mail") in ("owed", "sending")
    ]
    late = sum((asked := moment(item, "mail_at")) is None or asked <= before for item in waiting)
    # An item of another program has no moment until its mail is claimed.
    untouched = sum("mail" not in item and "validated_at" not in item for item in people)
    among = _among(len(people), is_all)
    if late:
        return red(
            f"{late:,} for over an hour, {among}",
            "Fix what is red above. They get mail within the hour, or at once with:",
            f"{facts.stage.ops('users resend')} --owed",
        )
    if untouched:
        return amber(
            f"{untouched:,} put by other programs and not mailed yet, {among}",
            "Run doctor again in a minute: they should be mailed by then.",
        )
    return green(f"none for over an hour, {among}")


def _index(facts: Facts) -> Finding:
    status = table.index_status(facts.table())
    if status is None:
        return red("there is no index of owed mail", *facts.deploy_again)
    if status != "ACTIVE":
        return amber(f"the index of owed mail is {status.lower()}", "Run doctor again in an hour.")
    return green("of owed mail, active")


def _oldest(facts: Facts) -> Finding:
    if table.index_status(facts.table()) is None:
        raise NotThere("not seen: there is no index of owed mail")
    welcomes = facts.project.environment.get("WELCOME_MAIL") == "true"
    outbox = Outbox(facts.client("dynamodb"), facts.stage.users_table, welcomes=welcomes)
    oldest = next(outbox.owed(facts.now()), None)
    if oldest is None:
        return green("no mail is owed")
    reason = "The log of the drain says why: rate, quota, budget or brake."
    return _by_age(facts, "the oldest owed mail", oldest.since, reason)


def _oldest_event(facts: Facts) -> Finding:
    if not facts.stage.has_events:
        return green("events are off: deploy --events turns them on")
    if table.index_status(facts.table(), table.EVENT_INDEX) is None:
        return red("there is no index of owed events", *facts.deploy_again)
    outbox = EventOutbox(facts.client("dynamodb"), facts.stage.users_table)
    oldest = next(outbox.owed(facts.now()), None)
    if oldest is None:
        return green("all events are published")
    reason = 'The log of the drain ends its line "events: oldest owed" with EventBridge\'s error.'
    return _by_age(facts, "the oldest event not published", oldest.since, reason)


def _by_age(facts: Facts, subject: str, since: str, reason: str) -> Finding:
    """Return the finding on something that the drain has had to do since then."""
    waited = _waited(since, facts.now())
    line = f"{subject} has waited {durations.words(waited.total_seconds())}"
    if waited < SLOW:
        return green(line)
    finding = red if waited >= VERY_SLOW else amber
    return finding(line, reason, facts.stage.ops(f"logs --function {DRAIN} --since 1h"))


def _waited(since: str, now: datetime) -> timedelta:
    try:
        return now - durations.iso_moment(since)
    except ValueError:
        return timedelta.max


def _failed(facts: Facts) -> Finding:
    people, is_all = facts.people()
    failed = sum(text(item, "mail") == "failed" for item in people)
    if failed:
        return amber(
            f"{failed:,}, {_among(len(people), is_all)}",
            "Their mail_error has the reason, in the words of SES.",
            f"{facts.stage.ops('users list')} --failed",
        )
    return green(f"none, {_among(len(people), is_all)}")


def _bounced(facts: Facts) -> Finding:
    people, is_all = facts.people()
    funnel = Funnel()
    for item in people:
        funnel.add(item)
    line = f"{funnel.bounced:,} bounced, {funnel.complained:,} complained, of {funnel.mailed:,}"
    line += " mailed" if is_all else " mailed of those counted"
    shares = [
        (share(count, funnel.mailed) or 0, limits)
        for count, limits in ((funnel.bounced, BOUNCES), (funnel.complained, COMPLAINTS))
        if count >= FEW
    ]
    if not any(part >= review for part, (review, _) in shares):
        return green(line)
    finding = red if any(part >= pause for part, (_, pause) in shares) else amber
    return finding(
        line,
        "SES reviews and pauses accounts for that. Find out who signs up other people's "
        "addresses. Throttle the API to slow them down.",
    )


def _among(people: int, is_all: bool) -> str:
    if people == 1 and is_all:
        return "of 1 person"
    return f"of {people:,} people" if is_all else f"of the first {people:,} people at least"


_SCAN = ("dynamodb:Scan",)

CHECKS = (
    Check(
        "Users",
        "Table",
        (
            "dynamodb:DescribeTable",
            "dynamodb:DescribeTimeToLive",
            "dynamodb:DescribeContinuousBackups",
        ),
        _table,
    ),
    Check("Users", "Index", ("dynamodb:DescribeTable",), _index),
    Check("Users", "Oldest owed", ("dynamodb:Query", "dynamodb:DescribeTable"), _oldest),
    Check("Users", "Oldest event", ("dynamodb:Query", "dynamodb:DescribeTable"), _oldest_event),
    Check("Users", "Mails owed", _SCAN, _owed),
    Check("Users", "Mails failed", _SCAN, _failed),
    Check("Users", "Bounces", _SCAN, _bounced),
)
