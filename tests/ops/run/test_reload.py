"""Changed code: checked in a fresh process and packed into Chalice's package."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
import urllib3

from ops.run import load_app, reload, repack
from ops.run.reload import Reloader
from ops.stage.errors import RunError
from ops.stage.project import CHECKOUT, Project

APP = '@app.route("/")\ndef home(): {body}\n'


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def test_a_package_gets_the_new_code_and_keeps_the_dependencies(tmp_path: Path) -> None:
    former = io.BytesIO()
    with ZipFile(former, "w") as made:
        for name in ("idna/core.py", "app.py", "chalicelib/gone.py", "__pycache__/app.pyc"):
            made.writestr(name, "old")
    folder = tmp_path / "project"
    write(folder, {"app.py": "new", "chalicelib/a.html": "new", "requirements.txt": "idna"})
    with ZipFile(io.BytesIO(repack.repack(former.getvalue(), folder))) as package:
        content = {name: package.read(name) for name in package.namelist()}
        modes = [
            package.getinfo(name).external_attr >> 16 for name in ("app.py", "chalicelib/a.html")
        ]
    assert content == {"idna/core.py": b"old", "app.py": b"new", "chalicelib/a.html": b"new"}
    assert modes == [0o644, 0o644]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"app.py": "import chalicelib\nx = 1/0"}, "app.py, line 2: ZeroDivisionError: division"),
        ({"app.py": "x = (1,"}, "app.py, line 1: SyntaxError: '(' was never closed"),
        (
            {"app.py": "import chalicelib.a", "chalicelib/a.py": "\nimport nothing_such"},
            "chalicelib/a.py, line 2: ModuleNotFoundError: No module named 'nothing_such'",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, files: dict[str, str], said: str) -> None:
    write(tmp_path, {"chalicelib/__init__.py": "", **files})
    done = subprocess.run(
        [sys.executable, load_app.__file__, str(tmp_path), str(CHECKOUT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(said)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


class Run:
    """A run whose processes and functions only remember what was asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, project: Project, checkout: Path) -> None:
        self.asked: list[str] = []
        self.fails = ""
        monkeypatch.setattr(reload, "_run", self._run)
        monkeypatch.setattr(repack, "repack", lambda *_: b"zip")
        monkeypatch.setattr(Project, "functions", lambda _: ["api_handler", "mailer"])
        reload.copy_code(checkout, project.folder)
        monkeypatch.setattr(urllib3, "request", lambda *_: SimpleNamespace(data=b"former"))
        client = SimpleNamespace(
            get_function=lambda **_: {"Code": {"Location": "http://127.0.0.1/"}},
            update_function_code=self._update,
        )
        cloud: Any = SimpleNamespace(session=SimpleNamespace(client=lambda _: client))
        self.reload = Reloader(cloud, project, checkout, project.folder).reload

    def _run(self, arguments: list[str], _: dict[str, str]) -> None:
        if self.fails:
            raise RunError(self.fails)
        if arguments[0] == "-m":
            self.asked += [arguments[1], *arguments[3:]]

    def _update(self, **given: Any) -> None:
        self.asked.append(given["FunctionName"])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    write(folder, {"app.py": APP.format(body="..."), "chalicelib/a.py": "", "requirements.txt": ""})
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, project: Project, checkout: Path) -> Run:
    return Run(monkeypatch, project, checkout)


FUNCTIONS = ["bienvenue-prod", "bienvenue-prod-mailer"]


@pytest.mark.parametrize(
    ("files", "asked"),
    [
        ({"app.py": APP.format(body="return {}")}, FUNCTIONS),
        ({"chalicelib/a.py": "x = 1"}, FUNCTIONS),
        (
            {"app.py": APP.replace("home", "house").format(body="...")},
            ["ops.run.ship", "--keep-dependencies"],
        ),
        ({"requirements.txt": "idna"}, ["ops.run.ship"]),
        ({"vendor/a.py": ""}, ["ops.run.ship"]),
    ],
)
def test_chalice_deploys_only_what_it_must(
    run: Run, checkout: Path, files: dict[str, str], asked: list[str]
) -> None:
    write(checkout, files)
    run.reload()
    assert run.asked == asked


def test_after_a_mistake_the_next_change_is_deployed_as_usual(run: Run, checkout: Path) -> None:
    write(checkout, {"app.py": "x = ("})
    run.fails = "app.py, line 1: …"
    with pytest.raises(RunError):
        run.reload()
    assert run.asked == []
    write(checkout, {"app.py": APP.format(body="...")})
    run.fails = ""
    run.reload()
    assert run.asked == FUNCTIONS
