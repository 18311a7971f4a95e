"""The package: readable by any user, with its bytecode, whole or absent."""

from __future__ import annotations

import importlib.util
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile, ZipInfo

import pytest
from chalice.config import Config
from chalice.deploy.packager import NoSuchPackageError
from chalice.utils import UI

from ops.resources.functions import package as packages
from ops.resources.functions.package import finish, interpreter, is_finished, local_runtime
from ops.stage.errors import DeployError
from ops.stage.project import Project

CODE = {
    "app.py": "import chalicelib.mail; print('app')\n",
    "chalicelib/__init__.py": "",
    "chalicelib/mail.py": "print('mail')\n",
    "chalicelib/templates/mail/fr/link.txt": "Bienvenue",
    "dns/resolver.py": "print('dns')\n",
    "broken.py": "print 'written for another Python'\n",
}
LOADED = ("app.py", "chalicelib/__init__.py", "chalicelib/mail.py")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A zip as Chalice makes it in a checkout under `umask 077`."""
    path = tmp_path / "package.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr(ZipInfo("chalicelib/"), "")
        for name, content in CODE.items():
            entry = ZipInfo(name)
            entry.external_attr = 0o100600 << 16
            archive.writestr(entry, content)
    return path


def test_every_entry_can_be_read_by_any_user(package: Path) -> None:
    finish(package, local_runtime())
    with ZipFile(package) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert {stat.S_IMODE(mode) for mode in modes.values()} == {0o644}
    assert all(stat.S_ISREG(mode) for mode in modes.values())
    assert any(name.endswith(".pyc") for name in modes)


def test_code_that_is_loaded_gets_its_bytecode(package: Path) -> None:
    finish(package, local_runtime())
    with ZipFile(package) as archive:
        added = set(archive.namelist()) - set(CODE)
        assert {name: archive.read(name).decode() for name in CODE} == CODE
    assert added == {importlib.util.cache_from_source(name) for name in LOADED}


def test_bytecode_is_never_used_for_code_that_changed(package: Path, tmp_path: Path) -> None:
    finish(package, local_runtime())
    code = tmp_path / "code"
    with ZipFile(package) as archive:
        archive.extractall(code)
    mail = code / "chalicelib" / "mail.py"

    def run() -> tuple[list[str], bool]:
        """Return what is printed, and whether Python had to compile mail.py."""
        script = f"import sys; sys.path.insert(0, {str(code)!r}); import app"
        done = subprocess.run(
            [sys.executable, "-I", "-B", "-v", "-c", script],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split(), f"# code object from {mail}" in done.stderr

    assert run() == (["mail", "app"], False)
    mail.write_text("print('newer')\n", encoding="utf-8")
    assert run() == (["newer", "app"], True)


def test_the_same_code_makes_the_same_package(package: Path) -> None:
    """Whatever the modes and times of files: what did not change is not deployed."""
    copy = package.with_name("copy.zip")
    with ZipFile(copy, "w") as archive:
        for name, content in reversed(CODE.items()):
            archive.writestr(name, content)
    for zipped in (package, copy):
        finish(zipped, local_runtime())
    assert package.read_bytes() == copy.read_bytes()
    with ZipFile(package) as archive:
        compiled = [archive.read(name) for name in archive.namelist() if name.endswith(".pyc")]
    assert not [code for code in compiled if gettempdir().encode() in code]


def test_a_package_is_whole_or_as_it_was(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = package.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ZipFile, "writestr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finish(package, local_runtime())
    assert package.read_bytes() == before
    assert not is_finished(package)
    assert [path.name for path in package.parent.iterdir()] == [package.name]


def test_functions_run_on_python_312_or_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda takes no new functions of Python 3.10 from February 2027."""
    for running, runtime in (
        ((3, 10), "python3.12"),
        ((3, 12), "python3.12"),
        ((3, 13), "python3.13"),
    ):
        monkeypatch.setattr(packages, "sys", SimpleNamespace(version_info=(*running, 1)))
        assert packages.lambda_runtime() == runtime
        assert local_runtime() == "python{}.{}".format(*running)


