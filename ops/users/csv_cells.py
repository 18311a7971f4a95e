"""CSV cells that are safe in a spreadsheet: none of them starts a formula.

A cell that looks like a formula gets an apostrophe in front. All cells are quoted, so that another
delimiter does not split them. An import removes the apostrophe again.
https://owasp.org/www-community/attacks/CSV_Injection
"""

import re
from collections.abc import Iterable

# Some spreadsheets also start a formula with the full-width forms.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]")
_GUARDED = re.compile(f"'{_FORMULA.pattern}")


def line(texts: Iterable[str], delimiter: str = ",") -> str:
    """Return ``texts`` as a line of cells.

    The module csv cannot write a NUL before Python 3.11.
    """
    return delimiter.join(map(_cell, texts)) + "\n"


def unguard(cell: str) -> str:
    """Return the text that ``line`` made the cell from."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _cell(text: str) -> str:
    guarded = f"'{text}" if _FORMULA.match(text) else text
    return '"' + guarded.replace('"', '""') + '"'
