"""Fixtures of ops/: a project in its own folder, and the lines that are printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.stage.project import Project

CONFIG = {
    "version": "2.0",
    "app_name": "bienvenue",
    "lambda_functions": {"api_handler": {"lambda_timeout": 10}},
    "stages": {"prod": {"environment_variables": {"DEFAULT_LANG": "en"}}},
}


class Ear:
    """A progress.Say with a memory."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, detail: str) -> None:
        self.heard.append(detail)

    @property
    def last(self) -> str:
        return self.heard[-1]


@pytest.fixture
def say() -> Ear:
    return Ear()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose stage prod was never deployed."""
    config = tmp_path / ".chalice" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    return Project(tmp_path, "prod")
