"""The clock of the mailer and the drain: the time, and a way to wait."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple


class Clock(NamedTuple):
    """``now`` returns the time in UTC. ``pause`` waits for a number of seconds."""

    now: Callable[[], datetime]
    pause: Callable[[float], None]
