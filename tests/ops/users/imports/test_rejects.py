"""The file of those who could not be brought in: as they were, and ready to be mended."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ops.stage.errors import OpsError
from ops.users.imports import sheet
from ops.users.imports.newcomers import COLUMNS
from ops.users.imports.rejects import Rejects
from ops.users.imports.sheet import Row, Sheet

HEADER = "email;nom;Téléphone\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.rejects.csv"


def begun(path: Path, size: int = 0, header: str = HEADER) -> Rejects:
    return Rejects(path, sheet.read(io.StringIO(header), COLUMNS, "email"), size)


def read(path: Path) -> tuple[Sheet, list[Row]]:
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    found = sheet.read(io.StringIO(text), COLUMNS, "email")
    return found, list(found.rows())


def test_it_holds_each_row_as_it_was_with_its_line_and_the_reason(path: Path) -> None:
    with begun(path) as rejects:
        rejects.add(Row(7, 7, ("=1+1", "x;y", "'+33 6")), "No.")
        rejects.add(Row(8, 8, ("caf\udce9",)), "Bytes.")
    found, rows = read(path)
    assert found.header == ("line", "reason", "email", "nom", "Téléphone")
    assert [row.cells for row in rows] == [
        ("7", "No.", "'=1+1", "x;y", "'+33 6"),
        ("8", "Bytes.", "caf\udce9"),
    ]


def test_it_can_be_imported_and_its_own_rejects_name_its_own_lines(path: Path) -> None:
    with begun(path) as rejects:
        rejects.add(Row(7, 7, ("=1@example.org", "x", "")), "No.")
    found, rows = read(path)
    assert found.fields(rows[0]) == {"email": "=1@example.org", "nom": "x"}
    again = path.with_name("again.csv")
    header = ";".join(found.header) + "\n"
    with begun(again, header=header) as rejects:
        rejects.add(rows[0], "Still no.")
    found, rows = read(again)
    assert found.header == ("line", "reason", "email", "nom", "Téléphone")
    assert rows[0].cells == ("2", "Still no.", "'=1@example.org", "x", "")


def test_there_is_none_while_nobody_is_rejected(path: Path) -> None:
    with begun(path) as rejects:
        assert rejects.size == 0
    assert not path.exists()


def test_what_was_written_after_the_last_bookmark_is_written_once(path: Path) -> None:
    with begun(path) as rejects:
        rejects.add(Row(2, 2, ("kept", "", "")), "No.")
        size = rejects.size
        rejects.add(Row(3, 3, ("after", "", "")), "No.")
    with begun(path, size) as rejects:
        rejects.add(Row(3, 3, ("after", "", "")), "No.")
        rejects.add(Row(4, 4, ("new", "", "")), "No.")
    assert [row.cells[0] for row in read(path)[1]] == ["2", "3", "4"]


def test_one_that_was_taken_away_meanwhile_is_begun_anew(path: Path) -> None:
    with begun(path, 500) as rejects:
        rejects.add(Row(4, 4, ("new", "", "")), "No.")
    assert [row.cells[0] for row in read(path)[1]] == ["4"]


def test_one_of_an_earlier_import_is_set_aside(path: Path) -> None:
    path.write_text("half mended")
    with begun(path) as rejects:
        assert rejects.aside == path.with_name("people.rejects.csv.before")
    assert rejects.aside is not None
    assert rejects.aside.read_text() == "half mended"


def test_what_was_set_aside_before_stays_as_it_is(path: Path) -> None:
    for mended in ("first", "second", "third"):
        path.write_text(mended)
        with begun(path):
            assert not path.exists()
    aside = [path.with_name(f"{path.name}.before{number}") for number in ("", "2", "3")]
    assert [one.read_text() for one in aside] == ["first", "second", "third"]


def test_where_it_cannot_be_written_it_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(OpsError, match=r"cannot be written.*--rejects"),
        begun(tmp_path / "nowhere" / "x.csv") as rejects,
    ):
        rejects.add(Row(2, 2, ("x",)), "No.")
