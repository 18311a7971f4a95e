"""Ctrl-C as a wish, not as an exception: what is under way is finished and written down first."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


class Ending(Enum):
    """How a long piece of work came to its end."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    SPENT = "spent"
    """The day's mails are used up."""


@contextmanager
def on_request() -> Iterator[Callable[[], bool]]:
    """What tells whether somebody has asked to stop. Who asks twice is not kept waiting."""
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, stop) for number in STOPPING}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
