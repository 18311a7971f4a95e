"""Changed code, deployed while the run goes on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import urllib3

from ops.run import changes, load_app, repack
from ops.stage import parameter_store
from ops.stage.cloud import Cloud
from ops.stage.errors import RunError
from ops.stage.project import CHECKOUT, Project

KEEP = "--keep-dependencies"
"""Tells ship that the last package has what requirements.txt names."""


class Reloader:
    """Deploys the code of ``checkout`` to the run in ``state``, whose copy of it is ``project``."""

    def __init__(self, cloud: Cloud, project: Project, checkout: Path, state: Path) -> None:
        self._cloud = cloud
        self._project = project
        self._checkout = checkout
        self._state = state
        self._deployed = _shape(project.folder)

    def reload(self) -> None:
        """Deploy the code as it is now.

        Raises RunError if it does not load or deploy; the previous code then keeps running.
        """
        folder = self._project.folder
        copy_code(self._checkout, folder)
        ssm = self._cloud.session.client("ssm")
        environment = {**os.environ, **parameter_store.resolve(ssm, self._project.environment)}
        _run([load_app.__file__, str(folder), str(CHECKOUT)], environment)
        shape = _shape(folder)
        if shape == self._deployed:
            self._replace_code()
        else:  # a route, a handler or a dependency: it takes longer, but is seldom
            keep = [KEEP] if shape[1:] == self._deployed[1:] else []
            _run(["-m", "ops.run.ship", str(self._state), *keep], dict(os.environ))
            self._deployed = shape

    def _replace_code(self) -> None:
        """Put the code into the functions' package. All of them run the same one."""
        lambda_ = self._cloud.session.client("lambda")
        functions = [self._project.function(name) for name in self._project.functions()]
        address = lambda_.get_function(FunctionName=functions[0])["Code"]["Location"]
        package = repack.repack(urllib3.request("GET", address).data, self._project.folder)
        for function in functions:
            lambda_.update_function_code(FunctionName=function, ZipFile=package)


def copy_code(checkout: Path, folder: Path) -> None:
    """Make the code in ``folder`` that of ``checkout``."""
    for name in ("chalicelib", "vendor"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in changes.files(checkout):
        copied = folder / path.relative_to(checkout)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)


def _shape(folder: Path) -> tuple[object, ...]:
    """Return what only Chalice can deploy: routes and handlers, then dependencies."""
    outline = changes.outline((folder / "app.py").read_text(encoding="utf-8"))
    vendor = {path: path.read_bytes() for path in changes.files(folder, ("vendor",))}
    return outline, (folder / "requirements.txt").read_bytes(), vendor


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise RunError(lines[-1] if lines else f"Python ended with status {done.returncode}.")
