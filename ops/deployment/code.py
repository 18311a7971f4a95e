"""The code itself: packaged, deployed and deleted by Chalice, in this process, as `chalice` would.

Without chalice.cli, though: importing that asks the terminal what it is, and waits ten seconds for
one that does not answer (chalice.cli.newproj, by way of inquirer and blessed).
"""

import contextlib
import importlib
import io
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Chalice
from chalice.awsclient import LambdaClientError, TypedAWSClient
from chalice.config import Config
from chalice.constants import DEFAULT_APIGATEWAY_STAGE_NAME, DEFAULT_ENDPOINT_TYPE
from chalice.deploy import deployer as deployers
from chalice.deploy.deployer import (
    ChaliceDeploymentError,
    create_default_deployer,
    create_deletion_deployer,
)
from chalice.deploy.packager import (
    DependencyBuilder,
    LambdaDeploymentPackager,
    NoSuchPackageError,
    PackageDownloadError,
)
from chalice.utils import UI, OSUtils

from ops.deployment import bytecode, cors
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project
from ops.terminal.progress import Say

_DEFAULTS = {
    "api_gateway_stage": DEFAULT_APIGATEWAY_STAGE_NAME,
    "api_gateway_endpoint_type": DEFAULT_ENDPOINT_TYPE,
    "autogen_policy": True,
}
# What Chalice sets of a function, code first (chalice/deploy/planner.py).
_CHALICES = (
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
# Chalice tells of a dependency that it has no wheel for, and goes on to deploy without it.
_INCOMPLETE = "Could not install dependencies"


def ship(cloud: Cloud, project: Project, say: Say) -> None:
    """Package the project and deploy it. Raises DeployError; the account's errors pass through."""
    before = _told(cloud, project)
    with _without_caches(project.folder), _environment(project.environment):
        config = _config(project, _load(project.folder))
        session = botocore.session.Session()
        cors.prepare(session, project.environment.get("ALLOWED_ORIGINS", "").lower().split())
        cloud.prepare(session)
        teller = _Teller(say)
        with _whole_package(config), _compiled_package(), contextlib.redirect_stdout(teller):
            # Made in here, because it gives its packager a UI of its own, on what is now stdout.
            deployer = create_default_deployer(session, config, UI(teller, teller))
            try:
                deployer.deploy(config, project.stage)
            except ChaliceDeploymentError as error:
                raise _cause(error) from error
            except (NoSuchPackageError, PackageDownloadError) as error:
                raise DeployError(
                    "The packages that requirements.txt names cannot be downloaded "
                    f"({_line(error)}): look at the network, and at pip's settings."
                ) from error
    after = _told(cloud, project)
    changed = [name for name in project.functions() if before.get(name) != after.get(name)]
    say(", ".join(changed) or "nothing to change")


def unship(cloud: Cloud, project: Project, say: Say) -> None:
    """Delete all that Chalice has recorded. Raises DeployError; the account's errors pass through.

    Its deleter goes by the record alone, so that an app that no longer loads need not.
    """
    config = Config(
        chalice_stage=project.stage,
        user_provided_params={"chalice_app": Chalice(project.app_name, configure_logs=False)},
        config_from_disk={"version": "2.0", "app_name": project.app_name},
        default_params={"project_dir": str(project.folder), **_DEFAULTS},
    )
    session = botocore.session.Session()
    cloud.prepare(session)
    teller = _Teller(say)
    try:
        create_deletion_deployer(TypedAWSClient(session), UI(teller, teller)).deploy(
            config, project.stage
        )
    except ChaliceDeploymentError as error:
        raise _cause(error) from error


def _told(cloud: Cloud, project: Project) -> dict[str, Any]:
    """What Chalice may change of each function that there is, as Lambda has it."""
    lambda_ = cloud.session.client("lambda")
    found: dict[str, Any] = {}
    for name in project.named_functions():
        try:
            now = lambda_.get_function_configuration(FunctionName=project.function(name))
        except lambda_.exceptions.ResourceNotFoundException:
            continue
        found[name] = [now.get(part) for part in _CHALICES]
    return found


def _load(folder: Path) -> Chalice:
    """The project's app. Whatever app.py raises is told in its own words: it is not ours."""
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


def _config(project: Project, app: Chalice) -> Config:
    """What Chalice's command line makes of config.json (chalice/cli/factory.py)."""
    return Config(
        chalice_stage=project.stage,
        user_provided_params={"chalice_app": app},
        config_from_disk=project.config(),
        default_params={
            "project_dir": str(project.folder),
            **_DEFAULTS,
        },
    )


class _Teller(io.StringIO):
    """Takes what Chalice prints, line by line."""

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
    """What went wrong, without the frame that Chalice's command line puts around it."""
    cause = error.original_error
    if isinstance(cause, LambdaClientError):
        cause = cause.original_error
    if isinstance(cause, (BotoCoreError, ClientError)):
        return cause
    return DeployError(f"Chalice could not go on: {_line(cause)}")


def _line(text: object) -> str:
    return " ".join(str(text).split())


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """The stage's settings in the environment, where app.py looks for them; gone afterwards."""
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
    """Chalice zips all of chalicelib/, Python's caches too: have none there while it does."""
    for cache in (folder / "chalicelib").rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@contextlib.contextmanager
def _whole_package(config: Config) -> Iterator[None]:
    """Never let Chalice reuse a package that was not finished: it looks at the name alone."""
    osutils = OSUtils()
    packager = LambdaDeploymentPackager(osutils, cast(DependencyBuilder, None), UI())
    package = Path(
        packager.deployment_package_filename(config.project_dir, config.lambda_python_version)
    )
    if package.exists() and not zipfile.is_zipfile(package):  # killed before the end was written
        package.unlink()
    is_new = not package.exists()
    try:
        yield
    except BaseException:
        if is_new:
            package.unlink(missing_ok=True)
        raise
    for other in package.parent.glob("*.zip"):
        if other != package:
            other.unlink()


class _Packager(LambdaDeploymentPackager):
    def create_deployment_package(self, project_dir: str, python_version: str) -> str:
        package: str = super().create_deployment_package(project_dir, python_version)
        bytecode.add(Path(package))
        return package


@contextlib.contextmanager
def _compiled_package() -> Iterator[None]:
    """Have Chalice's deployer, which takes no packager, make its package by ours."""
    module: Any = deployers
    module.LambdaDeploymentPackager = _Packager
    try:
        yield
    finally:
        module.LambdaDeploymentPackager = LambdaDeploymentPackager
