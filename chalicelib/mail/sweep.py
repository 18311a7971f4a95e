"""The hourly look for mails that are still owed: what the stream has lost is asked for again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.logs import hashed, kind
from chalicelib.users.store import Unusable, Users

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=15)
"""How long the stream may take before it is no longer waited for."""
SEGMENTS = 24
TIME_TO_STOP = 20.0  # seconds: a page of a scan or an update, at their slowest


@dataclass(frozen=True)
class Sweep:
    """Asks again for owed mails, a segment of the table at a time. ``now`` is the clock."""

    users: Users
    now: Callable[[], datetime]

    def sweep(self, time_left: Callable[[], float]) -> int:
        """Ask again for what is owed; how many were. ``time_left`` tells the remaining seconds.

        Every hour starts at another segment, so that where a table outgrows one invocation, each
        segment still has its turn, with nothing to be remembered from one hour to the next.
        """
        started = self.now()
        asked = 0
        for turn in range(SEGMENTS):
            segment = (started.hour + turn) % SEGMENTS
            for page in self.users.still_owed(started - PATIENCE, segment, SEGMENTS):
                for email in (*page, None):  # None: time goes by with pages of nobody, too
                    asked += email is not None and self._ask_again(email)
                    if time_left() < TIME_TO_STOP:
                        log.warning("sweep: %s asked again, %s/%s segments", asked, turn, SEGMENTS)
                        return asked
        log.info("sweep: %s asked again", asked)
        return asked

    def _ask_again(self, email: str) -> bool:
        """Whether the mail was asked for. What one user's item or write fails by, holds up nobody
        else: it is met again in an hour."""
        try:
            return self.users.ask_again(email, self.now(), PATIENCE)
        except Unusable as error:
            log.error("item unusable user=%s: %s", hashed(email), error)
        except (ClientError, BotoCoreError) as error:
            log.warning("not asked again user=%s: %s", hashed(email), kind(error))
        return False
