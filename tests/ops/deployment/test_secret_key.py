"""The stage's secret key: made once, and found again wherever it is."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from chalicelib.settings import MIN_SECRET
from ops.deployment import secret_key
from ops.stage.project import Project

KEY = "the-key-that-was-made-by-the-first-deploy"


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


def key(project: Project, environment: dict[str, str] | None, **recorded: str) -> str:
    client: Any = Lambda(environment)
    return secret_key.find_or_make(client, project, recorded)


def test_the_first_deploy_makes_a_key_at_random(project: Project) -> None:
    made = key(project, None)
    assert len(made) >= MIN_SECRET
    assert made != key(project, None)
    assert key(project, {}) not in ("", made)  # the functions of the former version have none


def test_the_recorded_key_is_kept(project: Project) -> None:
    assert key(project, {"SECRET_KEY": "another"}, SECRET_KEY=KEY) == KEY


def test_a_checkout_without_a_record_takes_the_functions_key(project: Project) -> None:
    assert key(project, {"SECRET_KEY": KEY}) == KEY
