"""Bringing people in from a sheet: row by row in order, many writes under way at once, never faster
than their mails may leave, and in memory no more than what is under way."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ops.stage.cloud import in_plain_words
from ops.terminal.interrupts import Ending
from ops.users.clients import THREADS
from ops.users.imports.bookmark import Tally
from ops.users.imports.newcomers import Rejected
from ops.users.imports.sheet import Row, Sheet
from ops.users.pace import Pace
from ops.users.store import Added, Newcomer

Check = Callable[[Mapping[str, str]], Newcomer]
"""Makes a row's fields a newcomer, or raises Rejected."""


def newcomer(sheet: Sheet, row: Row, check: Check) -> Newcomer:
    """Whom ``row`` is about. Raises Rejected."""
    if row.broken:
        raise Rejected(f"This line cannot be read: {row.broken}.")
    if any(cell.strip() for cell in row.cells[len(sheet.header) :]):
        raise Rejected("There are more cells here than columns: is one to be quoted?")
    return check(sheet.fields(row))


@dataclass(frozen=True)
class Import:
    """One file's way into the table.

    ``add`` puts a newcomer, ``reject`` keeps a row with its reason, ``told`` hears of each row that
    is done with, ``stopping`` tells whether somebody wants this to end.
    """

    sheet: Sheet
    check: Check
    add: Callable[[Newcomer], Added]
    reject: Callable[[Row, str], None]
    pace: Pace
    told: Callable[[Tally], None]
    stopping: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep

    def run(self, tally: Tally) -> Ending:
        """Bring in everybody after ``tally.line``, and count them in ``tally``, in their order: all
        up to its line is always done. Raises DeployError where the table cannot be written."""
        pool = ThreadPoolExecutor(THREADS)
        under_way = _UnderWay(self, tally)
        try:
            ending = self._run(pool, under_way, tally.line)
            under_way.settle_all()
            return ending
        finally:
            pool.shutdown(cancel_futures=True)

    def _run(self, pool: ThreadPoolExecutor, under_way: "_UnderWay", after: int) -> Ending:
        for row in self.sheet.rows():
            if row.line <= after:
                continue
            if self.stopping():
                return Ending.INTERRUPTED
            try:
                one = newcomer(self.sheet, row, self.check)
            except Rejected as rejected:
                under_way.append(row, str(rejected))
            else:
                if not one.validated_at and (ending := self._wait(under_way)):
                    return ending
                under_way.append(row, (one, pool.submit(self.add, one)))
            under_way.settle_some()
        return Ending.FINISHED

    def _wait(self, under_way: "_UnderWay") -> Ending | None:
        """Wait until another mail may be asked for, and ask for it; None if it was."""
        while seconds := self.pace.wait():
            if self.stopping():
                return Ending.INTERRUPTED
            # Whoever turns out to be there already needs no mail, so their place is free again.
            if under_way:
                under_way.settle()
            elif self.pace.spent:
                return Ending.SPENT
            else:
                self.sleep(min(seconds, 1.0))
        self.pace.take()
        return None


_What = str | tuple[Newcomer, "Future[Added]"]


class _UnderWay:
    """Rows that are being brought in, the first one first; a rejected one with its reason."""

    def __init__(self, work: Import, tally: Tally) -> None:
        self._work = work
        self._tally = tally
        self._rows: deque[tuple[Row, _What]] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: Row, what: _What) -> None:
        self._rows.append((row, what))

    def settle_some(self) -> None:
        """Be done with all that is, and with enough for threads not to be drowned in work."""
        while self._rows and (len(self._rows) > 2 * THREADS or self._first_is_done()):
            self.settle()

    def settle_all(self) -> None:
        while self._rows:
            self.settle()

    def settle(self) -> None:
        """Be done with the first row, as soon as may be."""
        row, what = self._rows[0]
        tally = self._tally
        if isinstance(what, str):
            self._work.reject(row, what)
            tally.rejected += 1
        else:
            one, future = what
            with in_plain_words():
                added = future.result()
            if added is Added.ADDED:
                tally.validated += one.validated_at is not None
                tally.owed += one.validated_at is None
            else:
                tally.there += added is Added.THERE
                tally.twice += added is Added.TWICE
                if not one.validated_at:
                    self._work.pace.give_back()
        tally.line = row.last_line
        self._rows.popleft()
        self._work.told(tally)

    def _first_is_done(self) -> bool:
        what = self._rows[0][1]
        return isinstance(what, str) or what[1].done()
