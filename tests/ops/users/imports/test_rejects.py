"""The file of rejected rows: as they were, and ready to be fixed and imported."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ops.stage.errors import OpsError
from ops.users.imports import sheet
from ops.users.imports.rejects import Rejects
from ops.users.imports.sheet import Row, Sheet

HEADER = "email;nom;Téléphone\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.rejects.csv"


def rejects_at(path: Path, size: int = 0, header: str = HEADER) -> Rejects:
    return Rejects(path, sheet.read(io.StringIO(header), {}), size)


def read(path: Path) -> tuple[Sheet, list[Row]]:
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    found = sheet.read(io.StringIO(text), {})
    return found, list(found.rows())


def test_the_file_holds_each_row_with_its_line_and_reason(path: Path) -> None:
    with rejects_at(path) as rejects:
        rejects.add(Row(7, 7, ("=1+1", "x;y", "'+33 6")), "No.")
        rejects.add(Row(8, 8, ("caf\udce9",)), "Bytes.")
    found, rows = read(path)
    assert found.header == ("line", "reason", "email", "nom", "Téléphone")
    assert [row.cells for row in rows] == [
        ("7", "No.", "'=1+1", "x;y", "'+33 6"),
        ("8", "Bytes.", "caf\udce9"),
    ]


def test_the_file_can_be_imported_and_rejects_its_own_lines(path: Path) -> None:
    with rejects_at(path) as rejects:
        rejects.add(Row(7, 7, ("=1@example.org", "x", "")), "No.")
    found, rows = read(path)
    assert found.fields(rows[0]) == {"email": "=1@example.org", "nom": "x"}
    again = path.with_name("again.csv")
    header = ";".join(found.header) + "\n"
    with rejects_at(again, header=header) as rejects:
        rejects.add(rows[0], "Still no.")
    found, rows = read(again)
    assert found.header == ("line", "reason", "email", "nom", "Téléphone")
    assert rows[0].cells == ("2", "Still no.", "'=1@example.org", "x", "")


def test_there_is_no_file_without_a_rejected_row(path: Path) -> None:
    with rejects_at(path) as rejects:
        assert rejects.size == 0
    assert not path.exists()


def test_a_row_after_the_last_bookmark_is_written_once(path: Path) -> None:
    with rejects_at(path) as rejects:
        rejects.add(Row(2, 2, ("kept", "", "")), "No.")
        size = rejects.size
        rejects.add(Row(3, 3, ("after", "", "")), "No.")
    with rejects_at(path, size) as rejects:
        rejects.add(Row(3, 3, ("after", "", "")), "No.")
        rejects.add(Row(4, 4, ("new", "", "")), "No.")
    assert [row.cells[0] for row in read(path)[1]] == ["2", "3", "4"]


def test_a_file_that_was_removed_is_created_again(path: Path) -> None:
    with rejects_at(path, 500) as rejects:
        rejects.add(Row(4, 4, ("new", "", "")), "No.")
    assert [row.cells[0] for row in read(path)[1]] == ["4"]


def test_the_file_of_an_earlier_import_is_renamed(path: Path) -> None:
    path.write_text("half fixed")
    with rejects_at(path) as rejects:
        assert rejects.aside == path.with_name("people.rejects.csv.before")
    assert rejects.aside is not None
    assert rejects.aside.read_text() == "half fixed"


def test_files_renamed_before_stay_as_they_are(path: Path) -> None:
    for content in ("first", "second", "third"):
        path.write_text(content)
        with rejects_at(path):
            assert not path.exists()
    aside = [path.with_name(f"{path.name}.before{number}") for number in ("", "2", "3")]
    assert [file.read_text() for file in aside] == ["first", "second", "third"]


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with (
        pytest.raises(OpsError, match=r"cannot be written.*--rejects"),
        rejects_at(tmp_path / "nowhere" / "x.csv") as rejects,
    ):
        rejects.add(Row(2, 2, ("x",)), "No.")
