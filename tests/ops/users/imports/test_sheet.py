"""CSV files as people have them: any delimiter, any quotes, any line ends."""

from __future__ import annotations

import csv
import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.stage.errors import OpsError
from ops.users import csv_cells
from ops.users.imports import sheet
from ops.users.imports.sheet import MAX_ROW_LENGTH, Sheet

VICTIM = "victim@example.org,Victim"


def read(text: str, chosen: dict[str, str] | None = None) -> Sheet:
    return sheet.read(io.StringIO(text, newline=""), chosen or {})


def first_cells(text: str) -> list[str]:
    return [row.cells[0] for row in read(text).rows() if not row.broken]


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
        "sep=;\nemail;prenom;nom",
        '"sep=|"\r\nemail|prenom|nom',
        "\ufeffSEP=^\nemail^prenom^nom",
        "sep=\t\nemail\tprenom\tnom",
    ],
)
def test_the_header_or_a_first_line_names_the_delimiter(header: str) -> None:
    found = read(f"{header}\n")
    assert found.columns.places == {"email": 0, "prenom": 1, "nom": 2}
    assert found.columns.ignored == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "This file is empty"),
        ("\n\n", "This file is empty"),
        ("sep=;\n", "This file is empty"),
        ("alexis@example.org;Alexis\n", 'known name for addresses: "alexis@example.org", "Alexis"'),
        ("Kontakt\tTelefon\n", 'addresses: "Kontakt", "Telefon". .*\n--column email='),
        ("sep=;\nemail,nom\n", 'known name for addresses: "email,nom"'),
        ('"email,nom\n', "The first line cannot be read"),
        ("\x00\udce9" * 400, r"cannot be read: �{60}\nName the file's --encoding"),
    ],
)
def test_a_file_without_addresses_is_refused(text: str, words: str) -> None:
    with pytest.raises(OpsError, match=words):
        read(text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_know_their_lines_as_an_editor_counts_them(end: str) -> None:
    text = end.join(("email,notes", "a@b.c,x", "", 'd@e.f,"two', 'lines"', ",", "g@h.i,y"))
    assert [(row.line, row.last_line, row.cells[0]) for row in read(text).rows()] == [
        (2, 2, "a@b.c"),
        (4, 5, "d@e.f"),
        (7, 7, "g@h.i"),
    ]


@pytest.mark.parametrize("count", [1, 99, 100, 5000])
def test_a_line_inside_of_a_cell_is_not_a_row(count: int) -> None:
    inner = "\n".join([VICTIM] * count)
    text = f'email,notes\nann@example.org,"{inner}"\nbob@example.org,x\n'
    assert first_cells(text) == ["ann@example.org", "bob@example.org"]


@pytest.mark.parametrize("notes", ["word " * 40_000, "line\n" * 40_000, '""quoted"", ' * 20_000])
def test_a_cell_may_be_longer_than_the_csv_modules_limit(notes: str) -> None:
    (row,) = read(f'email,notes\nann@example.org,"{notes}"\n').rows()
    assert len(notes) > 128 * 1024
    assert row.cells == ("ann@example.org", notes.replace('""', '"'))


@pytest.mark.parametrize(
    "notes",
    [
        "x" * MAX_ROW_LENGTH,
        "one two\n" * (MAX_ROW_LENGTH // 8),
        f"{VICTIM}\n" * (MAX_ROW_LENGTH // 20),
        f'""{VICTIM}""\n' * (MAX_ROW_LENGTH // 20),
        # After the limit, a blank before a quotation mark still opens a cell.
        "x" * MAX_ROW_LENGTH + f'\n", "\n{VICTIM}\n',
    ],
)
def test_a_row_that_is_too_long_is_rejected_whole(notes: str) -> None:
    text = f'email,notes\nann@example.org,"{notes}"\nbob@example.org,x\n'
    long, bob = read(text).rows()
    assert long.broken == "it has more than 1,048,576 characters"
    assert (long.line, long.last_line) == (2, 2 + notes.count("\n"))
    assert len(long.cells[0]) < 2000
    assert bob.cells == ("bob@example.org", "x")


@pytest.mark.parametrize(
    "lines", [f"{VICTIM}\n" * 5, f"{VICTIM}\n" * 200_000, f"{VICTIM}, no\tend\n" * 3]
)
def test_a_quote_that_is_never_closed_rejects_all_behind_it(lines: str) -> None:
    text = f'email,notes\nann@example.org,x\nbob@example.org,"{lines}'
    ann, bob = read(text).rows()
    assert ann.cells == ("ann@example.org", "x")
    assert bob.broken == "it opens a quotation mark and never closes it"
    assert (bob.line, bob.last_line) == (3, 2 + lines.count("\n"))


def test_text_after_a_closing_quote_rejects_its_row() -> None:
    text = f'email,notes\na@b.c,"Big" Joe\nd@e.f,"two\n{VICTIM}\n"lines" said Joe\ng@h.i,5" pipe\n'
    rows = list(read(text).rows())
    reason = "it has text after a closing quotation mark"
    assert [(row.line, row.last_line, row.broken) for row in rows] == [
        (2, 2, reason),
        (3, 5, reason),
        (6, 6, ""),
    ]
    assert rows[0].cells == ('a@b.c,"Big" Joe',)
    assert rows[1].cells[0].startswith('d@e.f,"two\nvictim')


def test_a_long_rejected_row_takes_little_memory() -> None:
    class Endless(io.TextIOBase):
        def __init__(self, count: int) -> None:
            self._lines = iter(["email,notes\n", 'a@b.c,"', *["some words, more words\n"] * count])

        def readline(self, _size: Any = -1) -> str:  # type: ignore[override]
            return next(self._lines, "")

    def peak(count: int) -> int:
        file: Any = Endless(count)
        tracemalloc.start()
        try:
            (row,) = sheet.read(file, {}).rows()
            assert row.broken
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    many = 16 * MAX_ROW_LENGTH // 23
    assert peak(many) < 8 * MAX_ROW_LENGTH


def test_fields_are_the_cells_under_the_known_columns() -> None:
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
def test_every_line_belongs_to_exactly_one_row(body: str) -> None:
    lines = io.StringIO(body, newline="").readlines()
    rows = list(read(f"email,nom\n{body}").rows())
    covered = [line for row in rows for line in range(row.line, row.last_line + 1)]
    assert covered == sorted(set(covered))
    for number, line in enumerate(lines, 2):
        assert number in covered or not line.replace('"', "").replace(",", "").strip()


# No NUL: csv cannot read it before Python 3.11.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.lists(text, min_size=1)))
def test_cells_are_read_as_they_were_written(table: list[list[str]]) -> None:
    out = "".join(map(csv_cells.line, table))
    written = list(csv.reader(io.StringIO(out, newline=""), strict=True))
    assert [[csv_cells.unguard(cell) for cell in row] for row in written] == table
    assert not any(cell[:1] in tuple("=+-@\t\r\n\0") for row in written for cell in row if cell)


def test_another_delimiter_does_not_split_a_written_cell() -> None:
    assert csv_cells.line(["a;=1+1", 'b "c"']) == '"a;=1+1","b ""c"""\n'


def test_a_nul_is_written_and_starts_no_formula() -> None:
    assert csv_cells.line(["a\0b", "\0=1"], ";") == '"a\0b";"\'\0=1"\n'
