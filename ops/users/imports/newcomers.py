"""A row of a file as a user to import, by the rules of a sign-up."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from chalicelib.own_fields import OwnFields
from chalicelib.templates import Templates
from chalicelib.web import forms
from ops.terminal.durations import iso_moment
from ops.users.imports import own_columns
from ops.users.imports.columns import VALIDATED_AT
from ops.users.imports.sheet import Row, Sheet
from ops.users.store import Newcomer

TEMPLATES = Templates()
FORM = forms.SignUpForm(TEMPLATES.languages)

# Programs write these days where a database says NULL: year 0 and 1 (MySQL, .NET, Go), the
# beginnings of time of Windows, Excel, Unix (which is the day before, west of Greenwich) and DOS.
_PLACEHOLDERS = (
    "0000-",
    "0001-",
    "1601-01-01",
    "1899-12-30",
    "1899-12-31",
    "1900-01-01",
    "1969-12-31",
    "1970-01-01",
    "1980-01-01",
)
_NOT_VALIDATED = frozenset(
    ("", "\\n", "-", "0", "f", "false", "n", "n/a", "nan", "nat", "nil", "no", "none", "null")
)
_VALIDATED = frozenset(("1", "t", "true", "y", "yes"))
_FIRST_YEAR = 1990  # before it, nobody confirmed an address by a link


class Rejected(ValueError):
    """A row that cannot be imported. The message says why, to the operator who fixes the file."""


def newcomer(sheet: Sheet, row: Row, now: datetime) -> Newcomer:
    """Return the user that ``row`` describes. Raises Rejected."""
    if row.broken:
        lines = f"line {row.line}"
        if row.last_line > row.line:
            lines = f"lines {row.line} to {row.last_line}"
        raise Rejected(f"The row of {lines} cannot be read: {row.broken}.")
    if any(cell.strip() for cell in row.cells[len(sheet.header) :]):
        raise Rejected("This row has more cells than the header: quote cells with delimiters.")
    return check(sheet.fields(row), now, sheet.own)


def check(fields: Mapping[str, str], now: datetime, own: OwnFields | None = None) -> Newcomer:
    """Return the user that ``fields`` describe. Raises Rejected with all reasons.

    ``own`` are the fields of the stage. None of them is required here.
    """
    reasons = []
    person = validated_at = None
    consent: dict[str, dict[str, str]] = {}
    signing_up = {
        name: value
        for name, value in fields.items()
        if name != VALIDATED_AT and not name.startswith(own_columns.PREFIXES)
    }
    signing_up |= own_columns.values(fields, own)
    if any("\ud800" <= c <= "\udfff" for value in fields.values() for c in value):
        raise Rejected("This row has bytes that are not in the file's encoding: name --encoding.")
    try:
        form = FORM._replace(own=own_columns.without_requirements(own)) if own else FORM
        person = form.read(signing_up, "")
    except forms.Invalid as invalid:
        reasons = [f"{problem.field}: {_detail(problem)}" for problem in invalid.problems]
    try:
        validated_at = _validated_at(fields.get(VALIDATED_AT, ""), now)
    except ValueError as error:
        reasons.append(f"{VALIDATED_AT}: {error}")
    try:
        consent = own_columns.consents(fields, partial(_validated_at, now=now), now)
    except ValueError as error:
        reasons.append(f"consent: {error}")
    if person is None or reasons:
        raise Rejected(" ".join(reasons))
    return Newcomer(person, validated_at, consent)


def _detail(problem: forms.Problem) -> str:
    name = f"problem_{problem.code}_detail"
    return TEMPLATES.word(name, "en", limit=str(problem.limit))


def _validated_at(text: str, now: datetime) -> datetime | None:
    """Return when a user was validated; None if they were not. Raises ValueError."""
    text = text.strip()
    if text.lower() in _NOT_VALIDATED or text.startswith(_PLACEHOLDERS):
        return None
    if text.lower() in _VALIDATED:
        return now
    try:
        moment = iso_moment(text)
    except ValueError as error:
        raise ValueError("Write the time as 2026-11-24T12:00:00Z, or leave it out.") from error
    if moment.isoformat().startswith(_PLACEHOLDERS):
        return None
    if moment.year < _FIRST_YEAR:
        raise ValueError(f"This is before {_FIRST_YEAR}.")
    if moment > now:
        raise ValueError("This is in the future.")
    return moment
