"""A deployed stage, found in an account or where `make run` runs."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.configprovider import ConfiguredEndpointProvider

from chalicelib import logs
from chalicelib.settings import LOOPBACK
from ops.stage import cloud, json_files, local_cloud, local_stage, parameter_store
from ops.stage.aws_errors import in_plain_words
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError, OpsError
from ops.stage.project import OPS, Project


@dataclass(frozen=True)
class Stage:
    """A stage that is deployed: the cloud that it lives in, and what the checkout knows of it.

    ``mailbox`` is the address of the page that shows all its mails, and ``state`` the folder that
    it keeps everything in; only a run here has them.
    """

    cloud: Cloud
    project: Project
    mailbox: str = ""
    state: Path = local_stage.STATE

    @property
    def name(self) -> str:
        return self.project.stage

    @property
    def users_table(self) -> str:
        return self.project.environment["USERS_TABLE"]

    @property
    def base_url(self) -> str:
        return self.project.environment["BASE_URL"]

    @property
    def has_events(self) -> bool:
        """Return True if the stage publishes events about its users."""
        return bool(self.project.environment.get("EVENT_BUS"))

    def ops(self, words: str) -> str:
        """Return one of our own command lines, as it is typed to reach this stage."""
        command = f"{OPS} {words} --stage {self.name}"
        if self.name != local_stage.STAGE:
            return self.cloud.command(command)
        if self.state != local_stage.STATE:
            command += f" --state {quote(str(self.state))}"
        return command


def account() -> Cloud:
    """Return the account of the environment's credentials.

    It is the local cloud if AWS_ENDPOINT_URL leads there. Raise DeployError without either.
    """
    return _rehearsed() or cloud.connect()


def check_name(name: str) -> None:
    """Raise OpsError for a stage that is not deployed or taken down like others."""
    if name == local_stage.STAGE:
        raise OpsError(
            f"{name} is what make run runs: end that with Ctrl-C, or choose another name."
        )


def find(checkout: Path, name: str, state: Path) -> Stage:
    """Return the stage ``name``. ``state`` is where a run on this machine keeps the local one.

    Raises OpsError if it was never deployed, DeployError without credentials.
    """
    if name == local_stage.STAGE:
        return _running(state)
    project = Project(checkout, name)
    if not project.environment.get("USERS_TABLE"):
        deploy = f"make deploy STAGE={name} MAIL_FROM=<address>"
        record = f"{OPS} record --stage {name}"
        if here := _rehearsed():
            deploy, record = here.command(deploy), here.command(record)
        raise OpsError(
            f"This checkout has no settings of a stage {name}.\n"
            f"If it is not deployed yet, deploy it:\n{deploy}\n"
            f"If it is, read its settings from the account:\n{record}"
        )
    cloud = account()
    _use_key(cloud, project)
    return Stage(cloud, project)


def _rehearsed() -> Cloud | None:
    """Return the local cloud, if that is where botocore would send requests."""
    endpoint = _endpoint()
    if urlsplit(endpoint).hostname not in LOOPBACK:
        return None
    try:
        stack = json_files.read(local_stage.STATE / "stack.json")
    except FileNotFoundError:
        stack = {}
    # Another cloud than that of `make run` takes any keys.
    keys = _keys(stack) if stack.get("aws") == endpoint else local_cloud.ANY
    return local_cloud.connect(endpoint, keys)


def _endpoint() -> str:
    """Return the endpoint that the environment or the profile gives AWS; empty for AWS's own.

    Raises DeployError for one that is no address.
    """
    session = botocore.session.Session()
    with in_plain_words():
        profile = session.get_scoped_config()
        given = ConfiguredEndpointProvider(session.full_config, profile, "dynamodb").provide()
    endpoint = given or ""
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        address = f"http://{endpoint.rpartition('://')[2]}"
        raise DeployError(
            f"The endpoint of AWS is set to {endpoint!r}, which is not an address: set "
            f"AWS_ENDPOINT_URL, or endpoint_url in the profile, to {address}"
        )
    return endpoint


def _running(state: Path) -> Stage:
    try:
        stack = json_files.read(state / "stack.json")
    except FileNotFoundError as error:
        raise OpsError(
            f"Nothing runs here: {state}/stack.json does not exist. Start it:\n"
            f"{local_stage.command(state)}"
        ) from error
    project = Project(local_stage.project(state), local_stage.STAGE)
    cloud = local_cloud.connect(stack["aws"], _keys(stack))
    _use_key(cloud, project)
    return Stage(cloud, project, stack["mailbox"], state)


def _keys(stack: Mapping[str, Any]) -> local_cloud.Keys:
    return local_cloud.Keys(stack["access_key"], stack["secret_key"])


def _use_key(cloud: Cloud, project: Project) -> None:
    """Name users as the stage's own logs do. A stage of the first edition has no key.

    A key in Parameter Store is read for the first name, since most commands need none."""

    def read() -> str:
        with in_plain_words():
            return parameter_store.secret_key(cloud.session.client("ssm"), key)

    with suppress(OpsError):
        key = project.environment.get("SECRET_KEY", "")
        logs.use_key(read if parameter_store.is_reference(key) else key)
