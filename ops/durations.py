"""Spans of time as people write and read them: ``10m``, and ``3 min``."""

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(rf"(\d{{1,6}})\s*([{''.join(_UNITS)}])")


def parse(span: str) -> timedelta:
    """The time that ``90s``, ``10m``, ``2h`` or ``7d`` says. Raises ValueError."""
    found = _SPAN.fullmatch(span.strip())
    if not found:
        raise ValueError(f"{span!r} is no span of time such as 90s, 10m, 2h or 7d.")
    number, unit = found.groups()
    return timedelta(**{_UNITS[unit]: int(number)})


def words(seconds: float) -> str:
    """``seconds`` in the unit that leaves a number to be read at a glance."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"
