"""CSV cells that a spreadsheet may open: none of them starts a formula.

As OWASP has it (CSV Injection), a cell that would is given an apostrophe before it, and all are
quoted by the writer, so that no other separator makes new cells of one. The apostrophe is taken off
again where we read: what one command writes, another reads.
https://owasp.org/www-community/attacks/CSV_Injection
"""

import re
from collections.abc import Iterable

# Also in their full-width forms, which some spreadsheets take for the same.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile(f"'{_FORMULA.pattern}")


def line(texts: Iterable[str], delimiter: str = ",") -> str:
    """A line of ``texts``, each of them a cell that is only ever text.

    Without csv, which cannot write a NUL before Python 3.11.
    """
    return delimiter.join(map(_cell, texts)) + "\n"


def unguard(cell: str) -> str:
    """What a cell of ``line`` was made of."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _cell(text: str) -> str:
    guarded = f"'{text}" if _FORMULA.match(text) else text
    return '"' + guarded.replace('"', '""') + '"'
