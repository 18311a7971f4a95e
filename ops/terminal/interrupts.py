"""Ctrl-C as a request: a command first finishes and writes down what is under way."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


class Ending(Enum):
    """The reason for the end of a long command."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    SPENT = "spent"
    """Today's mails are used up."""


@contextmanager
def on_request() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns True once a signal has asked to stop.

    A second signal raises KeyboardInterrupt.
    """
    is_asked = False

    def stop(*_: object) -> None:
        nonlocal is_asked
        if is_asked:
            raise KeyboardInterrupt
        is_asked = True

    with handled_by(stop):
        yield lambda: is_asked


@contextmanager
def raised() -> Iterator[None]:
    """Have each signal that asks to stop raise KeyboardInterrupt, as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with handled_by(stop):
        yield


@contextmanager
def handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Pass the signals that ask to stop to ``handler`` while the block runs."""
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