def test_an_older_python_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "sys", SimpleNamespace(version_info=(3, 12, 1)))
    assert packages.left_to_do("prod") == []
    monkeypatch.setattr(packages, "sys", SimpleNamespace(version_info=(3, 10, 1)))
    monkeypatch.setattr(packages, "interpreter", lambda _: "")
    (advice,) = packages.left_to_do("prod")
    assert "Install python3.12: the functions run on it, and this is python3.10" in advice
    assert "no bytecode" in advice
    assert advice.endswith("\nmake clean && PYTHON=python3.12 make deploy STAGE=prod")


def test_another_pythons_bytecode_is_made_by_that_python(package: Path) -> None:
    versions = [f"python3.{minor}" for minor in range(10, 15)]
    other = next((v for v in versions if v != local_runtime() and interpreter(v)), "")
    if not other:
        pytest.skip("no other Python runs here")
    finish(package, other)
    tag = f"cpython-{other.removeprefix('python').replace('.', '')}"
    with ZipFile(package) as archive:
        made = {name for name in archive.namelist() if name.endswith(".pyc")}
    assert len(made) == len(LOADED)
    assert all(tag in name for name in made)


def test_without_that_python_a_package_has_no_bytecode(package: Path) -> None:
    finish(package, "python3.99")
    with ZipFile(package) as archive:
        assert set(archive.namelist()) == set(CODE)
    assert is_finished(package)


class Packager:
    """Chalice's packager, which makes a small zip or fails."""

    def __init__(self, path: Path, error: BaseException | None = None) -> None:
        self.path = path
        self.error = error
        self.made = 0

    def __call__(self, *_: object) -> Any:
        return self

    def deployment_package_filename(self, *_: object) -> str:
        return str(self.path)

    def create_deployment_package(self, *_: object) -> None:
        self.made += 1
        assert not self.path.exists()  # else Chalice would take it for finished
        if self.error:
            self.path.write_bytes(b"PK half")
            raise self.error
        with ZipFile(self.path, "w") as archive:
            archive.writestr("app.py", CODE["app.py"])


@pytest.fixture
def packager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packager]:
    made = Packager(tmp_path / "now.zip")
    monkeypatch.setattr(packages, "LambdaDeploymentPackager", made)
    return made


def make(project: Project, repack: packages.Repack | None = None) -> None:
    config = Config("prod", default_params={"project_dir": str(project.folder)})
    packages.make(config, UI(), repack)


def test_a_finished_package_is_made_once(packager: Packager, project: Project) -> None:
    make(project)
    make(project)
    assert packager.made == 1
    assert is_finished(packager.path)


def test_older_packages_go(packager: Packager, project: Project) -> None:
    older = packager.path.with_name("older.zip")
    older.touch()
    make(project)
    assert not older.exists()


def test_a_package_is_made_of_the_former_one_if_told_to(
    packager: Packager, project: Project
) -> None:
    def repack(former: Path, folder: Path) -> bytes:
        assert (former.name, folder) == ("now.zip", project.folder)
        return former.read_bytes()

    make(project, repack)  # there is none yet
    assert packager.made == 1
    packager.path = packager.path.with_name("next.zip")
    make(project, repack)
    assert packager.made == 1
    assert is_finished(packager.path)


@pytest.mark.parametrize("left", [b"PK half", b""])
def test_an_unfinished_package_is_made_again(
    packager: Packager, project: Project, left: bytes
) -> None:
    """Chalice looks at a package's name alone, and would deploy half of it."""
    packager.path.write_bytes(left)
    make(project)
    assert is_finished(packager.path)


def test_an_interrupted_package_leaves_nothing(packager: Packager, project: Project) -> None:
    packager.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        make(project)
    assert not packager.path.exists()


def test_a_dependency_that_cannot_be_downloaded_is_told(
    packager: Packager, project: Project
) -> None:
    packager.error = NoSuchPackageError("nobody==1")
    with pytest.raises(DeployError, match=r"cannot be downloaded \(.*: nobody==1\)"):
        make(project)
