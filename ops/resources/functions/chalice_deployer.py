"""The functions and their API: deployed and removed by Chalice, in this process.

chalice.cli is not imported. Importing it asks the terminal for its type, and waits 10 s if there is
no answer (chalice.cli.newproj, by way of inquirer and blessed).
"""

import contextlib
import importlib
import io
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Chalice
from chalice.awsclient import LambdaClientError, TypedAWSClient
from chalice.config import Config
from chalice.constants import DEFAULT_APIGATEWAY_STAGE_NAME, DEFAULT_ENDPOINT_TYPE
from chalice.deploy.deployer import (
    ChaliceDeploymentError,
    Deployer,
    create_default_deployer,
    create_deletion_deployer,
)
from chalice.utils import UI

from ops.resources.api import gateway_responses, rest_api
from ops.resources.functions import chalice_record, package
from ops.resources.functions.function_settings import retry_until_settled
from ops.stage import parameter_store, samples
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project
from ops.terminal.progress import Say

_DEFAULTS = {
    "api_gateway_stage": DEFAULT_APIGATEWAY_STAGE_NAME,
    "api_gateway_endpoint_type": DEFAULT_ENDPOINT_TYPE,
    "autogen_policy": True,
}
_RUNTIME = "runtime"
# The parts of a function that Chalice sets, code first (chalice/deploy/planner.py).
_SET_BY_CHALICE = (
    "CodeSha256",
    "Environment",
    "Handler",
    "Layers",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
)
# What Lambda answers while it does not know a new role's permissions.
_NO_ACCESS_YET = "Cannot access stream"
# Chalice reports a dependency that has no wheel, and then deploys without it.
_INCOMPLETE = "Could not install dependencies"


@dataclass(frozen=True)
class BuiltPackage:
    """A package that was made without a cloud: its app, its settings and the path of its zip."""

    app: Chalice
    settings: dict[str, str]
    path: Path


def build(project: Project) -> BuiltPackage:
    """Make the package of ``project``, as for an account. Raises DeployError.

    Settings that only a deploy finds out are made up: none of them is in the package.
    """
    settings = samples.complete(project.environment)
    with _without_caches(project.folder), _environment(settings):
        app = _load(project.folder)
        config = _config(package.lambda_runtime(), project, settings, app)
        output = _Output(lambda _: None)
        with contextlib.redirect_stdout(output):
            path = package.make(config, UI(output, output))
    return BuiltPackage(app, settings, path)


def deploy(
    cloud: Cloud,
    project: Project,
    stream: str,
    say: Say,
    repack: package.Repack | None = None,
) -> str:
    """Package the project and deploy it. Return the package's SHA-256.

    ``stream`` is the ARN of the users' table's. ``repack`` makes the package of the former one, if
    its dependencies are the same. Raises DeployError; the account's errors pass
    through.
    """
    before = _configurations(cloud, project)
    settings = parameter_store.resolve(cloud.session.client("ssm"), project.environment)
    with _without_caches(project.folder), _environment(settings):
        # The local cloud runs functions in its own Python, whatever their runtime.
        runtime = package.local_runtime() if cloud.endpoint else package.lambda_runtime()
        config = _config(runtime, project, settings, _load(project.folder))
        session = botocore.session.Session()
        gateway_responses.add_on_upload(session, settings)
        rest_api.keep_own_address_off(session)
        cloud.prepare(session)
        output = _Output(say)
        ui = UI(output, output)
        path = package.make(config, ui, repack)
        # Chalice gives its packager a UI of its own, on what is stdout at that moment.
        with contextlib.redirect_stdout(output), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the runtime is not the Python that runs this
            make = partial(create_default_deployer, session, config, ui)
            retry_until_settled(
                lambda: _attempt(cloud, project, stream, make, config), _NO_ACCESS_YET
            )
    after = _configurations(cloud, project)
    changed = [name for name in project.functions() if before.get(name) != after.get(name)]
    say(", ".join(changed) or "nothing to change")
    return package.digest(path)


