"""The contestants as Lambda unpacks them, and the libraries of Lambda's Python.

Packages hold no bytecode but what their maker put there: Chalice puts none. The libraries have
theirs, as AWS's do. Both matter more to a cold start than most code.
"""

import importlib.metadata
import json
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import boto3

CHECKOUT = Path(__file__).parent.parent
LAMBDA_HAS = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
NEEDS = {
    "powertools": (
        *("aws-lambda-powertools", "pydantic", "pydantic-core", "annotated-types"),
        *("typing-extensions", "typing-inspection", "jinja2", "markupsafe"),
        *("email-validator", "dnspython", "idna"),
    ),
}
TIME_TO_START = 120.0


@dataclass(frozen=True)
class Package:
    """An unpacked package: its zip's bytes and files, where it has a zip."""

    code: Path
    size: int = 0
    files: int = 0


@dataclass(frozen=True)
class Deployed:
    """A checkout that runs on the local cloud: its addresses, its state and its package."""

    api: str
    mailbox: str
    aws: str
    region: str
    table: str
    access_key: str
    secret_key: str
    state: Path
    package: Package

    @property
    def credentials(self) -> dict[str, str]:
        """What a client of the local cloud is made with."""
        return {
            "endpoint_url": self.aws,
            "region_name": self.region,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
        }

    def client(self, service: str) -> Any:
        """Return a client of the local cloud."""
        return boto3.client(service, **self.credentials)  # type: ignore[call-overload]


def libraries(folder: Path) -> Path:
    """Link the libraries of Lambda's Python into a folder, so that their bytecode is there too."""
    folder.mkdir(parents=True)
    for name in LAMBDA_HAS:
        for top, path in _tops(name).items():
            (folder / top).symlink_to(path)
    return folder


def contestants(folder: Path) -> Path:
    """Return the handlers to compare with, each in a package of its own name."""
    source = Path(__file__).parent / "contestants"
    for name in ("bare", "pool", "article", "powertools", "chalice_bare"):
        package = folder / name
        package.mkdir(parents=True)
        shutil.copy(source / f"{name}.py", package)
        for needed in NEEDS.get(name, ()):
            _copy(needed, package)
    for name in ("bare", "pool"):
        shutil.copy(source / "bare.py", folder / name)
        shutil.copy(source / "bare_mailer.py", folder / name)
    chalice = folder / "chalice_bare" / "chalice"
    chalice.mkdir()
    for name in ("__init__.py", "app.py"):
        shutil.copy(_tops("chalice")["chalice"] / name, chalice)
    return folder


@contextmanager
def deployed(
    checkout: Path,
    state: Path,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Deployed]:
    """``checkout`` as `make run` deploys it, for as long as the block lasts.

    ``settings`` are the stage's.
    """
    state.mkdir(parents=True, exist_ok=True)
    port = str(_free_ports())
    command = [sys.executable, "-m", "ops", "run", "--port", port, "--state", str(state)]
    if (checkout / "ops" / "run" / "follower.py").exists():  # not in former commits
        command.append("--quiet")
    for name, value in (settings or {}).items():
        command += ["--set", f"{name}={value}"]
    with (state / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=checkout, stdout=output, stderr=output)
        try:
            described = state / "stack.json"
            deadline = time.monotonic() + TIME_TO_START
            while not described.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit((state / "output").read_text())
                time.sleep(0.1)
            # A former commit's run took any keys.
            stack = {
                "access_key": "test",
                "secret_key": "test",
                **json.loads(described.read_text()),
            }
            yield Deployed(**stack, state=state, package=_unpacked(state))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def checkout(commit: str, folder: Path) -> Path:
    """Return the files of ``commit``, without touching the repository."""
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", commit], cwd=CHECKOUT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def _free_ports() -> int:
    """Return the first of three free ports in a row, as many as any commit's run takes."""
    return next(port for port in range(9600, 9900, 3) if all(map(_is_free, range(port, port + 3))))


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        return listener.connect_ex(("127.0.0.1", port)) != 0


def _unpacked(state: Path) -> Package:
    (zip_file,) = (state / "project" / ".chalice" / "deployments").glob("*.zip")
    code = state / "package"
    shutil.rmtree(code, ignore_errors=True)
    unpack(zip_file, code)
    with ZipFile(zip_file) as package:
        return Package(code, zip_file.stat().st_size, len(package.namelist()))


def unpack(package: Path, folder: Path) -> None:
    """Unpack a zip as Lambda's user finds it: read-only, and closed where its modes say so.

    Python's own zipfile forgets the modes.
    """
    with ZipFile(package) as archive:
        archive.extractall(folder)
        for entry in archive.infolist():
            is_readable = entry.external_attr >> 16 & stat.S_IROTH
            if not entry.is_dir():
                (folder / entry.filename).chmod(0o444 if is_readable else 0)


def _tops(distribution: str) -> dict[str, Path]:
    """Return what a distribution has put into site-packages, without what leads out of there."""
    installed = importlib.metadata.distribution(distribution)
    site = Path(str(installed.locate_file("")))
    tops = {Path(str(file)).parts[0] for file in installed.files or ()} - {"..", "__pycache__"}
    return {top: site / top for top in tops}


def _copy(distribution: str, folder: Path) -> None:
    for top, path in _tops(distribution).items():
        if path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / top, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy(path, folder)
