"""What counts as a change of the code, and what Chalice must deploy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops.run.changes import Changes, outline

APP = """
from chalice import Chalice
app = Chalice("x")
@app.route("/", methods=["GET"])
def home(request):
    return {body}
def helper(): ...
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("app.py", "requirements.txt", "chalicelib/web/pages.py", "ops/run.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("old")
    return tmp_path


@pytest.mark.parametrize("name", ["app.py", "requirements.txt", "chalicelib/web/pages.py"])
def test_a_changed_file_is_named_once_it_is_settled(checkout: Path, name: str) -> None:
    changes = Changes(checkout)
    assert changes.look() == []
    (checkout / name).write_text("changed")
    assert changes.look() == [], "it may still be being written"
    assert changes.look() == [Path(name)]
    assert changes.look() == []


def test_new_and_deleted_files_are_changes(checkout: Path) -> None:
    changes = Changes(checkout)
    (checkout / "chalicelib/new.html").touch()
    (checkout / "chalicelib/web/pages.py").unlink()
    changes.look()
    assert changes.look() == [Path("chalicelib/new.html"), Path("chalicelib/web/pages.py")]


@pytest.mark.parametrize(
    "name", ["ops/run.py", "chalicelib/.pages.py.swp", "chalicelib/pages.py~", "README.md"]
)
def test_files_that_are_not_packaged_are_no_change(checkout: Path, name: str) -> None:
    changes = Changes(checkout)
    (checkout / name).write_text("changed")
    assert (changes.look(), changes.look()) == ([], [])


def test_a_change_that_is_taken_back_is_none(checkout: Path) -> None:
    changes = Changes(checkout)
    status = (checkout / "app.py").stat()
    (checkout / "app.py").unlink()
    changes.look()
    (checkout / "app.py").write_text("old")
    os.utime(checkout / "app.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (changes.look(), changes.look()) == ([], [])


def test_only_decorators_and_names_are_in_the_outline() -> None:
    first = outline(APP.format(body="{}"))
    assert first == ["home\napp.route('/', methods=['GET'])"]
    assert outline(APP.format(body="{'a': helper()}")) == first
    assert outline(APP.replace('"GET"', '"POST"').format(body="{}")) != first
