"""What is measured side by side: contestants in turn, so that whatever else the machine does meets
all of them, and medians of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

BEFORE = "before"
OURS = "Bienvenue"


@dataclass(frozen=True)
class Result:
    """One figure of each contestant. ``better`` is ``less`` or ``more``; ``target`` holds for ours
    divided by the contestant ``against``, and None where there is none."""

    section: str
    what: str
    unit: str
    figures: Mapping[str, float]
    better: str = "less"
    against: str = ""
    target: float | None = None

    def ratio(self, contestant: str = OURS) -> float | None:
        """A contestant's figure by that of the one compared with."""
        if self.against not in self.figures or contestant not in self.figures:
            return None
        return self.figures[contestant] / self.figures[self.against]

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        ratio = self.ratio() if self.against else self.figures.get(OURS)
        if ratio is None or self.target is None:
            return None
        return ratio <= self.target if self.better == "less" else ratio >= self.target


def in_turn(rounds: int, contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each contestant's figure; the first round, which fills caches, not counted."""
    seen: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, measure in contestants.items():
            figure = measure()
            if number:
                seen[name].append(figure)
    return {name: median(figures) for name, figures in seen.items()}
