"""Moments and spans of time as people write and read them."""

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(rf"(\d{{1,6}})\s*([{''.join(_UNITS)}])", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"\s?([Zz]|UTC|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(timezone.utc)


def moment(text: str, now: datetime) -> datetime:
    """Return the moment that ``text`` names: ``10m`` before ``now``, a date, or ISO 8601.

    Raises ValueError, also for moments before 1970.
    """
    text = text.strip()
    try:
        if span := _SPAN.fullmatch(text):
            at = now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        else:
            at = iso_moment(text)
        if at >= _EPOCH:
            return at
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text!r} is not a date such as 2026-11-24, nor a span such as 90s or 7d.")


def iso_moment(text: str) -> datetime:
    """Return the moment that ``text`` names in ISO 8601, in UTC unless it says otherwise.

    ``datetime.fromisoformat`` reads other texts in each version of Python: 3.10 knows no ``Z`` and
    3.11 also takes week dates. Raises ValueError.
    """
    match = _MOMENT.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a time in ISO 8601.")
    day, minutes, seconds, fraction, zone = match.groups()
    micros = (fraction or "0")[:6].ljust(6, "0")
    offset = "+00:00" if zone in (None, "Z", "z", "UTC") else _offset(zone)
    written = f"{day}T{minutes or '00:00'}:{seconds or '00'}.{micros}{offset}"
    try:
        return datetime.fromisoformat(written).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time in ISO 8601.") from error


def words(seconds: float) -> str:
    """Return ``seconds`` in the unit that makes the number easy to read."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"


def _offset(zone: str) -> str:
    """Return ``+0200`` or ``+02`` as ``+02:00``."""
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return f"{zone[0]}{digits[:2]}:{digits[2:]}"
