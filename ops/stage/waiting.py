"""Waiting for a change: short looks at first, longer ones later."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 3.0


def until(look: Callable[[], T | None], seconds: float, gave_up: Callable[[], Exception]) -> T:
    """Return the first result of ``look``. Raises what ``gave_up`` makes after ``seconds``."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while (seen := look()) is None:
        if time.monotonic() > deadline:
            raise gave_up()
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    return seen
