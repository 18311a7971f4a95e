"""The stage's SECRET_KEY: random from the first deploy, then always the same."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ops.stage.project import Project

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

SETTING = "SECRET_KEY"
BYTES = 32


def find_or_make(lambda_: "LambdaClient", project: Project, recorded: Mapping[str, str]) -> str:
    """Return the ``recorded`` key, else the one that the deployed functions have, else a new one.

    A checkout that never deployed the stage has no record of it; the functions still do.
    """
    return recorded.get(SETTING) or _deployed(lambda_, project) or secrets.token_urlsafe(BYTES)


def _deployed(lambda_: "LambdaClient", project: Project) -> str:
    try:
        function = lambda_.get_function_configuration(FunctionName=project.function("api_handler"))
    except lambda_.exceptions.ResourceNotFoundException:
        return ""
    return function.get("Environment", {}).get("Variables", {}).get(SETTING, "")
