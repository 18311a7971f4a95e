"""Fixtures of ops/: a project in its own folder, and the lines that are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


class ParameterStore:
    """The part of Parameter Store's client that ops uses. ``values`` are its parameters."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.kinds: dict[str, str] = {}

    def get_parameters(self, **asked: Any) -> Any:
        assert asked["WithDecryption"]
        assert len(asked["Names"]) in range(1, 11)
        values = [
            {"Name": name, "Value": self.values[name]}
            for name in asked["Names"]
            if name in self.values
        ]
        return {"Parameters": values}

    def put_parameter(self, **given: Any) -> None:
        assert given["Overwrite"]
        self.values[given["Name"]] = given["Value"]
        self.kinds[given["Name"]] = given["Type"]

    def delete_parameters(self, **given: Any) -> None:
        for name in given["Names"]:
            self.values.pop(name, None)


@pytest.fixture
def parameter_store() -> ParameterStore:
    return ParameterStore()


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
