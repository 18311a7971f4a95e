"""CSV as people have it: any delimiter, quotes and line ends, and no row that spoils another."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.stage.errors import OpsError
from ops.users import csv_cells
from ops.users.imports import sheet
from ops.users.imports.newcomers import COLUMNS
from ops.users.imports.sheet import MAX_LINE_LENGTH, MAX_LINES, Row, Sheet


def read(text: str) -> Sheet:
    return sheet.read(io.StringIO(text, newline=""), COLUMNS, "email")


@pytest.mark.parametrize(
    "header",
    [
        "email,prenom,nom",
        "email;prenom;nom",
        "email\tprenom\tnom",
        "email|prenom|nom",
        '"email","prenom","nom"',
        '"Email"; " Prénom ";NOM',
        "\n\n;;\nemail;prenom;nom",
    ],
)
def test_the_delimiter_is_the_one_that_the_header_makes_sense_by(header: str) -> None:
    found = read(f"{header}\n")
    assert found.columns == {"email": 0, "prenom": 1, "nom": 2}
    assert found.ignored == ()


@pytest.mark.parametrize(
    ("header", "columns", "ignored"),
    [
        ("EMAIL,First name,Last-Name", {"email": 0, "first_name": 1, "last_name": 2}, ()),
        ("id,email,Société", {"email": 1}, ("id", "Société")),
        ("line,reason,email", {"email": 2}, ()),
        ('"first;name";email', {"email": 1}, ("first;name",)),
        ('"a\nb",email,nom', {"email": 1, "nom": 2}, ("a\nb",)),
    ],
)
def test_columns_are_known_by_name_and_the_others_named(
    header: str, columns: dict[str, int], ignored: tuple[str, ...]
) -> None:
    found = read(f"{header}\n")
    assert (found.columns, found.ignored) == (columns, ignored)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is nothing in this file"),
        ("\n\n", "There is nothing in this file"),
        ("alexis@example.org,Alexis\n", "names no column email: 'alexis@example.org,Alexis'"),
        ('"email,nom\n', "names no column email"),
        ("\x00\udce9" * 400, rf"names no column email: '{'.' * 58}…\. .*--encoding"),
        ("email,nom,Email\n", "Two columns are named email"),
        ("x" * MAX_LINE_LENGTH, "longer than 1,048,576 characters"),
    ],
)
def test_a_file_that_is_no_list_of_people_is_said_to_be_none(text: str, words: str) -> None:
    with pytest.raises(OpsError, match=words):
        read(text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_row_knows_its_lines_as_an_editor_counts_them(end: str) -> None:
    text = end.join(("email,notes", "a@b.c,x", "", 'd@e.f,"two', 'lines"', ",", "g@h.i,y"))
    assert [(row.line, row.last_line, row.cells[0]) for row in read(text).rows()] == [
        (2, 2, "a@b.c"),
        (4, 5, "d@e.f"),
        (7, 7, "g@h.i"),
    ]


def test_a_quote_that_is_never_closed_costs_its_own_line_alone() -> None:
    many = [f"p{n}@example.org,x" for n in range(3 * MAX_LINES)]
    rows = list(read("\n".join(("email,nom", '"open@example.org,x', *many))).rows())
    assert rows[0] == Row(2, 2, ('"open@example.org,x',), "the quotation marks do not match")
    assert [row.cells[0] for row in rows[1:]] == [line[:-2] for line in many]
    assert [row.line for row in rows] == list(range(2, 3 * MAX_LINES + 3))


def test_fields_are_what_stands_under_the_known_columns() -> None:
    found = read("id;email;nom;lang\n1;'+a@b.c;'-;\n2;d@e.f\n")
    assert [found.fields(row) for row in found.rows()] == [
        {"email": "+a@b.c", "nom": "-", "lang": ""},
        {"email": "d@e.f"},
    ]


@given(
    st.text(
        st.sampled_from("a@é\",;\n\r\t|= '") | st.characters(exclude_categories=["Cs"]), max_size=60
    )
)
def test_every_line_belongs_to_one_row_and_none_is_lost(body: str) -> None:
    lines = io.StringIO(body, newline="").readlines()
    rows = list(read(f"email,nom\n{body}").rows())
    covered = [line for row in rows for line in range(row.line, row.last_line + 1)]
    assert covered == sorted(set(covered))
    for number, line in enumerate(lines, 2):
        assert number in covered or not line.replace('"', "").replace(",", "").strip()


# No NUL: before Python 3.11 csv can read none.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.lists(text, min_size=1)))
def test_what_is_written_is_read_as_it_was(table: list[list[str]]) -> None:
    out = "".join(map(csv_cells.line, table))
    written = list(csv.reader(io.StringIO(out, newline=""), strict=True))
    assert [[csv_cells.unguard(cell) for cell in row] for row in written] == table
    assert not any(cell[:1] in tuple("=+-@\t\r\n\0") for row in written for cell in row if cell)


def test_no_other_delimiter_makes_new_cells_of_one() -> None:
    assert csv_cells.line(["a;=1+1", 'b "c"']) == '"a;=1+1","b ""c"""\n'


def test_a_nul_is_written_and_starts_no_formula_either() -> None:
    assert csv_cells.line(["a\0b", "\0=1"], ";") == '"a\0b";"\'\0=1"\n'
