"""The stage's SECRET_KEY: random from the first deploy, then always the same.

It is kept in Parameter Store. A deploy reads it there and gives it to the functions: asking at each
cold start instead would cost a client and a call (docs/settings.md has the figures).
"""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ops.stage import parameter_store
from ops.stage.project import Project

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

SETTING = "SECRET_KEY"
BYTES = 32


def ensure(ssm: Any, lambda_: "LambdaClient", project: Project, recorded: Mapping[str, str]) -> str:
    """Return the setting that refers to the key, which is made if there is none.

    A key in the ``recorded`` settings or in the deployed functions is one of an earlier version: it
    moves to Parameter Store, since hashes of codes and of users depend on it. An operator's own
    reference stays.
    """
    name = project.parameter(SETTING)
    own = recorded.get(SETTING, "")
    if parameter_store.is_reference(own) and own != parameter_store.reference(name):
        return own
    stored = parameter_store.read(ssm, [name]).get(name)
    literal = "" if parameter_store.is_reference(own) else own
    key = literal or stored or _deployed(lambda_, project) or secrets.token_urlsafe(BYTES)
    if key != stored:
        parameter_store.write_secret(ssm, name, key)
    return parameter_store.reference(name)


def _deployed(lambda_: "LambdaClient", project: Project) -> str:
    try:
        function = lambda_.get_function_configuration(FunctionName=project.function("api_handler"))
    except lambda_.exceptions.ResourceNotFoundException:
        return ""
    return function.get("Environment", {}).get("Variables", {}).get(SETTING, "")
