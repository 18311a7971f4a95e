"""Lists of users of any length: each page is written before the next one is read."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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
    "imported_at",
    "mail",
    "mail_at",
    "mail_count",
    "mail_error",
    "owed_at",
    "delivered_at",
    "delivery_ms",
    "validated_at",
    "validated_by",
)
"""The attributes in a list. `export` has all of them."""

# By a user's state. A complaint counts as a bounce: no more mail is sent to either.
_CONDITIONS = {
    "validated": "attribute_exists(validated_at) AND NOT mail IN (:bounced, :complained, :refused)",
    "pending": "attribute_not_exists(validated_at)"
    " AND NOT mail IN (:failed, :bounced, :complained, :refused)",
    "failed": "attribute_not_exists(validated_at) AND mail = :failed",
    "bounced": "mail IN (:bounced, :complained)",
    "refused": "mail = :refused",
}
_OWED = (  # validated users may be owed a welcome
    "(attribute_not_exists(validated_at) OR owed_at = validated_at)"
    " AND (attribute_not_exists(mail) OR mail IN (:owed, :sending))"
)
_MAILS = ("owed", "sending", "failed", "bounced", "complained", "refused")

_COLOURS = {"validated": "green", "pending": "yellow"}
_STATE, _DATE, _MAIL, _GAP = 10, 10, 13, 2
_MINUTES_FROM = 110  # columns, which leave space for more than the date


@dataclass(frozen=True)
class Selection:
    """A filter of users. Without conditions it selects all.

    Users are in one of ``states``, came ``since`` then and were validated ``validated_since`` then.
    ``is_owed`` selects users whose mail is owed, and ``where`` users with these values.
    """

    states: Collection[str] = ()
    since: datetime | None = None
    validated_since: datetime | None = None
    is_owed: bool = False
    where: Mapping[str, str] = field(default_factory=dict)

    def condition(self) -> str:
        """Return the selection as a DynamoDB expression, empty for all users."""
        parts = [
            "created_at >= :since OR imported_at >= :since" if self.since else "",
            "validated_at >= :validated_since" if self.validated_since else "",
            _OWED if self.is_owed else "",
            " OR ".join(_CONDITIONS[state] for state in self.states),
        ]
        used = [part for part in parts if part]
        if len(used) == 1:  # DynamoDB refuses redundant parentheses
            return used[0]
        return " AND ".join(f"({part})" if " OR " in part else part for part in used)

    def values(self) -> dict[str, str]:
        """Return the values that the condition uses."""
        values = {f":{mail}": mail for mail in _MAILS}
        values |= {":since": iso(self.since)} if self.since else {}
        values |= {":validated_since": iso(self.validated_since)} if self.validated_since else {}
        words = set(self.condition().replace("(", " ").replace(")", " ").replace(",", " ").split())
        return {name: value for name, value in values.items() if name in words}

    def has(self, user: Plain) -> bool:
        """Return True if the attributes of ``user`` are those in ``where``."""
        return all(
            str(value_at(user, path)).casefold() == value.casefold()
            for path, value in self.where.items()
        )


def people(
    users: OperatorsUsers, selection: Selection, columns: Collection[str] = ATTRIBUTES
) -> Iterator[Plain]:
    """Yield the users of ``selection``, with their state and the attributes ``columns``."""
    paths = (*_NEEDED, *columns, *selection.where)
    attributes = tuple(dict.fromkeys(path.partition(".")[0] for path in paths))
    condition = selection.condition()
    for page in users.pages(attributes, condition, selection.values()):
        for item in page:
            user = person.plain(item)
            if selection.has(user):
                yield {"state": person.state(user), **user}


_NEEDED = ("email", "mail", "validated_at")


def value_at(user: Plain, path: str) -> object:
    """Return the value at ``path``, such as ``mail`` or ``fields.company``; empty if missing."""
    value: object = user
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return value


def write_csv(users: Iterable[Plain], out: TextIO, columns: Collection[str] = ATTRIBUTES) -> None:
    """Write a header and a row for each user, which `import` can read."""
    header = tuple(dict.fromkeys(("state", *columns)))
    safe = printable if out.isatty() else str
    out.write(csv_cells.line(header))
    out.writelines(
        csv_cells.line(safe(_text(value_at(user, path))) for path in header) for user in users
    )


def write_jsonl(users: Iterable[Plain], out: TextIO) -> None:
    """Write a JSON object for each user on a line of its own."""
    out.writelines(as_json(user) + "\n" for user in users)


def write_table(users: Iterable[Plain], say: Callable[[str], None], width: int) -> int:
    """Write a line for each user, cut to ``width`` columns of a terminal; return the count.

    The widths do not depend on the users, so that none of them has to be remembered.
    """
    date = _DATE + 6 if width >= _MINUTES_FROM else _DATE
    room = max(width - _STATE - date - _MAIL - 4 * _GAP, 20)
    widths = (_STATE, room * 3 // 5, room - room * 3 // 5, date, _MAIL)
    count = 0
    for count, user in enumerate(users, 1):
        if count == 1:
            titles = _line(("STATE", "EMAIL", "NAME", "CAME", "MAIL"), widths)
            say(click.style(titles, dim=True))
        came = str(user.get("created_at", user.get("imported_at", "")))
        state, *rest = _line(
            (
                user["state"],
                person.key(user),
                person.name(user),
                came.replace("T", " ")[:date],
                person.mails(user),
            ),
            widths,
        ).partition(" ")
        say(click.style(state, fg=_COLOURS.get(state, "red")) + "".join(rest))
    return count


def _text(value: object) -> str:
    """Return a value as the text of a cell: maps and lists as JSON."""
    return as_json(value) if isinstance(value, dict | list) else str(value)


def _line(texts: tuple[str, ...], widths: tuple[int, ...]) -> str:
    cells = (_cell(printable(text), size) for text, size in zip(texts, widths, strict=True))
    return (" " * _GAP).join(cells).rstrip()


def _cell(text: str, size: int) -> str:
    fitted = _fit(text, size)
    content = fitted.rstrip()
    return isolated(content) + fitted[len(content) :]


def _fit(text: str, size: int) -> str:
    """Return ``text`` in exactly ``size`` columns of a terminal: some characters take two."""
    text = text[: 4 * size]  # measuring takes time
    if cell_len(text) > size:
        return set_cell_size(text, size - 1) + "…"
    return set_cell_size(text, size)
