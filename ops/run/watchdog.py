"""The watchdog: it outlives its parent by seconds and ends what that left.

Run as a script. Reads process group ids from its standard input, a line each, until its end: that
comes when the parent is gone for whatever reason, SIGKILL included, on any POSIX system. Files
named as arguments are removed.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 5.0


def end(groups: list[int], reap: Callable[[], object] = lambda: None) -> None:
    """Ask the process groups to stop, and kill them after PATIENCE seconds.

    ``reap`` takes leave of those that are children of this process, or they would seem to live on.
    """
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while any(_lives(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.02)
        reap()
    _signal(groups, signal.SIGKILL)


def _signal(groups: list[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # what macOS says of a group that is only zombies
        return False
    return True


if __name__ == "__main__":
    orphans = [int(line) for line in sys.stdin]
    for path in sys.argv[1:]:
        Path(path).unlink(missing_ok=True)
    end(orphans)
