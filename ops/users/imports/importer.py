"""An import: rows in their order, many writes at once, at the pace of their mails."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ops.stage.aws_errors import in_plain_words
from ops.terminal.interrupts import Ending
from ops.users.clients import THREADS
from ops.users.imports.bookmark import Tally
from ops.users.imports.newcomers import Rejected, newcomer
from ops.users.imports.sheet import Row, Sheet
from ops.users.pace import Pace
from ops.users.store import Added, Newcomer


class Table(Protocol):
    """The table that users are imported into."""

    def add(self, newcomer: Newcomer, now: datetime) -> Added:
        """Put a user who is not there yet."""


class Report(Protocol):
    """The reports of an import."""

    def reject(self, row: Row, reason: str) -> None:
        """Take a row that was not imported."""

    def progress(self, tally: Tally) -> None:
        """Take the tally, after each row."""


@dataclass(frozen=True)
class Import:
    """The import of ``sheet`` into ``table``, as of ``now``.

    ``is_interrupted`` returns True once the operator wants to stop.
    """

    sheet: Sheet
    table: Table
    report: Report
    pace: Pace
    now: datetime
    is_interrupted: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep

    def run(self, tally: Tally) -> Ending:
        """Import every row after ``tally.line``, and count them in ``tally``, in their order.

        All rows up to ``tally.line`` are always done. Raises DeployError where the table cannot be
        written.
        """
        pool = ThreadPoolExecutor(THREADS)
        queue = _Queue(self, tally)
        try:
            ending = self._run(pool, queue, tally.line)
            queue.settle_all()
            return ending
        finally:
            pool.shutdown(cancel_futures=True)

    def _run(self, pool: ThreadPoolExecutor, queue: "_Queue", after: int) -> Ending:
        for row in self.sheet.rows():
            if row.line <= after:
                continue
            if self.is_interrupted():
                return Ending.INTERRUPTED
            try:
                user = newcomer(self.sheet, row, self.now)
            except Rejected as rejected:
                queue.append(_Rejected(row, str(rejected)))
            else:
                if not user.validated_at and (ending := self._wait_for_mail(queue)):
                    return ending
                queue.append(_Added(row, user, pool.submit(self.table.add, user, self.now)))
            queue.settle_some()
        return Ending.FINISHED

    def _wait_for_mail(self, queue: "_Queue") -> Ending | None:
        """Wait until one more mail may leave, and count it; or return why none may."""
        while seconds := self.pace.wait():
            if self.is_interrupted():
                return Ending.INTERRUPTED
            # A user who was there already needs no mail, so that mail may go to another one.
            if queue:
                queue.settle()
            elif self.pace.spent:
                return Ending.SPENT
            else:
                self.sleep(min(seconds, 1.0))
        self.pace.take()
        return None


@dataclass(frozen=True)
class _Rejected:
    """A row that is not imported."""

    row: Row
    reason: str

    @property
    def is_done(self) -> bool:
        return True


@dataclass(frozen=True)
class _Added:
    """A row that a thread is writing to the table."""

    row: Row
    user: Newcomer
    future: "Future[Added]"

    @property
    def is_done(self) -> bool:
        return self.future.done()


class _Queue:
    """Rows that are under way, in the order of the file."""

    def __init__(self, work: Import, tally: Tally) -> None:
        self._work = work
        self._tally = tally
        self._rows: deque[_Rejected | _Added] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: _Rejected | _Added) -> None:
        self._rows.append(row)

    def settle_some(self) -> None:
        """Count the first rows that are done, and wait if the threads have enough to do."""
        while self._rows and (len(self._rows) > 2 * THREADS or self._rows[0].is_done):
            self.settle()

    def settle_all(self) -> None:
        """Wait for all rows, and count them."""
        while self._rows:
            self.settle()

    def settle(self) -> None:
        """Wait for the first row, and count it."""
        first = self._rows[0]
        if isinstance(first, _Rejected):
            self._work.report.reject(first.row, first.reason)
            self._tally.rejected += 1
        else:
            with in_plain_words():
                added = first.future.result()
            self._count(first.user, added)
        self._tally.line = first.row.last_line
        self._rows.popleft()
        self._work.report.progress(self._tally)

    def _count(self, user: Newcomer, added: Added) -> None:
        tally, is_validated = self._tally, user.validated_at is not None
        if added is Added.ADDED:
            tally.validated += is_validated
            tally.owed += not is_validated
            return
        tally.there += added is Added.THERE
        tally.twice += added is Added.TWICE
        if not is_validated:
            self._work.pace.give_back()
