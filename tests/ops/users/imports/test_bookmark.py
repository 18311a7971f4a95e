"""The progress of an import: the same import finds it, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.stage.errors import OpsError
from ops.users.imports.bookmark import Bookmark, Tally, survey


@pytest.fixture
def mark(tmp_path: Path) -> Bookmark:
    return Bookmark(tmp_path / "people.resume.json", "digest", "users")


def test_an_import_finds_its_bookmark(mark: Bookmark) -> None:
    assert mark.find() == (Tally(), 0)
    mark.put(Tally(line=7, owed=5, rejected=1), 120)
    assert mark.find() == (Tally(line=7, owed=5, rejected=1), 120)
    mark.remove()
    assert mark.find() == (Tally(), 0)


@pytest.mark.parametrize(("digest", "table"), [("other", "users"), ("digest", "others")])
def test_the_bookmark_of_another_file_or_table_is_ignored(
    mark: Bookmark, digest: str, table: str
) -> None:
    mark.put(Tally(line=7), 0)
    assert Bookmark(mark.path, digest, table).find() == (Tally(), 0)


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"digest": "digest", "table": "users", "tally": {}}']
)
def test_a_damaged_bookmark_is_ignored(mark: Bookmark, content: str) -> None:
    mark.path.write_text(content)
    assert mark.find() == (Tally(), 0)


def test_a_pipe_has_no_bookmark(tmp_path: Path) -> None:
    mark = Bookmark(tmp_path / "stdin.resume.json", "", "users")
    mark.put(Tally(line=7), 0)
    assert not mark.path.exists()
    assert mark.find() == (Tally(), 0)


def test_a_bookmark_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OpsError, match=r"cannot be written.*--rejects"):
        Bookmark(tmp_path / "file" / "x.json", "digest", "users").put(Tally(line=7), 0)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"email\na@b.c")
    before = survey(path)
    assert before.lines == 2
    path.write_bytes(b"email\nd@e.f\n")
    assert survey(path).digest != before.digest
    assert survey(path).lines == 2
