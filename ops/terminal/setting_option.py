"""What ``--set NAME=VALUE`` may say: a setting that the app reads, and no misspelling of one."""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

import click

from chalicelib import settings, templates

_ENDPOINTS = "AWS_ENDPOINT_URL_"
"""Read by the AWS clients themselves: how a proxy is put between a function and one service."""


def setting(text: str, taken: Collection[str] = ()) -> tuple[str, str]:
    """The name and the value of ``text``. Raises click.BadParameter.

    ``taken`` are names whose values the command chooses by itself.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise _refused(f"{text!r} is not NAME=VALUE.")
    if name in taken:
        raise _refused(f"{name} is what this run makes it.")
    known = names()
    if name not in known and not name.startswith(_ENDPOINTS):
        meant = get_close_matches(name.upper(), sorted(known - set(taken)), 1)
        hint = f"is {meant[0]} meant?" if meant else "the README's table of settings names them."
        raise _refused(f"there is no setting {name}: {hint}")
    return name, value


def names() -> set[str]:
    """The settings that there are: whatever the app asks its environment for."""
    environment = _Environment()
    with contextlib.suppress(settings.SettingsError):
        settings.read(environment, templates.languages())
    return environment.asked


class _Environment(Mapping[str, str]):
    """An empty one, with a memory of what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _refused(why: str) -> click.BadParameter:
    return click.BadParameter(why, param_hint="--set")
