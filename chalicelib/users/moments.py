"""Times in the form in which the table stores them."""

from datetime import datetime, timezone


def iso(moment: datetime) -> str:
    """Return ``moment`` in UTC as ISO 8601, always with the same width.

    DynamoDB compares moments as text, so a missing zone or missing microseconds would reorder them.
    """
    utc = moment.astimezone(timezone.utc)
    date = (utc.year, utc.month, utc.day)
    clock = (utc.hour, utc.minute, utc.second, utc.microsecond)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (*date, *clock)  # noqa: UP031 - 0.6 of isoformat


def moment(text: str) -> datetime | None:
    """Return the moment that ``iso`` wrote; None for any other text of another program."""
    try:
        read = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return read if read.tzinfo else None


def epoch(moment: datetime) -> int:
    """Return ``moment`` in whole seconds since 1970, as DynamoDB's time to live needs it."""
    return int(moment.timestamp())
