"""The package of the functions: the zip that Chalice makes, finished for Lambda.

Chalice copies each file's mode from the checkout and adds no bytecode. Lambda runs as another user
on a read-only disk: a file that this user cannot read is lost, and what Lambda has to compile it
compiles at each cold start. So each entry gets the mode 0644, and code its bytecode.
"""

import base64
import compileall
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from chalice.config import Config
from chalice.deploy.packager import (
    DependencyBuilder,
    LambdaDeploymentPackager,
    NoSuchPackageError,
    PackageDownloadError,
    PipRunner,
    SubprocessPip,
)
from chalice.utils import UI, OSUtils

from ops.stage.errors import DeployError

NAME = "package.zip"
"""The name of the package for other tools."""
Repack = Callable[[Path, Path], bytes]
"""Returns a package of a former one, with the code in a folder."""
# Only CHECK_DOMAIN loads dnspython. Bytecode would save 0.09 s of the 0.19 s that its import takes,
# but add 0.36 MB to the package of every stage, which would exceed the limit of 1.5 MB.
WITHOUT_BYTECODE = "dns"
FINISHED = b"bienvenue: modes and bytecode"
"""The comment of a zip that is finished."""
MODE = 0o100644
MADE = (1980, 1, 1, 0, 0, 0)  # the earliest moment of a zip: the same code makes the same package
OLDEST_RUNTIME = (3, 12)  # Lambda takes new functions of 3.10 until January 2027


def lambda_runtime() -> str:
    """Return Lambda's name for the Python that functions run on in an account."""
    return "python{}.{}".format(*max(OLDEST_RUNTIME, sys.version_info[:2]))


def local_runtime() -> str:
    """Return Lambda's name for the Python that runs this."""
    return "python{}.{}".format(*sys.version_info[:2])


def make(config: Config, ui: UI, repack: Repack | None = None) -> Path:
    """Make the package where Chalice's deployer looks for it, unless it is there. Return its path.

    With ``repack``, it is made of a former one, if there is one. Chalice uses an existing package:
    its name holds a hash of the project (chalice/deploy/packager.py). Raises DeployError if a
    dependency cannot be downloaded.
    """
    osutils = OSUtils()
    builder = DependencyBuilder(
        osutils, PipRunner(SubprocessPip(osutils=osutils), osutils), config.lambda_architecture
    )
    packager = LambdaDeploymentPackager(osutils, builder, ui, config.lambda_architecture)
    version = config.lambda_python_version
    package = Path(packager.deployment_package_filename(config.project_dir, version))
    if not is_finished(package):
        package.unlink(missing_ok=True)
        former = next(filter(is_finished, package.parent.glob("*.zip")), None)
        try:
            if repack and former:
                package.write_bytes(repack(former, Path(config.project_dir)))
            else:
                packager.create_deployment_package(config.project_dir, version)
            finish(package, version)
        except (NoSuchPackageError, PackageDownloadError) as error:
            raise DeployError(
                "The packages that requirements.txt names cannot be downloaded "
                f"({' '.join(str(error).split())}): check the network and pip's settings."
            ) from error
        finally:
            if not is_finished(package):
                package.unlink(missing_ok=True)
    for other in package.parent.glob("*.zip"):
        if other != package:
            other.unlink()
    return package


def digest(package: Path) -> str:
    """Return the SHA-256 of ``package``: the same code makes the same zip."""
    return hashlib.sha256(package.read_bytes()).hexdigest()


def hex_digest(code_sha256: str) -> str:
    """Return the SHA-256 that Lambda says of a package in base64, as ``digest`` writes it."""
    return base64.b64decode(code_sha256).hex()


def is_finished(package: Path) -> bool:
    """Return True if ``package`` is whole. An interrupted deploy may leave half of one."""
    try:
        with ZipFile(package) as archive:
            return archive.comment == FINISHED
    except (BadZipFile, FileNotFoundError):
        return False


def finish(package: Path, version: str) -> None:
    """Give each entry of ``package`` its mode, and code its bytecode for the runtime ``version``.

    The zip is at any time whole: as it was, or finished.
    """
    with ZipFile(package) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    partial = package.with_name(f".{package.name}")
    try:
        with ZipFile(partial, "w") as archive:
            archive.comment = FINISHED
            for name, content in sorted({**files, **_compiled(files, version)}.items()):
                entry = ZipInfo(name, MADE)
                entry.external_attr = MODE << 16
                entry.create_system = 3  # Unix: its modes count
                archive.writestr(entry, content, ZIP_DEFLATED)
        partial.replace(package)
    finally:
        partial.unlink(missing_ok=True)


def interpreter(version: str) -> str:
    """Return the path of a Python that makes bytecode for the runtime; empty if there is none."""
    if version == local_runtime():
        return sys.executable
    python = shutil.which(version)
    # pyenv has a command for each Python that it may run, but runs the chosen ones alone.
    return python if python and _run(python, "-c", "") else ""


def left_to_do(stage: str) -> list[str]:
    """Return what an operator should do about the Python that runs this, in a paragraph."""
    version = lambda_runtime()
    if version == local_runtime():
        return []
    slower = (
        "" if interpreter(version) else " The package has no bytecode, so cold starts are slower."
    )
    advice = (
        f"Install {version}: the functions run on it, and this is {local_runtime()}, which "
        f"`chalice deploy` alone would put them on.{slower} Then:\n"
        f"make clean && PYTHON={version} make deploy STAGE={stage}"
    )
    return [advice]


def _compiled(files: dict[str, bytes], version: str) -> dict[str, bytes]:
    """Return the bytecode of the code among ``files``.

    Python compares it with the hash of its source (PEP 552) and its own version: what was made of
    other code, or by another Python, is passed over.
    """
    python = interpreter(version)
    if not python:
        return {}
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            if name.endswith(".py") and not name.startswith(f"{WITHOUT_BYTECODE}/"):
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        _compile(python, folder)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in Path(folder).rglob("*.pyc")
        }


def _compile(python: str, folder: str) -> None:
    """Compile all code in ``folder``; what does not compile fails on Lambda as it fails here."""
    if python == sys.executable:
        compileall.compile_dir(
            folder,
            quiet=2,
            stripdir=folder,  # or each holds the path that it was compiled at
            invalidation_mode=PycInvalidationMode.CHECKED_HASH,
        )
        return
    options = ["-q", "-q", "-s", folder, "--invalidation-mode", "checked-hash"]
    _run(python, "-I", "-m", "compileall", *options, folder)


def _run(*command: str) -> bool:
    """Run a command. Return True if it succeeds."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
