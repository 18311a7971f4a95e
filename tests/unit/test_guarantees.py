"""docs/guarantees.md: each promise names a test, and each named test exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
NAMED = sorted(set(re.findall(r"`(tests/[^`\s]+)`", PAGE)))


@pytest.mark.parametrize("section", SECTIONS, ids=[each.partition("\n")[0] for each in SECTIONS])
def test_each_promise_names_a_test(section: str) -> None:
    assert re.search(r"`tests/[^`]+\.py", section)


@pytest.mark.parametrize("named", NAMED)
def test_each_named_test_exists(named: str) -> None:
    file, _, test = named.partition("::")
    source = (ROOT / file).read_text(encoding="utf-8")
    assert not test or re.search(rf"^(?:async )?def {test}\(", source, re.MULTILINE)


def test_each_attack_has_its_test() -> None:
    table = PAGE.partition("\n## Attacks that were tried\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!attack|-)(.+)$", table, re.MULTILINE)
    assert len(rows) == 12
    assert all("`tests/" in row and "::" in row for row in rows)
