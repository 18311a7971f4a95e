"""Many mails, one after the other, no faster than SES sends them."""

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from chalicelib.users.table import ItemFull
from ops.stage.aws_errors import in_plain_words
from ops.terminal.interrupts import Ending
from ops.users.pace import Pace


class Mails(Protocol):
    """The mails that a command asks for."""

    def ask(self, email: str) -> bool:
        """Owe a user a mail; return False if the user no longer needs one."""

    def report(self, count: int) -> None:
        """Take the number of mails so far."""


def ask_again(
    emails: Iterable[str],
    mails: Mails,
    pace: Pace,
    is_interrupted: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> Ending:
    """Ask for a mail to each of ``emails``, at ``pace``. Raises DeployError."""
    count = 0
    with in_plain_words():
        for email in emails:
            while not is_interrupted() and not pace.spent and (seconds := pace.wait()):
                sleep(min(seconds, 1.0))
            if is_interrupted():
                return Ending.INTERRUPTED
            if pace.spent:
                return Ending.SPENT
            try:
                if not mails.ask(email):
                    continue
            except ItemFull:  # another program's item, which has no space left
                continue
            pace.take()
            count += 1
            mails.report(count)
    return Ending.FINISHED
