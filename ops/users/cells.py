"""CSV cells that a spreadsheet may open: none of them starts a formula.

As OWASP has it (CSV Injection), a cell that would is given an apostrophe before it, and all are
quoted by the writer, so that no other separator makes new cells of one. The apostrophe is taken off
again where we read: what one command writes, another reads.
https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import re
from typing import Any, TextIO

# Also in their full-width forms, which some spreadsheets take for the same.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile(f"'{_FORMULA.pattern}")


def writer(out: TextIO, delimiter: str = ",") -> Any:
    """A csv writer to ``out`` that quotes every cell."""
    return csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")


def guard(text: str) -> str:
    """``text`` as a cell that is only ever text."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguard(cell: str) -> str:
    """What ``guard`` was given."""
    return cell[1:] if _GUARDED.match(cell) else cell
