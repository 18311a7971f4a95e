"""Lists of people of any length: read a page at a time, written row by row, nothing held."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import TextIO

import click
from rich.cells import cell_len, set_cell_size

from chalicelib.users.moments import iso
from ops.terminal.text import as_json, isolated, printable
from ops.users import csv_cells, person
from ops.users.person import Plain
from ops.users.store import OperatorsUsers

ATTRIBUTES = (
    "email",
    "prenom",
    "nom",
    "lang",
    "created_at",
    "mail",
    "mail_at",
    "mail_count",
    "mail_error",
    "validated_at",
    "validated_by",
)
"""What a list says of each; `export` says all."""

_CONDITIONS = {
    "validated": "attribute_exists(validated_at) AND NOT mail IN (:bounced, :complained, :refused)",
    "pending": "attribute_not_exists(validated_at)"
    " AND NOT mail IN (:failed, :bounced, :complained, :refused)",
    "failed": "attribute_not_exists(validated_at) AND mail = :failed",
    "bounced": "mail IN (:bounced, :complained)",
    "refused": "mail = :refused",
}
STATES = tuple(_CONDITIONS)
"""What a list can be narrowed to; complaints count as bounces: no more mail goes there."""

_COLOURS = {"validated": "green", "pending": "yellow"}
_STATE, _DATE, _MAILS, _GAP = 10, 10, 10, 2
_MINUTES_FROM = 110  # columns: where there is room for more than the date


def people(
    users: OperatorsUsers, states: Collection[str], since: datetime | None
) -> Iterator[Plain]:
    """Everybody in one of ``states``, or in any if there are none, who came ``since`` then."""
    among = " OR ".join(_CONDITIONS[state] for state in states)
    if since and len(states) > 1:  # and not otherwise: DynamoDB refuses what is redundant
        among = f"({among})"
    came = "(created_at >= :since OR imported_at >= :since)" if since else ""
    condition = " AND ".join(filter(None, (came, among)))
    values = {f":{mail}": mail for mail in ("failed", "bounced", "complained", "refused")}
    values |= {":since": iso(since)} if since else {}
    used = {name: value for name, value in values.items() if name in condition}
    for page in users.pages(ATTRIBUTES, condition, used):
        for item in page:
            one = person.plain(item)
            yield {"state": person.state(one), **one}


def write_csv(some: Iterable[Plain], out: TextIO) -> int:
    """Write a header and a row for each user, which `import` can read; return the count."""
    columns = ("state", *ATTRIBUTES)
    safe = printable if out.isatty() else str
    out.write(csv_cells.line(columns))
    count = 0
    for count, one in enumerate(some, 1):  # noqa: B007 - the count is the result
        out.write(csv_cells.line(safe(str(one.get(name, ""))) for name in columns))
    return count


def write_jsonl(some: Iterable[Plain], out: TextIO) -> int:
    """A JSON object a line, of the attributes that there are; how many."""
    count = 0
    for count, one in enumerate(some, 1):  # noqa: B007 - likewise
        out.write(as_json(one) + "\n")
    return count


def write_table(some: Iterable[Plain], say: Callable[[str], None], width: int) -> int:
    """A line each for a terminal ``width`` columns wide, cut off where there is no room; how many.

    The widths are chosen before anybody is seen, so that nobody has to be remembered.
    """
    date = _DATE + 6 if width >= _MINUTES_FROM else _DATE
    room = max(width - _STATE - date - _MAILS - 4 * _GAP, 20)
    widths = (_STATE, room * 3 // 5, room - room * 3 // 5, date, _MAILS)
    count = 0
    for count, one in enumerate(some, 1):
        if count == 1:
            titles = _line(("STATE", "EMAIL", "NAME", "CAME", "MAIL"), widths)
            say(click.style(titles, dim=True))
        state, *rest = _line(
            (
                one["state"],
                str(one["email"]),
                person.name(one),
                str(one.get("created_at", "")).replace("T", " ")[:date],
                person.mails(one),
            ),
            widths,
        ).partition(" ")
        say(click.style(state, fg=_COLOURS.get(state, "red")) + "".join(rest))
    return count


def _line(texts: tuple[str, ...], widths: tuple[int, ...]) -> str:
    cells = (_cell(printable(text), size) for text, size in zip(texts, widths, strict=True))
    return (" " * _GAP).join(cells).rstrip()


def _cell(text: str, size: int) -> str:
    fitted = _fit(text, size)
    content = fitted.rstrip()
    return isolated(content) + fitted[len(content) :]


def _fit(text: str, size: int) -> str:
    """``text`` in exactly ``size`` columns of a terminal: some characters take two."""
    text = text[: 4 * size]  # measuring takes its time
    if cell_len(text) > size:
        return set_cell_size(text, size - 1) + "…"
    return set_cell_size(text, size)
