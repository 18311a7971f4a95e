"""Chalice in this process: its input, its files, its errors as sentences."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from chalice.config import Config
from chalice.deploy.deployer import ChaliceDeploymentError
from chalice.utils import UI
from moto import mock_aws

from ops.resources.api import rest_api
from ops.resources.functions import chalice_deployer
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project
from tests.ops.conftest import Ear

APP = """
import os
from chalice import Chalice
app = Chalice("bienvenue", configure_logs=False)
seen = os.environ.get("DEFAULT_LANG")
"""

Deploy = Callable[[Config, UI], None]


@pytest.fixture(autouse=True)
def app(project: Project) -> None:
    (project.folder / "app.py").write_text(APP, encoding="utf-8")
    (project.folder / "requirements.txt").touch()
    (project.folder / "chalicelib").mkdir()


class Functions:
    """Lambda, as far as it is asked: the functions' configurations, by their names."""

    class exceptions:  # noqa: N801 - boto3's name
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}

    def get_function_configuration(self, FunctionName: str) -> Any:  # noqa: N803 - boto3's names
        if FunctionName not in self.found:
            raise self.exceptions.ResourceNotFoundException
        return dict(self.found[FunctionName])


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def ship(
    project: Project, say: Ear, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Deploy], None]:
    """Ship with a deployer that does something else."""
    session: Any = SimpleNamespace(client=lambda _: functions)
    cloud = Cloud(session, "123456789012", "eu-west-3", lambda api, stage: api + stage)
    monkeypatch.setattr(chalice_deployer.package, "make", lambda *_: None)
    monkeypatch.setattr(chalice_deployer.package, "digest", lambda _: "digest")
    monkeypatch.setattr(chalice_deployer.chalice_record, "ensure", lambda *_: [])

    def shipping_by(deploy: Deploy) -> None:
        def make(_: object, __: object, ui: UI) -> Any:
            return SimpleNamespace(deploy=lambda config, _: deploy(config, ui))

        monkeypatch.setattr(chalice_deployer, "create_default_deployer", make)
        chalice_deployer.deploy(cloud, project, "stream", say)

    return shipping_by


