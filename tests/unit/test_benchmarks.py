"""The benchmarks' sums: ratios, targets and the cost of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.contest import BEFORE, OURS, Result, in_turn, once

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"
STARTS = {OURS: 90, BEFORE: 150, "bare": 100}
START = Result("Cold start", "API", "ms", once(STARTS), "less", "bare", 0.9)


def test_the_first_round_of_a_contestant_is_not_counted() -> None:
    figures = iter([100.0, 1, 900, 2, 700, 3, 800, 4])
    seen = in_turn(3, {"slow at first": lambda: next(figures), "steady": lambda: next(figures)})
    assert seen == {"slow at first": [900, 700, 800], "steady": [2, 3, 4]}


@pytest.mark.parametrize(
    ("better", "target", "met"),
    [("less", 0.9, True), ("less", 0.89, False), ("more", 0.9, True), ("more", 0.91, False)],
)
def test_a_target_is_met_by_our_figure_divided_by_the_others(
    better: str, target: float, met: bool
) -> None:
    result = Result("", "", "", once({OURS: 90, "bare": 100}), better, "bare", target)
    assert result.met is met


def test_contestants_are_compared_within_a_round() -> None:
    """Ours takes nine tenths of the other, and once met a slow phase that the other did not."""
    rounds = {OURS: [9, 9, 18, 18, 18], "bare": [10, 10, 10, 20, 20]}
    result = Result("", "", "", rounds, "less", "bare", 0.9)
    assert result.figures == {OURS: 18, "bare": 10}
    assert (result.ratio(), result.met) == (0.9, True)


def test_a_target_of_nobody_elses_is_met_by_our_figure_itself() -> None:
    assert Result("", "", "MB", {OURS: [130]}, "less", "", 128).met is False
    assert Result("", "", "MB", {OURS: [127]}, "less", "", 128).met is True
    assert Result("", "", "MB", {OURS: [127]}).met is None


def test_the_table_says_what_was_and_what_is() -> None:
    row = report.table([START]).splitlines()[-1]
    assert row == (
        "| Cold start: API | 90 ms | 150 ms | bare 100 | 0.90 of bare (was 1.50 of bare) "
        "| ≤ 0.9: met |"
    )


def test_a_million_users_cost_what_their_calls_cost() -> None:
    told = report.cost_of_a_million(writes=6, mails=1)
    assert "10 writes 6.25" in told
    assert "1 mail 100.00" in told
    assert told.startswith("A million users cost $126.37")
    assert "| **once** | **$126.37** |" in OPERATING.read_text(encoding="utf-8")
