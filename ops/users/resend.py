"""Asking for many mails again, one after the other, no faster than SES lets them leave."""

import time
from collections.abc import Callable, Iterable

from chalicelib.users.table import ItemFull
from ops.stage.aws_errors import in_plain_words
from ops.terminal.interrupts import Ending
from ops.users.pace import Pace


def ask_again(
    emails: Iterable[str],
    ask: Callable[[str], bool],
    pace: Pace,
    told: Callable[[int], None],
    stopping: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> Ending:
    """Have ``ask`` owe each of ``emails`` a mail; ``told`` hears how many were, so far. Whoever no
    longer needs one is passed by. Raises DeployError."""
    asked = 0
    with in_plain_words():
        for email in emails:
            while not stopping() and not pace.spent and (seconds := pace.wait()):
                sleep(min(seconds, 1.0))
            if stopping():
                return Ending.INTERRUPTED
            if pace.spent:
                return Ending.SPENT
            try:
                if not ask(email):
                    continue
            except ItemFull:  # another program's item, with no room for our attributes
                continue
            pace.take()
            asked += 1
            told(asked)
    return Ending.FINISHED
