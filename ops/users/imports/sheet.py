"""A CSV file as numbered rows; a row that cannot be read spoils no other."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TextIO

from chalicelib.own_fields import OwnFields
from ops.stage.errors import OpsError
from ops.terminal.text import printable
from ops.users.csv_cells import unguard
from ops.users.imports import columns, own_columns
from ops.users.imports.columns import Columns

OURS = ("line", "reason")
"""The first columns of a file of rejects. An import reads nothing from them."""
MAX_ROW_LENGTH = 1 << 20
"""The characters of the longest row that is read. Beyond, the row is rejected whole."""

_DELIMITERS = ",;\t|"
_HEADER_LINES = 20  # a header's cells may hold line breaks, but a missing quote must not take all
_SEPARATOR = re.compile(r'\ufeff?"?sep=([^\w"\r\n])"?[;,]*\s*', re.IGNORECASE)
_WORD = re.compile(r"\w+")  # a row's end depends on its quotes, delimiters and blanks alone
_KEPT = 1000  # characters of a row that is too long

# csv's own limit is for the whole process, and ends a cell in the middle. MAX_ROW_LENGTH is ours.
csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Row:
    """A row and the file's lines that it covers.

    ``broken`` says why the row cannot be read; then its text is its only cell.
    """

    line: int
    last_line: int
    cells: tuple[str, ...]
    broken: str = ""


@dataclass(frozen=True)
class Sheet:
    """The rows of a file under its ``header``. ``own`` are the fields of the stage."""

    header: tuple[str, ...]
    delimiter: str
    columns: Columns
    _lines: "_Lines" = field(repr=False)
    own: OwnFields | None = None

    def rows(self) -> Iterator[Row]:
        """Yield every row that is not blank. This reads the file, so call it once."""
        while row := _take(self._lines, self.delimiter):
            if any(cell.strip() for cell in row.cells):
                yield row

    def fields(self, row: Row) -> dict[str, str]:
        """Return the row's cells under the known columns."""
        return {
            name: unguard(row.cells[place])
            for name, place in self.columns.places.items()
            if place < len(row.cells)
        }


def read(file: TextIO, chosen: Mapping[str, str], own: OwnFields | None = None) -> Sheet:
    """Return the sheet in ``file``. ``chosen`` are the operator's columns, see columns.find.

    The delimiter is named by a first line such as ``sep=;``, or it is the one that makes a column
    of addresses. Raises OpsError without such a column.
    """
    lines = _Lines(file)
    start = _first_line(lines)
    delimiters = _DELIMITERS
    if declared := _SEPARATOR.fullmatch(start):
        delimiters = declared[1]
        start = _first_line(lines)
    head = [start.lstrip("\ufeff"), *islice(lines, _HEADER_LINES - 1)]
    readings = [_header(head, delimiter) for delimiter in delimiters]
    for delimiter, (header, line_count) in zip(delimiters, readings, strict=True):
        if columns.has_email(header, chosen):
            lines.put_back(head[line_count:])
            known = columns.find(header, chosen, OURS, own_columns.headers(own))
            return Sheet(header, delimiter, known, lines, own)
    raise _no_addresses(max((header for header, _ in readings), key=len), start)


def _first_line(lines: "_Lines") -> str:
    line = next((line for line in lines if line.strip(f"\ufeff{_DELIMITERS} \r\n")), None)
    if line is None:
        raise OpsError("This file is empty. It needs a header, then one row for each user.")
    return line


def _header(head: list[str], delimiter: str) -> tuple[tuple[str, ...], int]:
    """Return the cells of the first row in ``head``, and how many lines it covers."""
    reader = _reader(iter(head), delimiter)
    try:
        return tuple(map(unguard, next(reader, ()))), reader.line_num
    except csv.Error:
        return (), 0


def _no_addresses(header: tuple[str, ...], start: str) -> OpsError:
    text = start.strip().replace("\t", " ")
    if not header or not text.isprintable():
        return OpsError(
            f"The first line cannot be read: {printable(text[:60])}\n"
            "Name the file's --encoding, or give the file a header."
        )
    names = ", ".join(f'"{printable(name[:40])}"' for name in header[:12])
    return OpsError(
        f"No column of this file has a known name for addresses: {names}. Name it, for instance:\n"
        "--column email='Email Address'"
    )


class _Lines(Iterator[str]):
    """Lines that can be put back. ``number`` is the number of the line that was taken last."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._back: deque[str] = deque()
        self.number = 0

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        return line

    def put_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> str:
        """Return a line. What is over MAX_ROW_LENGTH is shortened, but keeps its quotes."""
        line = self._file.readline(MAX_ROW_LENGTH + 1)
        while len(line) > MAX_ROW_LENGTH and not line.endswith(("\n", "\r")):
            more = self._file.readline(MAX_ROW_LENGTH)
            if not more:
                break
            line += _WORD.sub("x", more)
        return line


class _Taken(Iterator[str]):
    """The lines of one row as csv takes them. Only the first MAX_ROW_LENGTH are remembered."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._kept: list[str] = []
        self.length = 0

    def __next__(self) -> str:
        for line in self._lines:
            self.length += len(line)
            if self.length <= MAX_ROW_LENGTH or not self._kept:
                self._kept.append(line)
                return line
            # csv asks for another line only inside of a quoted cell. What is left to do is to find
            # its end, so lines without a quotation mark need no memory.
            if '"' in line:
                return _WORD.sub("x", line)
        raise StopIteration

    @property
    def text(self) -> str:
        return "".join(self._kept).rstrip("\r\n")


def _take(lines: _Lines, delimiter: str) -> Row | None:
    """Return the next row, also if it is blank; None at the end.

    A quotation mark opens a cell until another one closes it, over any number of lines: a quoted
    cell may contain text that looks like a row.
    """
    first = lines.number + 1
    taken = _Taken(lines)
    try:
        cells = next(_reader(taken, delimiter), None)
    except csv.Error as error:
        return Row(first, lines.number, (taken.text,), _reason(error))
    if cells is None:
        return None
    if taken.length > MAX_ROW_LENGTH:
        reason = f"it has more than {MAX_ROW_LENGTH:,} characters"
        return Row(first, lines.number, (f"{taken.text[:_KEPT]}…",), reason)
    return Row(first, lines.number, tuple(cells))


def _reason(error: csv.Error) -> str:
    if "unexpected end" in str(error):
        return "it opens a quotation mark and never closes it"
    if "expected after" in str(error):
        return "it has text after a closing quotation mark"
    return str(error)


def _reader(lines: Iterator[str], delimiter: str) -> Any:
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
