"""docs/operating.md: its sums are right, and it counts what there is."""

from __future__ import annotations

import json
import math
import re
from collections import Counter

import pytest

from ops.resources.stack.stack import TEMPLATE
from tests.e2e.stack import ROOT

BOOK = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
SUMS = re.findall(r"(\d[^|:=\n]*) = \$(\d+\.\d\d)", BOOK)
ROWS = re.findall(r"^\| (.+?) \|.*?\$([\d.]+)\** \| \**\$([\d.]+)", BOOK, re.MULTILINE)


def reckon(words: str) -> float:
    """Return the value of a sum of products. Numbers may have a unit or a word beside them."""
    return sum(math.prod(map(_value, re.findall(_FACTOR, term))) for term in words.split(" + "))


TIMES = "\u00d7"
_FACTOR = rf"({TIMES}|/|^) ?\$?([\d,.]+)"


def _value(factor: tuple[str, str]) -> float:
    sign, number = factor
    value = float(number.replace(",", ""))
    return 1 / value if sign == "/" else value


@pytest.mark.parametrize(("words", "result"), SUMS)
def test_what_is_reckoned_is_right(words: str, result: str) -> None:
    assert f"{reckon(words):.2f}" == result


def test_the_rows_add_up_and_a_thousand_users_cost_a_thousandth() -> None:
    *parts, total = ROWS[: [name for name, _, _ in ROWS].index("**once**") + 1]
    assert len(parts) == 6
    assert f"{sum(float(million) for _, million, _ in parts):.2f}" == total[1]
    for _, million, thousand in ROWS:
        assert float(thousand) == pytest.approx(float(million) / 1000, abs=0.00005)
    assert len(SUMS) == len(ROWS)  # the total has none, what is paid for in any case has no row


def test_what_is_paid_for_in_any_case_is_what_the_stack_makes() -> None:
    every = json.loads(TEMPLATE.read_text())["Resources"].values()
    resources = [resource for resource in every if "Condition" not in resource]
    types = Counter(resource["Type"] for resource in resources)
    metrics = {
        resource["Properties"]["MetricTransformations"][0]["MetricName"]
        for resource in resources
        if resource["Type"] == "AWS::Logs::MetricFilter"
    }
    for words, number in (
        ("metrics", len(metrics)),
        ("alarms", types["AWS::CloudWatch::Alarm"]),
        ("dashboard", types["AWS::CloudWatch::Dashboard"]),
    ):
        assert f"{number} {words} {TIMES} $" in BOOK
