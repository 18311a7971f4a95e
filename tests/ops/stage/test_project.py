"""Chalice's own files: what is ours in them is written, all else is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.stage import json_files
from ops.stage.errors import DeployError, OpsError
from ops.stage.project import Project
from tests.e2e.stack import ROOT
from tests.ops.conftest import CONFIG

ROLE = "arn:aws:iam::123456789012:role/api"


def config_of(project: Project) -> dict[str, Any]:
    return json_files.read(project.folder / ".chalice" / "config.json")


def own_of(project: Project) -> dict[str, Any]:
    return json_files.read(project.folder / "stages" / f"{project.stage}.json")


def write_config(project: Project, config: object) -> None:
    json_files.write(project.folder / ".chalice" / "config.json", config)


def test_a_stage_is_recorded_in_a_file_of_its_own(project: Project) -> None:
    project = Project(project.folder, "new")
    project.record({"USERS_TABLE": "users"}, {"api_handler": ROLE})
    assert own_of(project) == {
        "environment_variables": {"USERS_TABLE": "users"},
        "lambda_functions": {"api_handler": {"iam_role_arn": ROLE}},
    }
    assert config_of(project) == CONFIG
    assert project.config() == {
        **CONFIG,
        "stages": {**CONFIG["stages"], "new": own_of(project)},
    }


def test_what_earlier_versions_wrote_into_config_json_moves(project: Project) -> None:
    """The stage's own settings, its roles, and what a person wrote beside them."""
    before = {
        "api_gateway_stage": "v2",
        "environment_variables": {"USERS_TABLE": "old", "SECRET_KEY": "secret"},
        "lambda_functions": {"api_handler": {"iam_role_arn": "old", "lambda_memory_size": 1024}},
    }
    write_config(project, {**CONFIG, "stages": {"dev": {}, "prod": before}})
    project.record({"USERS_TABLE": "users"}, {"api_handler": ROLE})
    assert config_of(project) == {**CONFIG, "stages": {"dev": {}}}
    assert own_of(project) == {
        "api_gateway_stage": "v2",
        "environment_variables": {"USERS_TABLE": "users", "SECRET_KEY": "secret"},
        "lambda_functions": {"api_handler": {"iam_role_arn": ROLE, "lambda_memory_size": 1024}},
    }
    assert project.api_stage == "v2"