def _attempt(
    cloud: Cloud, project: Project, stream: str, make: Callable[[], Deployer], config: Config
) -> None:
    # Chalice writes its record at the end alone: that of an interrupted deploy shows too little.
    chalice_record.ensure(cloud, project, stream)
    try:
        make().deploy(config, project.stage)
    except ChaliceDeploymentError as error:
        raise _cause(error) from error


def remove(cloud: Cloud, project: Project, say: Say) -> None:
    """Delete all that Chalice has recorded. Raises DeployError; the account's errors pass through.

    Chalice's deleter reads its record alone, so the app does not have to load.
    """
    config = Config(
        chalice_stage=project.stage,
        user_provided_params={"chalice_app": Chalice(project.app_name, configure_logs=False)},
        config_from_disk={"version": "2.0", "app_name": project.app_name},
        default_params={"project_dir": str(project.folder), **_DEFAULTS},
    )
    session = botocore.session.Session()
    cloud.prepare(session)
    output = _Output(say)
    try:
        create_deletion_deployer(TypedAWSClient(session), UI(output, output)).deploy(
            config, project.stage
        )
    except ChaliceDeploymentError as error:
        raise _cause(error) from error


def _configurations(cloud: Cloud, project: Project) -> dict[str, Any]:
    """Return what Chalice sets of each function, as Lambda has it, by the functions' names."""
    lambda_ = cloud.session.client("lambda")
    configurations: dict[str, Any] = {}
    for name in project.named_functions():
        try:
            function = lambda_.get_function_configuration(FunctionName=project.function(name))
        except lambda_.exceptions.ResourceNotFoundException:
            continue
        configurations[name] = [function.get(part) for part in _SET_BY_CHALICE]
    return configurations


def _load(folder: Path) -> Chalice:
    """Return the project's app. Raises DeployError with the words of what app.py raises."""
    loaded = sys.modules.pop("app", None)
    sys.path[:0] = [str(folder), str(folder / "vendor")]
    try:
        app: Chalice = importlib.import_module("app").app
    except Exception as error:
        raise DeployError(
            f"app.py does not load: {_line(error) or type(error).__name__}"
        ) from error
    finally:
        del sys.path[:2]
        sys.modules.pop("app", None)
        if loaded:
            sys.modules["app"] = loaded
    return app


class _Config(Config):
    """Chalice's configuration, but for the runtime: Chalice always takes that of its own Python."""

    @property
    def lambda_python_version(self) -> str:
        return str(self._default_params[_RUNTIME])


def _config(runtime: str, project: Project, settings: Mapping[str, str], app: Chalice) -> Config:
    """Return what Chalice's command line makes of config.json (chalice/cli/factory.py)."""
    return _Config(
        chalice_stage=project.stage,
        user_provided_params={"chalice_app": app},
        config_from_disk=project.config_with(settings),
        default_params={
            "project_dir": str(project.folder),
            **_DEFAULTS,
            _RUNTIME: runtime,
        },
    )


class _Output(io.StringIO):
    """A stream that reports what Chalice prints, line by line."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def write(self, text: str) -> int:
        if _INCOMPLETE in text:
            raise DeployError(
                f"A dependency in requirements.txt has no wheel that Lambda can run: {_line(text)}"
            )
        for line in text.splitlines():
            if line.strip():
                self._say(line.strip().rstrip("."))
        return len(text)


def _cause(error: ChaliceDeploymentError) -> Exception:
    """Return the error itself, without the frame that Chalice puts around it."""
    cause = error.original_error
    if isinstance(cause, LambdaClientError):
        cause = cause.original_error
    if isinstance(cause, (BotoCoreError, ClientError)):
        return cause
    return DeployError(f"Chalice stopped: {_line(cause)}")


def _line(text: object) -> str:
    return " ".join(str(text).split())


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Put the stage's settings into the environment, where app.py reads them, for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_caches(folder: Path) -> Iterator[None]:
    """Keep Python's caches out of chalicelib/ for a while: Chalice packages all that is there."""
    for cache in (folder / "chalicelib").rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
