"""The columns of a file that hold a stage's own fields and consents."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from chalicelib.own_fields import CHECKBOX, CONSENT, OwnFields
from chalicelib.users.moments import iso
from ops.users.store import BY_IMPORT

FIELDS, GIVEN, WITHDRAWN = PREFIXES = ("fields.", "consent.", "withdrawn.")
"""The start of the names of these columns."""
_RECORD = ("text", "lang", "at", "address", "agent", "by", "withdrawn_at", "withdrawn_by")
_MAX_RECORD = 2048  # characters of a cell
_TICKS = {"x": "true", "\u2713": "true", "\u2714": "true"}


def headers(own: OwnFields | None) -> Iterator[tuple[str, str]]:
    """Yield each header that is known, and the name of its column.

    A field is known by its name and by its labels, a consent by its name alone: an import may not
    take a column for an agreement because of how it sounds.
    """
    if own is None:
        return
    for field in own.fields:
        if field.type == CONSENT:
            column = f"{GIVEN}{field.name}"
            for header in (field.name, column, f"{column}.at"):
                yield header, column
            yield f"{column}.withdrawn_at", f"{WITHDRAWN}{field.name}"
        else:
            for header in (field.name, f"{FIELDS}{field.name}", *field.label.by_language.values()):
                yield header, f"{FIELDS}{field.name}"
    for source in own.sources:
        for header in (source, f"{FIELDS}{source}"):
            yield header, f"{FIELDS}{source}"


def choices(own: OwnFields | None) -> dict[str, str]:
    """Return what ``--column`` may name beside the columns of every stage."""
    if own is None:
        return {}
    consents = {field.name for field in own.consents}
    return {name: f"{GIVEN if name in consents else FIELDS}{name}" for name in own.names}


def columns(own: OwnFields | None) -> tuple[str, ...]:
    """Return the columns that a list has for these fields."""
    return tuple(choices(own).values())


def without_requirements(own: OwnFields | None) -> OwnFields | None:
    """Return the fields as an import asks for them: none is required, and consents are apart."""
    if own is None:
        return None
    fields = (field._replace(is_required=False) for field in own.fields if field.type != CONSENT)
    return OwnFields(tuple(fields), own.sources)


def values(cells: Mapping[str, str], own: OwnFields | None) -> dict[str, str]:
    """Return the values of the fields in a row, as a form sends them."""
    fields = {
        name.removeprefix(FIELDS): cell for name, cell in cells.items() if name.startswith(FIELDS)
    }
    for field in own.fields if own else ():
        if field.type == CHECKBOX and field.name in fields:
            plain = fields[field.name].strip().lower()
            fields[field.name] = _TICKS.get(plain, plain)
    return fields


def consents(
    cells: Mapping[str, str], moment: Callable[[str], datetime | None], now: datetime
) -> dict[str, dict[str, str]]:
    """Return the consents in a row: on the operator's word, or as an export has them.

    ``moment`` returns when a cell says that it was given: ``now`` for a plain yes. Raises
    ValueError.
    """
    given: dict[str, dict[str, str]] = {}
    for column, cell in cells.items():
        if column.startswith(GIVEN) and (record := _record(cell, moment, now)):
            given[column.removeprefix(GIVEN)] = record
    for column, cell in cells.items():
        name = column.removeprefix(WITHDRAWN)
        if column.startswith(WITHDRAWN) and name in given and (at := moment(cell)):
            given[name] |= {"withdrawn_at": iso(at), "withdrawn_by": BY_IMPORT}
    return given


def _record(
    cell: str, moment: Callable[[str], datetime | None], now: datetime
) -> dict[str, str] | None:
    if cell.lstrip().startswith("{"):
        return _exported(cell)
    given = moment(cell)
    if given is None:
        return None
    # A plain yes does not say when.
    return {"by": BY_IMPORT} if given == now else {"by": BY_IMPORT, "at": iso(given)}


def _exported(cell: str) -> dict[str, str]:
    """Return the record of a consent as `users list` writes it. Raises ValueError."""
    try:
        record: Any = json.loads(cell) if len(cell) <= _MAX_RECORD else None
    except ValueError:
        record = None
    is_record = isinstance(record, dict) and all(
        key in _RECORD and isinstance(value, str) for key, value in record.items()
    )
    if not is_record or not record:
        raise ValueError("This is not a consent in the form that `users list` writes.")
    return dict(record)
