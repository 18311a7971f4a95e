"""Types of command-line options: moments, rates and settings."""

import contextlib
import math
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import click

from chalicelib import settings
from ops.terminal import durations

_ENDPOINTS = "AWS_ENDPOINT_URL_"
"""AWS clients read these names. They put a proxy between a function and one service."""


class Moment(click.ParamType[datetime]):
    """A span of time before now, such as ``10m``, or a date."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return durations.moment(str(value), durations.now())
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Rate(click.FloatRange):
    """A finite number above zero. Python also reads ``nan`` and ``inf``, which set no pace."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        rate = float(super().convert(value, param, ctx))
        if not math.isfinite(rate):
            self.fail(f"{rate} is not a finite number.", param, ctx)
        return rate


class PerIpRate(click.IntRange):
    """A limit that AWS WAF takes, or zero for none."""

    def __init__(self, fewest: int) -> None:
        super().__init__(0, 2_000_000_000)
        self._fewest = fewest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        limit = int(super().convert(value, param, ctx))
        if 0 < limit < self._fewest:
            self.fail(f"AWS WAF takes no limit below {self._fewest}; 0 means none.", param, ctx)
        return limit


class Setting(click.ParamType[tuple[str, str]]):
    """``NAME=VALUE``, where the app reads a setting of that name.

    ``taken`` are the names whose values the command sets itself.
    """

    name = "setting"

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = taken

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, setting = str(value).partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)
        if name in self._taken:
            self.fail(f"This command sets {name} itself.", param, ctx)
        known = setting_names()
        if name not in known and not name.startswith(_ENDPOINTS):
            similar = get_close_matches(name.upper(), sorted(known - set(self._taken)), 1)
            hint = (
                f"Did you mean {similar[0]}?" if similar else "docs/settings.md lists all settings."
            )
            self.fail(f"There is no setting {name}. {hint}", param, ctx)
        return name, setting


def setting_names() -> set[str]:
    """Return the name of every setting that the app reads from its environment."""
    environment = _Environment()
    with contextlib.suppress(settings.SettingsError):
        settings.read(environment)
    return environment.names_read


class _Environment(Mapping[str, str]):
    """An empty environment that remembers which names were read."""

    def __init__(self) -> None:
        self.names_read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names_read.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
