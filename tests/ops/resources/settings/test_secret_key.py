"""The stage's secret key: made once, and kept in Parameter Store."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.settings import MIN_SECRET
from ops.resources.settings import secret_key
from ops.stage.project import Project
from tests.ops.conftest import ParameterStore

KEY = "the-key-that-was-made-by-the-first-deploy"
NAME = "/bienvenue/prod/SECRET_KEY"


class Lambda:
    """Functions with an environment, or none at all."""

    class exceptions:  # noqa: N801 - boto3's name
        class ResourceNotFoundException(ClientError):
            pass

    def __init__(self, environment: dict[str, str] | None) -> None:
        self.environment = environment

    def get_function_configuration(self, FunctionName: str) -> Any:  # noqa: N803 - boto3's name
        assert FunctionName == "bienvenue-prod"
        if self.environment is None:
            raise self.exceptions.ResourceNotFoundException({"Error": {}}, "")
        return {"Environment": {"Variables": self.environment}}


def key(
    ssm: ParameterStore, project: Project, deployed: dict[str, str] | None, **recorded: str
) -> str:
    client: Any = Lambda(deployed)
    return secret_key.ensure(ssm, client, project, recorded)


@pytest.mark.parametrize("deployed", [None, {}])  # functions of the first version have none
def test_the_first_deploy_makes_a_key_at_random(
    project: Project, deployed: dict[str, str] | None
) -> None:
    made = set()
    for _ in range(2):
        ssm = ParameterStore()
        assert key(ssm, project, deployed) == f"ssm:{NAME}"
        assert ssm.kinds == {NAME: "SecureString"}
        made.add(ssm.values[NAME])
    assert len(made) == 2
    assert min(map(len, made)) >= MIN_SECRET


def test_a_key_in_the_settings_moves_to_parameter_store(
    project: Project, parameter_store: ParameterStore
) -> None:
    assert key(parameter_store, project, {"SECRET_KEY": "another"}, SECRET_KEY=KEY) == f"ssm:{NAME}"
    assert parameter_store.values == {NAME: KEY}
    assert parameter_store.kinds == {NAME: "SecureString"}


def test_a_checkout_without_a_record_takes_the_functions_key(
    project: Project, parameter_store: ParameterStore
) -> None:
    key(parameter_store, project, {"SECRET_KEY": KEY})
    assert parameter_store.values == {NAME: KEY}


def test_a_key_in_parameter_store_is_never_made_again(project: Project) -> None:
    ssm = ParameterStore(**{NAME: KEY})
    for recorded in ({}, {"SECRET_KEY": f"ssm:{NAME}"}):
        assert key(ssm, project, {"SECRET_KEY": "another"}, **recorded) == f"ssm:{NAME}"
    assert (ssm.values, ssm.kinds) == ({NAME: KEY}, {})


def test_a_lost_parameter_is_put_back_from_the_functions(
    project: Project, parameter_store: ParameterStore
) -> None:
    key(parameter_store, project, {"SECRET_KEY": KEY}, SECRET_KEY=f"ssm:{NAME}")
    assert parameter_store.values == {NAME: KEY}


def test_an_operators_own_reference_stays(
    project: Project, parameter_store: ParameterStore
) -> None:
    assert key(parameter_store, project, None, SECRET_KEY="ssm:/theirs") == "ssm:/theirs"
    assert parameter_store.values == {}
