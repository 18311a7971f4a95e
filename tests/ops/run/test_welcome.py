"""What `run` prints when everything is up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import click
import pytest

from ops.run import command
from ops.stage import local_stage

STACK = cast(
    Any,
    SimpleNamespace(api="http://127.0.0.1:1/api", mailbox="http://127.0.0.1:2", table="users"),
)


def printed(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is printed, with its colours."""
    texts: list[str] = []
    monkeypatch.setattr(click, "echo", texts.append)
    command._welcome(STACK, local_stage.STATE)
    return "".join(texts)


def test_the_addresses_stand_below_a_banner(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = click.unstyle(printed(monkeypatch)).strip().splitlines()
    assert lines[0] == "Bienvenue  runs on this machine."
    assert lines[2:5] == [
        "Sign-up page  http://127.0.0.1:1/api/",
        "API           http://127.0.0.1:1/api",
        "Mailbox       http://127.0.0.1:2",
    ]


def test_lines_to_copy_have_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = printed(monkeypatch)
    assert "\x1b[" in coloured.splitlines()[1]
    copied = [
        line for line in coloured.splitlines() if line.startswith(("curl", ".venv", "./", "(."))
    ]
    assert len(copied) == 3
    assert not [line for line in copied if "\x1b" in line]


def test_a_pipe_gets_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    command._welcome(STACK, local_stage.STATE)
    assert "\x1b" not in capsys.readouterr().out
