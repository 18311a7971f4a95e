"""docs/design.md: what it says of each transition is what the transition does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from chalicelib.users.event_outbox import EventOutbox
from chalicelib.users.outbox import Outbox
from chalicelib.users.store import Users
from tests.support import recorded_updates

ROOT = Path(__file__).parents[2]
DESIGN = (ROOT / "docs/design.md").read_text(encoding="utf-8")
ITEM = (ROOT / "docs/item.md").read_text(encoding="utf-8")
READERS = {
    *("Outbox.read", "Outbox.owes", "Outbox.owed", "Outbox.unindexed"),
    *("EventOutbox.read", "EventOutbox.owed"),
}


def section(heading: str) -> str:
    """Return the text of a section of docs/design.md."""
    return DESIGN.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


INTRODUCTION, *PARTS = section("Transitions").split("\n### ")
BLOCKS = {
    name: body
    for part in PARTS
    for name, _, body in [part.partition("\n")]
    if re.fullmatch(r"\w+\.\w+", name)
}
GROUPS, CONDITIONS = (
    dict(re.findall(r"^\| (\*[\w' -]+\*) \| (.*) \|$", table, re.MULTILINE))
    for table in INTRODUCTION.split("\nThese names stand for ")[1:]
)


def bullet(transition: str, label: str) -> str:
    """Return a bullet of a transition's block, with the bullets that it refers to."""
    (text,) = re.findall(
        rf"^- \*\*{label}\*\* (.*?)(?=^- |\Z)", BLOCKS[transition], re.MULTILINE | re.DOTALL
    ) or [""]
    text = " ".join(text.split())
    others = re.findall(r"the same (?:cases )?as `([\w.]+)`", text)
    return " ".join([text, *(bullet(other, label) for other in others)])


def attributes(text: str, names: Mapping[str, str] = GROUPS) -> set[str]:
    """Return the attributes that ``text`` names itself, or by one of ``names``."""
    meanings = [meaning for name, meaning in names.items() if name in text]
    return set(re.findall(r"`([a-z_]+)`", " ".join([text, *meanings])))


def test_each_function_is_listed_with_its_time_out() -> None:
    config = json.loads((ROOT / ".chalice/config.json").read_text(encoding="utf-8"))
    functions = config["lambda_functions"]
    text = section("Lambda functions")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (\d+) s \|", text, re.MULTILINE)
    assert dict(rows) == {name: str(functions[name]["lambda_timeout"]) for name in functions}
    assert f"{config['lambda_memory_size']} MB" in text


def test_each_transition_is_described() -> None:
    methods = {
        f"{store.__name__}.{name}"
        for store in (Users, Outbox, EventOutbox)
        for name, member in vars(store).items()
        if callable(member) and not name.startswith("_")
    }
    assert set(BLOCKS) == methods - READERS == set(recorded_updates.CALLS)


@pytest.mark.parametrize("transition", BLOCKS)
def test_a_transition_changes_the_attributes_described(transition: str) -> None:
    updates = recorded_updates.updates_of(transition)
    sets, removes = bullet(transition, "Sets"), bullet(transition, "Removes")
    assert attributes(sets) == set().union(*(update.sets for update in updates))
    assert attributes(removes) == set().union(*(update.removes for update in updates))
    states = set(re.findall(r"\w+", " ".join(re.findall(r"`mail` = (\w+(?: or \w+)?)", sets))))
    assert states - {"or"} == {update.mail for update in updates} - {""}


@pytest.mark.parametrize("transition", BLOCKS)
def test_a_transition_has_the_conditions_described(transition: str) -> None:
    text = bullet(transition, "If") + bullet(transition, "Another update")
    updates = recorded_updates.updates_of(transition)
    conditions = set().union(*(update.conditions for update in updates))
    assert conditions - {"email"} <= attributes(text, CONDITIONS)


def test_each_transition_names_tests_that_exist() -> None:
    files = (ROOT / "tests/unit/users").glob("test_*.py")
    tests = {
        name for file in files for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    for transition in BLOCKS:
        named = re.findall(r"`(\w+)`", bullet(transition, "Tests"))
        assert named, transition
        assert set(named) <= tests, transition


def test_transitions_have_only_documented_attributes() -> None:
    documented = set(re.findall(r"`(\w+)`", ITEM))
    for transition in BLOCKS:
        for label in ("If", "Sets", "Removes", "Another update"):
            assert attributes(bullet(transition, label)) <= documented, transition


def test_every_state_of_the_mail_is_in_the_diagram() -> None:
    diagram = DESIGN.partition("stateDiagram-v2")[2].partition("```")[0]
    (states,) = re.findall(r"^\| `mail` \| S \| (.*?)(?:;|$)", ITEM, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", states)) <= set(re.findall(r"\w+", diagram))
