"""A contest: contestants measured in turn, and the medians.

A disturbance of the machine then meets all contestants alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")

BEFORE = "before"
OURS = "Bienvenue"


@dataclass(frozen=True)
class Result:
    """Each contestant's figures, one a round. ``better`` is ``less`` or ``more``; ``target`` holds
    for ours divided by the contestant ``against``, and None where there is none."""

    section: str
    measure: str
    unit: str
    rounds: Mapping[str, Sequence[float]]
    better: str = "less"
    against: str = ""
    target: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Each contestant's median."""
        return {name: median(figures) for name, figures in self.rounds.items()}

    def ratio(self, contestant: str = OURS) -> float | None:
        """Return a contestant's figure divided by the other's.

        It is the median over the rounds: from one round to another, a shared machine may be twice
        as slow.
        """
        if self.against not in self.rounds or contestant not in self.rounds:
            return None
        theirs = self.rounds[self.against]
        return median(
            figure / other for figure, other in zip(self.rounds[contestant], theirs, strict=True)
        )

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        ratio = self.ratio() if self.against else self.figures.get(OURS)
        if ratio is None or self.target is None:
            return None
        return ratio <= self.target if self.better == "less" else ratio >= self.target


def once(figures: Mapping[str, float]) -> dict[str, list[float]]:
    """Measure a single round."""
    return {name: [figure] for name, figure in figures.items()}


def in_turn(rounds: int, contestants: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Return each contestant's figure in each round.

    The first round fills caches and is not counted.
    """
    seen: dict[str, list[T]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, measure in contestants.items():
            figure = measure()
            if number:
                seen[name].append(figure)
    return seen
