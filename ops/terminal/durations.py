"""Moments and spans of time as people write and read them: ``10m``, ``2026-11-24``, ``3 min``."""

import re
from datetime import datetime, timedelta, timezone

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(rf"(\d{{1,6}})\s*([{''.join(_UNITS)}])")


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(text: str, now: datetime) -> datetime:
    """When ``90s``, ``10m``, ``2h`` or ``7d`` ago was; ``2026-11-24``, or a moment in full, in UTC
    unless it says otherwise. Raises ValueError, as for what was before 1970."""
    found = _SPAN.fullmatch(text.strip())
    try:
        if found:
            at = now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        else:
            at = datetime.fromisoformat(text.replace("Z", "+00:00"))
        if at.tzinfo is None:
            at = at.replace(tzinfo=timezone.utc)
        if at >= _EPOCH:
            return at
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text!r} is neither a date such as 2026-11-24 nor 90s, 10m, 2h or 7d.")


def words(seconds: float) -> str:
    """``seconds`` in the unit that leaves a number to be read at a glance."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"