def test_the_app_sees_the_stages_settings_only_while_it_loads(
    ship: Callable[[Deploy], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFAULT_LANG", "fr")
    seen: list[object] = []

    def deploy(config: Config, _: UI) -> None:
        seen.append((config.chalice_app.app_name, os.environ["DEFAULT_LANG"], config.chalice_stage))

    before = sys.path[:], sys.modules.get("app")
    ship(deploy)
    assert seen == [("bienvenue", "en", "prod")]
    assert os.environ["DEFAULT_LANG"] == "fr"
    assert (sys.path, sys.modules.get("app")) == before


def test_chalices_output_is_passed_on_line_by_line(
    ship: Callable[[Deploy], None], say: Ear
) -> None:
    ship(lambda _, ui: ui.write("Creating deployment package.\n\n"))
    assert say.heard == ["Creating deployment package", "nothing to change"]


def test_changed_functions_are_listed(
    ship: Callable[[Deploy], None], project: Project, functions: Functions, say: Ear
) -> None:
    def configured(name: str, **to: Any) -> Deploy:
        def deploy(*_: object) -> None:
            project.replace([{"name": name, "resource_type": "lambda_function"}])
            functions.found[project.function(name)] = {"LastModified": str(to), **to}

        return deploy

    ship(configured("api_handler", CodeSha256="one", Timeout=10))
    assert say.last == "api_handler"
    ship(configured("mailer", CodeSha256="one", Timeout=60))
    assert say.last == "mailer"
    ship(configured("mailer", CodeSha256="one", Timeout=60, LoggingConfig="of ours"))
    assert say.last == "nothing to change"
    ship(configured("mailer", CodeSha256="two", Timeout=60))
    assert say.last == "mailer"


def test_no_cache_of_pythons_is_packaged_nor_made_meanwhile(
    ship: Callable[[Deploy], None], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    cache = project.folder / "chalicelib" / "__pycache__"
    cache.mkdir()
    seen: list[object] = []
    ship(lambda *_: seen.append((cache.exists(), sys.dont_write_bytecode)))
    assert seen == [(False, True)]
    assert not sys.dont_write_bytecode


def test_a_dependency_without_a_wheel_stops_the_deploy(ship: Callable[[Deploy], None]) -> None:
    """Chalice itself would only mention it, and deploy a package that cannot start."""
    with pytest.raises(DeployError, match=r"no wheel that Lambda can run: .*pydantic"):
        ship(lambda _, ui: ui.write("\nCould not install dependencies:\npydantic==2.0\n"))


def fail(error: Exception) -> None:
    raise error


def test_an_error_of_awss_comes_out_from_under_chalices_own(
    ship: Callable[[Deploy], None],
) -> None:
    error = ClientError({"Error": {"Code": "AccessDenied"}}, "CreateFunction")
    with pytest.raises(ClientError) as raised:
        ship(lambda *_: fail(ChaliceDeploymentError(error)))
    assert raised.value is error


def test_a_stream_that_may_not_be_read_yet_is_waited_for(ship: Callable[[Deploy], None]) -> None:
    """Lambda knows a new role's permissions only after some seconds."""
    response = {"Code": "InvalidParameterValueException", "Message": "Cannot access stream arn"}
    error = ClientError({"Error": response}, "CreateEventSourceMapping")  # type: ignore[typeddict-item]
    refusals: list[Exception] = [ChaliceDeploymentError(error)] * 2

    def deploy(*_: object) -> None:
        if refusals:
            raise refusals.pop()

    ship(deploy)
    assert refusals == []


def test_another_refusal_of_the_same_code_is_not_waited_for(ship: Callable[[Deploy], None]) -> None:
    response = {"Code": "InvalidParameterValueException", "Message": "MemorySize is too small"}
    error = ClientError({"Error": response}, "CreateFunction")  # type: ignore[typeddict-item]
    with pytest.raises(ClientError, match="MemorySize"):
        ship(lambda *_: fail(ChaliceDeploymentError(error)))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ChaliceDeploymentError(RuntimeError("the zip is\n  too big")),
            "Chalice stopped: the zip is too big",
        ),
    ],
)
def test_an_error_of_chalices_becomes_a_sentence(
    ship: Callable[[Deploy], None], error: Exception, words: str
) -> None:
    with pytest.raises(DeployError, match=words):
        ship(lambda *_: fail(error))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('no table yet')", "app.py does not load: no table yet"),
        ("raise RuntimeError", "app.py does not load: RuntimeError"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
    ],
)
def test_an_app_that_does_not_load_shows_its_own_error(
    ship: Callable[[Deploy], None], project: Project, code: str, words: str
) -> None:
    (project.folder / "app.py").write_text(code, encoding="utf-8")
    with pytest.raises(DeployError, match=words):
        ship(lambda *_: pytest.fail("it was deployed"))
    assert str(project.folder) not in sys.path


def test_recorded_resources_are_deleted_without_a_loaded_app(project: Project, say: Ear) -> None:
    (project.folder / "app.py").write_text("import nowhere_at_all", encoding="utf-8")
    cloud = Cloud(boto3.Session(), "123456789012", "eu-west-3", lambda api, stage: api + stage)
    with mock_aws():
        api_id = boto3.client("apigateway").create_rest_api(name="bienvenue")["id"]
        project.replace([rest_api.recorded(api_id, "https://address")])
        chalice_deployer.remove(cloud, project, say)
        assert boto3.client("apigateway").get_rest_apis()["items"] == []
    assert say.last == f"Deleting Rest API: {api_id}"
    assert project.resource(rest_api.NAME) is None


def test_a_deletion_that_aws_refuses_is_its_own_error(
    project: Project, say: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteFunction")
    deleter = SimpleNamespace(deploy=lambda *_: fail(ChaliceDeploymentError(error)))
    monkeypatch.setattr(chalice_deployer, "create_deletion_deployer", lambda *_: deleter)
    cloud = Cloud(boto3.Session(), "123456789012", "eu-west-3", lambda api, stage: api + stage)
    with pytest.raises(ClientError) as raised:
        chalice_deployer.remove(cloud, project, say)
    assert raised.value is error
