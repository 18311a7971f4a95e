"""What a checkout that never deployed a stage learns of it from the account."""

from __future__ import annotations

from pathlib import Path

from ops.resources.settings import shared_settings
from ops.stage import json_files
from ops.stage.project import Project
from tests.ops.conftest import CONFIG, ParameterStore

ROLE = "arn:aws:iam::123456789012:role/api"


def another(tmp_path: Path) -> Project:
    """A checkout that knows nothing of the stage."""
    folder = tmp_path / "another"
    json_files.write(folder / ".chalice" / "config.json", {**CONFIG, "stages": {}})
    return Project(folder, "prod")


def test_a_checkout_learns_what_another_one_deployed(
    project: Project, tmp_path: Path, parameter_store: ParameterStore
) -> None:
    project.record({"USERS_TABLE": "users", "SECRET_KEY": "ssm:/key"}, {"api_handler": ROLE})
    shared_settings.upload(parameter_store, project)
    colleague = another(tmp_path)
    assert shared_settings.download(parameter_store, colleague)
    assert colleague.own_settings() == project.own_settings()
    assert colleague.roles == {"api_handler": ROLE}


def test_what_a_checkout_says_itself_outweighs_the_copy(
    project: Project, tmp_path: Path, parameter_store: ParameterStore
) -> None:
    project.record({"USERS_TABLE": "users", "DEFAULT_LANG": "en"}, {})
    shared_settings.upload(parameter_store, project)
    colleague = another(tmp_path)
    colleague.record({"DEFAULT_LANG": "de"}, {})
    shared_settings.download(parameter_store, colleague)
    assert colleague.environment == {"USERS_TABLE": "users", "DEFAULT_LANG": "de"}


def test_a_checkout_that_knows_the_stage_asks_nothing(project: Project) -> None:
    project.record({"USERS_TABLE": "users"}, {})
    assert shared_settings.download(None, project)


def test_a_stage_that_nobody_deployed_stays_unknown(
    project: Project, parameter_store: ParameterStore
) -> None:
    assert not shared_settings.download(parameter_store, project)
    assert not project.own.exists()


def test_an_unchanged_copy_is_not_written_again(
    project: Project, parameter_store: ParameterStore
) -> None:
    project.record({"USERS_TABLE": "users"}, {})
    shared_settings.upload(parameter_store, project)
    assert list(parameter_store.kinds.values()) == ["String"]
    parameter_store.kinds.clear()
    shared_settings.upload(parameter_store, project)
    assert parameter_store.kinds == {}
