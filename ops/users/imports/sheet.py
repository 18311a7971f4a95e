"""A CSV file read so that no row spoils another: each knows its line, and what cannot be read is a
row too."""

import csv
import unicodedata
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TextIO

from ops.stage.errors import OpsError
from ops.users.csv_cells import unguard

OURS = ("line", "reason")
"""The columns that a file of rejects starts with; nothing is read from them."""
MAX_LINES = 100
"""How many lines a quoted cell may go over, before its quote is taken for one too many."""
MAX_LINE_LENGTH = 1 << 20

_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Row:
    """A row, of the lines ``line`` to ``last_line`` of the file; ``broken`` says why it cannot be
    read, and then it is one line, which is its only cell."""

    line: int
    last_line: int
    cells: tuple[str, ...]
    broken: str = ""


@dataclass(frozen=True)
class Sheet:
    """A file's rows under its ``header``. ``columns`` are the places of the known ones by name,
    ``ignored`` the names of the others."""

    header: tuple[str, ...]
    delimiter: str
    columns: Mapping[str, int]
    ignored: tuple[str, ...]
    _lines: "_Lines" = field(repr=False)

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank. To be called once: the file is read as they are."""
        while row := _take(self._lines, self.delimiter)[0]:
            if any(cell.strip() for cell in row.cells):
                yield row

    def fields(self, row: Row) -> dict[str, str]:
        """What a row says under the known columns."""
        return {
            name: unguard(row.cells[place])
            for name, place in self.columns.items()
            if place < len(row.cells)
        }


def read(file: TextIO, known: Collection[str], needed: str) -> Sheet:
    """The sheet in ``file``. The delimiter is the one by which the header has a column ``needed``.

    Raises OpsError where there is none, or two columns are for the same.
    """
    lines = _Lines(iter(partial(file.readline, MAX_LINE_LENGTH), ""))
    start = next((line for line in lines if line.strip(f"{_DELIMITERS} \r\n")), None)
    if start is None:
        raise OpsError("There is nothing in this file: give it a header, and a row a person.")
    lines.put_back([start])
    for delimiter in _DELIMITERS:
        row, taken = _take(lines, delimiter)
        header = tuple(map(unguard, row.cells)) if row and not row.broken else ()
        names = [_plain(name) for name in header]
        if needed in names:
            break
        lines.put_back(taken)
    else:
        raise OpsError(
            f"The first line names no column {needed}: {_shortened(start)}. "
            f"Give the file a header, with some of: {', '.join(known)}; "
            "or name its --encoding, if that cannot be read."
        )
    twice = [name for name, times in Counter(names).items() if times > 1 and name in known]
    if twice:
        raise OpsError(f"Two columns are named {twice[0]}: rename the one that is not meant.")
    return Sheet(
        header=header,
        delimiter=delimiter,
        columns={name: place for place, name in enumerate(names) if name in known},
        ignored=tuple(
            written
            for written, name in zip(header, names, strict=True)
            if name not in known and name not in OURS
        ),
        _lines=lines,
    )


class _Lines(Iterator[str]):
    """Lines that can be put back; ``number`` is that of the line last taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._back: deque[str] = deque()
        self.number = 0

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self.number += 1
        if len(line) == MAX_LINE_LENGTH and not line.endswith(("\n", "\r")):
            raise OpsError(
                f"Line {self.number} is longer than {MAX_LINE_LENGTH:,} characters: is it a CSV?"
            )
        return line

    def put_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


def _take(lines: _Lines, delimiter: str) -> tuple[Row | None, list[str]]:
    """The next row, blank ones included, and its lines; None at the end."""
    taken: list[str] = []

    def some() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line
            if len(taken) == MAX_LINES:
                return

    first = lines.number + 1
    try:
        reader = csv.reader(some(), delimiter=delimiter, skipinitialspace=True, strict=True)
        cells = next(reader, None)
    except csv.Error:
        # Only this line is lost. What a stray quote has swallowed is read for itself.
        lines.put_back(taken[1:])
        broken = Row(first, first, (taken[0].rstrip("\r\n"),), "the quotation marks do not match")
        return broken, taken[:1]
    return None if cells is None else Row(first, lines.number, tuple(cells)), taken


def _plain(name: str) -> str:
    """A column's name as we know it: ``Prénom`` is ``prenom``, ``First name`` ``first_name``."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return "_".join(bare.lower().replace("-", " ").split())


def _shortened(line: str) -> str:
    shown = repr(line.strip())
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