def test_a_move_that_was_interrupted_is_finished_by_the_next(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = json_files.write

    def write(path: Path, content: object) -> None:
        if path.name == "config.json":
            raise KeyboardInterrupt
        before(path, content)

    monkeypatch.setattr(json_files, "write", write)
    with pytest.raises(KeyboardInterrupt):
        project.record({"USERS_TABLE": "users"}, {})
    monkeypatch.undo()
    recorded = {"DEFAULT_LANG": "en", "USERS_TABLE": "users"}
    assert project.environment == recorded
    project.record({"USERS_TABLE": "users"}, {})
    assert project.environment == recorded
    assert config_of(project)["stages"] == {}


def test_a_moved_stage_leaves_config_json_as_git_has_it(project: Project) -> None:
    shipped = (ROOT / ".chalice" / "config.json").read_text(encoding="utf-8")
    config = project.folder / ".chalice" / "config.json"
    for stage in ("dev", "prod"):
        content = json.loads(shipped)
        content["stages"][stage] = {"environment_variables": {"USERS_TABLE": "users"}}
        json_files.write(config, content)
        Project(project.folder, stage).record({}, {})
        assert config.read_text(encoding="utf-8") == shipped


def test_a_function_of_the_stage_keeps_its_own_settings(project: Project) -> None:
    stage = {"lambda_functions": {"api_handler": {"lambda_memory_size": 1024}}}
    json_files.write(project.folder / "stages" / "prod.json", stage)
    project.record({}, {"api_handler": ROLE})
    recorded = own_of(project)["lambda_functions"]["api_handler"]
    assert recorded == {"lambda_memory_size": 1024, "iam_role_arn": ROLE}


def test_chalice_is_given_the_settings_that_are_resolved(project: Project) -> None:
    project.record({"KEY": "ssm:/key"}, {"api_handler": ROLE})
    assert project.config_with({"KEY": "secret"})["stages"] == {
        "prod": {
            "environment_variables": {"KEY": "secret"},
            "lambda_functions": {"api_handler": {"iam_role_arn": ROLE}},
        }
    }


def test_all_stages_of_a_checkout_are_known(project: Project) -> None:
    Project(project.folder, "demo").record({"USERS_TABLE": "users"}, {})
    write_config(project, {**CONFIG, "stages": {"dev": {}, **CONFIG["stages"]}})
    assert project.known_stages() == ["demo", "prod"]


def test_recording_the_same_settings_writes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.record({"USERS_TABLE": "users"}, {"api_handler": ROLE})
    monkeypatch.setattr(json_files, "write", lambda *_: pytest.fail("it was written"))
    project.record({"USERS_TABLE": "users"}, {"api_handler": ROLE})


def test_the_stages_own_settings_outweigh_those_of_all_stages(project: Project) -> None:
    everywhere = {"DEFAULT_LANG": "fr", "PRODUCT_NAME": "Acme"}
    write_config(project, {**CONFIG, "environment_variables": everywhere})
    assert project.environment == {"DEFAULT_LANG": "en", "PRODUCT_NAME": "Acme"}
    assert Project(project.folder, "other").environment == everywhere


def test_the_api_stage_is_chalices_default_or_config_jsons(
    project: Project,
) -> None:
    assert project.api_stage == "api"
    write_config(project, {**CONFIG, "api_gateway_stage": "v1"})
    assert project.api_stage == "v1"
    write_config(
        project,
        {**CONFIG, "api_gateway_stage": "v1", "stages": {"prod": {"api_gateway_stage": "v2"}}},
    )
    assert project.api_stage == "v2"


def test_functions_are_called_what_chalice_calls_them(project: Project) -> None:
    assert project.function("api_handler") == "bienvenue-prod"
    assert project.function("send_validation_mail") == "bienvenue-prod-send_validation_mail"


def test_a_gap_in_config_json_is_reported(project: Project) -> None:
    write_config(project, {"version": "2.0"})
    with pytest.raises(DeployError, match="has no app_name"):
        _ = project.app_name
    (project.folder / ".chalice" / "config.json").unlink()
    with pytest.raises(DeployError, match=r"There is no .*config\.json"):
        _ = project.environment


def test_a_config_json_that_cannot_be_read_is_never_overwritten(project: Project) -> None:
    path = project.folder / ".chalice" / "config.json"
    path.write_text("{ half", encoding="utf-8")
    with pytest.raises(OpsError, match=r"config\.json is not JSON"):
        project.record({"USERS_TABLE": "users"}, {})
    assert path.read_text(encoding="utf-8") == "{ half"


def test_what_chalice_deployed_is_replaced_as_a_whole(project: Project) -> None:
    api = {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "2"}
    assert project.resource("rest_api") is None
    project.replace([api, {"name": "api_handler", "resource_type": "lambda_function"}])
    assert project.resource("rest_api") == api
    assert project.functions() == ["api_handler"]
    project.replace([])
    assert project.resource("rest_api") is None
    assert project.functions() == []


def test_half_of_chalices_record_is_as_good_as_none(project: Project) -> None:
    """A deploy that is killed while Chalice writes must not stop the next one."""
    deployed = project.folder / ".chalice" / "deployed" / "prod.json"
    deployed.parent.mkdir()
    deployed.write_text('{"resources": [{"name": "rest_a', encoding="utf-8")
    assert project.functions() == []
    project.replace([{"name": "rest_api", "resource_type": "rest_api"}])
    assert json.loads(deployed.read_text(encoding="utf-8")) == {
        "resources": [{"name": "rest_api", "resource_type": "rest_api"}],
        "schema_version": "2.0",
        "backend": "api",
    }


def test_a_reserve_stands_where_chalice_reads_it(project: Project) -> None:
    config = {**CONFIG, "lambda_functions": {"mailer": {"reserved_concurrency": 5}}}
    write_config(project, config)
    assert project.reserve_of("mailer") == 5
    project.note_reserve("mailer", 20)
    assert project.reserve_of("mailer") == 20
    assert own_of(project)["lambda_functions"] == {"mailer": {"reserved_concurrency": 20}}
    project.note_reserve("mailer", None)
    assert project.reserve_of("mailer") == 5
    assert "lambda_functions" not in own_of(project)
    project.note_reserve("mailer", 20)
    project.erase([])
    assert project.reserve_of("mailer") == 5


def test_a_rehearsal_leaves_the_checkouts_config_as_it_was(
    project: Project,
) -> None:
    config = project.folder / ".chalice" / "config.json"
    before = (ROOT / ".chalice" / "config.json").read_text(encoding="utf-8")
    config.write_text(before, encoding="utf-8")
    demo = Project(project.folder, "demo")
    demo.record({"USERS_TABLE": "users"}, {"api_handler": ROLE})
    demo.replace([{"name": "api_handler", "resource_type": "lambda_function"}])
    assert demo.named_functions() == [*project.config()["lambda_functions"]]
    demo.erase(["USERS_TABLE"])
    assert config.read_text(encoding="utf-8") == before
    assert demo.functions() == []


def test_what_a_person_wrote_of_a_stage_outlives_it(project: Project) -> None:
    own = {"api_handler": {"lambda_timeout": 20}}
    stage = {"environment_variables": {"DEFAULT_LANG": "en"}, "lambda_functions": own}
    write_config(project, {**CONFIG, "stages": {"prod": stage}})
    project.record({"USERS_TABLE": "users"}, {"api_handler": ROLE, "resend_owed_mail": ROLE})
    project.erase(["USERS_TABLE", "MAIL_FROM"])
    assert own_of(project) == stage
