"""How many a second, as it is typed."""

import math
from typing import Any

import click


class Rate(click.FloatRange):
    """More than none a second. Python also reads nan and inf, by which nothing can be paced."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        rate = float(super().convert(value, param, ctx))
        if not math.isfinite(rate):
            self.fail(f"{rate} is no number of times a second.", param, ctx)
        return rate
