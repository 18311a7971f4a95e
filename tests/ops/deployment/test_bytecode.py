"""Bytecode in the package: all that Lambda loads has it, none is believed that is old."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir
from zipfile import ZipFile

import pytest

from ops.deployment import bytecode

CODE = {
    "app.py": "import chalicelib.mail; print('app')\n",
    "chalicelib/__init__.py": "",
    "chalicelib/mail.py": "print('mail')\n",
    "chalicelib/templates/mail/fr/body.txt": "Bienvenue",
    "dns/resolver.py": "print('dns')\n",
    "broken.py": "print 'written for another Python'\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.zip"
    with ZipFile(path, "w") as archive:
        for name, content in CODE.items():
            archive.writestr(name, content)
    return path


def test_all_code_that_is_ever_loaded_gets_its_bytecode(package: Path) -> None:
    bytecode.add(package)
    with ZipFile(package) as archive:
        added = set(archive.namelist()) - set(CODE)
        assert {name: archive.read(name).decode() for name in CODE} == CODE
    loaded = ("app.py", "chalicelib/__init__.py", "chalicelib/mail.py")
    assert added == {importlib.util.cache_from_source(name) for name in loaded}


def test_it_is_used_and_never_for_code_that_was_changed_since(
    package: Path, tmp_path: Path
) -> None:
    bytecode.add(package)
    code = tmp_path / "code"
    with ZipFile(package) as archive:
        archive.extractall(code)
    mail = code / "chalicelib" / "mail.py"

    def run() -> tuple[list[str], bool]:
        """What is printed, and whether Python had to compile mail.py."""
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


def test_the_same_code_makes_the_same_package_wherever_it_is(package: Path) -> None:
    copy = package.with_name("copy.zip")
    shutil.copyfile(package, copy)
    for one in (package, copy):
        bytecode.add(one)
    assert package.read_bytes() == copy.read_bytes()
    with ZipFile(package) as archive:
        compiled = [archive.read(name) for name in archive.namelist() if name.endswith(".pyc")]
    assert not [code for code in compiled if gettempdir().encode() in code]


def test_what_is_there_already_is_not_added_again(package: Path) -> None:
    bytecode.add(package)
    before = package.read_bytes()
    bytecode.add(package)
    assert package.read_bytes() == before


def test_a_package_is_whole_or_as_it_was(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = package.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ZipFile, "writestr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bytecode.add(package)
    assert package.read_bytes() == before
    assert [path.name for path in package.parent.iterdir()] == [package.name]
