"""docs/design.md: it names every transition, and only attributes that exist."""

from __future__ import annotations

import re
from pathlib import Path

from chalicelib.users.event_outbox import EventOutbox
from chalicelib.users.outbox import Outbox
from chalicelib.users.store import Users

DOCS = Path(__file__).parents[2] / "docs"
READERS = {
    *("Outbox.read", "Outbox.owes", "Outbox.owed", "Outbox.unindexed"),
    *("EventOutbox.read", "EventOutbox.owed"),
}


def rows() -> list[list[str]]:
    """Return the cells of the table of transitions."""
    page = (DOCS / "design.md").read_text(encoding="utf-8")
    table = page.partition("\n## Transitions\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]


def test_the_table_names_every_transition() -> None:
    methods = {
        f"{store.__name__}.{name}"
        for store in (Users, Outbox, EventOutbox)
        for name, member in vars(store).items()
        if callable(member) and not name.startswith("_")
    }
    assert sorted(row[0].strip("`") for row in rows()) == sorted(methods - READERS)


def test_the_table_names_only_attributes_of_the_item() -> None:
    page = (DOCS / "item.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", page))
    for transition, condition, effect in rows():
        named = set(re.findall(r"`([a-z_]+)`", condition + effect)) - {"expires"}
        assert named - documented == set(), transition


def test_every_state_of_the_mail_is_in_the_diagram() -> None:
    page = (DOCS / "design.md").read_text(encoding="utf-8")
    diagram = page.partition("stateDiagram-v2")[2].partition("```")[0]
    item = (DOCS / "item.md").read_text(encoding="utf-8")
    (states,) = re.findall(r"^\| `mail` \| S \| (.*?)(?:;|$)", item, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", states))
    assert named <= set(re.findall(r"\w+", diagram))
