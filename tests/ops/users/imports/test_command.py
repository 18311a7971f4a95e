"""The command `users import`: what it prints, writes and exits with."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ops.users import clients
from ops.users.imports import importer
from ops.users.store import Added, OperatorsUsers
from tests.support.stores import Store, create
from tests.support.wire import Wire, refusal

THEN = "2031-05-04T12:00:00.000000Z"
UNLIMITED = ("--rate", "1000", "--mails", "1000")
Users = Callable[..., Result]


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, name: str = "people.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(("email,nom,lang,validated_at", *rows)) + "\n")
        return path

    return write


def test_import_adds_good_rows_and_keeps_the_rejected_ones(
    store: Store, users: Users, csv_file: Callable[..., Path]
) -> None:
    store.put("there@example.org", nom="There")
    file = csv_file(
        "Alexis@Example.org,GÜNST HORN,fr,",
        "nobody,Nobody,,",
        "there@example.org,Other,,",
        "old@example.org,Old,,2020-02-03",
        "old@example.org,Again,,2020-02-03",
    )
    done = users("import", str(file), *UNLIMITED)
    rejects = file.with_name("people.rejects.csv")
    assert done.exit_code == 3
    assert done.stdout == (
        "        1 imported, each owed a mail\n"
        "        1 imported as validated, without a mail\n"
        "        1 already exist, not changed\n"
        "        1 twice in the file, imported once\n"
        f"        1 rejected: fix them in {rejects}, then import that file\n"
    )
    assert done.stderr == (
        "line 3: email: Enter a complete email address, such as name@example.org.\n"
    )
    assert (store.item("there@example.org") or {})["nom"] == "There"
    assert (store.item("old@example.org") or {})["validated_at"] == "2020-02-03T00:00:00.000000Z"
    assert sorted(path.name for path in file.parent.glob("people*")) == [
        "people.csv",
        "people.rejects.csv",
    ]

    fixed = rejects.read_text("utf-8-sig").replace('"nobody"', '"nobody@example.org"')
    rejects.write_text(fixed)
    done = users("import", str(rejects), *UNLIMITED)
    assert (done.exit_code, done.stdout) == (0, "        1 imported, each owed a mail\n")
    assert (store.item("nobody@example.org") or {})["nom"] == "Nobody"


def test_import_reads_what_list_writes(store: Store, users: Users, tmp_path: Path) -> None:
    store.put("+plus@example.org", nom="-Minus", validated_at=THEN.replace("2031", "2021"))
    file = tmp_path / "listed.csv"
    file.write_text(users("list").stdout)
    store.delete("+plus@example.org")
    done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 0
    assert (
        "Columns ignored: state, created_at, imported_at, mail, mail_at, mail_count" in done.stderr
    )
    item = store.item("+plus@example.org") or {}
    assert (item["nom"], item["validated_by"]) == ("-Minus", "import")


def test_a_dry_run_writes_nothing(
    store: Store, users: Users, csv_file: Callable[..., Path]
) -> None:
    file = csv_file("a@example.org,A,,", "nobody,N,,")
    with store.calls() as calls:
        done = users("import", "--dry-run", str(file))
    assert done.exit_code == 3
    assert done.stdout == (
        "        1 would be imported, unless they exist already\n        1 would be rejected\n"
    )
    assert "line 3: email: " in done.stderr
    assert calls == []
    assert [path.name for path in file.parent.glob("people*")] == ["people.csv"]


def test_only_the_first_rejected_rows_are_shown(
    users: Users, csv_file: Callable[..., Path]
) -> None:
    file = csv_file(*(f"nobody{n},N,," for n in range(40)))
    done = users("import", str(file), *UNLIMITED)
    assert done.stderr.count("line ") == 10
    assert "More rejected rows are not shown: see " in done.stderr


def test_import_reads_standard_input(store: Store, users: Users) -> None:
    text = "email;nom\na@example.org;A\nnobody;N\n"
    done = users("import", "-", *UNLIMITED, input=text)
    assert done.exit_code == 3
    assert store.item("a@example.org")
    assert sorted(path.name for path in Path.cwd().glob("stdin*")) == ["stdin.rejects.csv"]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", ()), ("utf-8-sig", ()), ("cp1252", ("--encoding", "cp1252"))],
)
def test_names_survive_any_named_encoding(
    store: Store, users: Users, tmp_path: Path, encoding: str, said: tuple[str, ...]
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email,prenom\na@example.org,Zoé\n", encoding=encoding)
    assert users("import", str(file), *said, *UNLIMITED).exit_code == 0
    assert (store.item("a@example.org") or {})["prenom"] == "Zoé"


def test_a_wrong_encoding_rejects_only_the_rows_that_show_it(
    store: Store, users: Users, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email,prenom\na@example.org,Zoé\nb@example.org,Bob\n", encoding="cp1252")
    done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 3
    assert (
        "line 2: This row has bytes that are not in the file's encoding: name --encoding."
        in done.stderr
    )
    assert store.item("b@example.org")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("people.csv", "--encoding", "klingon"), "name one that Python knows"),
        (("people.csv", "--encoding", "base64"), "name one that Python knows"),
        (("people.csv", "--rejects", "./people.csv"), "--rejects must name another file"),
        (("nowhere.csv",), "does not exist"),
        (("people.csv", "--column", "email"), "'email' is not NAME=HEADER with a NAME of: email"),
        (("people.csv", "--column", "phone=Tel"), "is not NAME=HEADER"),
    ],
)
def test_a_wrong_import_command_is_refused(
    users: Users, csv_file: Callable[..., Path], arguments: tuple[str, ...], words: str
) -> None:
    file = csv_file("a@example.org,A,,")
    os.chdir(file.parent)
    done = users("import", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_file_in_utf_16_needs_no_option(store: Store, users: Users, tmp_path: Path) -> None:
    """Excel writes it as "Unicode text"."""
    file = tmp_path / "people.txt"
    file.write_bytes("sep=\t\r\nE-Mail\tVorname\r\na@example.org\tZoë\r\n".encode("utf-16"))
    assert users("import", str(file), *UNLIMITED).exit_code == 0
    assert (store.item("a@example.org") or {})["prenom"] == "Zoë"
    done = users("import", str(file), "--encoding", "utf-8", *UNLIMITED)
    assert done.exit_code == 1
    assert "The first line cannot be read" in done.stderr


def test_import_reads_a_pipe_once(store: Store, users: Users, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = b"email,nom\na@example.org,A\nnobody,N\n"
    threading.Thread(target=pipe.write_bytes, args=(text,), daemon=True).start()
    done = users("import", str(pipe), *UNLIMITED)
    assert (done.exit_code, done.stdout.count("imported")) == (3, 1)
    assert store.item("a@example.org")
    assert Path("stdin.rejects.csv").exists()


def test_import_asks_who_has_confirmed_before_it_mails(
    store: Store, users: Users, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Email Address,Name,Confirmed\nold@example.org,Old,2020-02-03\n")
    with store.calls() as calls:
        done = users("import", str(file), *UNLIMITED)
    assert (done.exit_code, calls) == (1, [])
    assert done.stderr.endswith(
        "Nobody was mailed yet. Name one that says when a user confirmed; they get no mail:\n"
        "--column validated_at=Confirmed\n"
        "Otherwise mail all users in the file:\n--column validated_at=\n"
    )
    users("import", str(file), "--column", "validated_at=Confirmed", *UNLIMITED)
    item = store.item("old@example.org") or {}
    assert (item["prenom"], item["validated_by"]) == ("Old", "import")


def test_import_mails_everybody_if_the_operator_says_so(
    store: Store, users: Users, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Wer,Wie,Status\nnew@example.org,New,active\n")
    chosen = ("--column", "email=Wer", "--column", "name=Wie", "--column", "validated_at=")
    done = users("import", str(file), *chosen, *UNLIMITED)
    assert done.stdout == "        1 imported, each owed a mail\n"
    assert done.stderr == "Columns ignored: Status.\n"
    assert (store.item("new@example.org") or {})["prenom"] == "New"


def test_no_line_inside_of_a_cell_is_imported(store: Store, users: Users, tmp_path: Path) -> None:
    inner = "victim@example.org,Victim,x\n" * 150
    file = tmp_path / "people.csv"
    file.write_text(f'email,nom,notes\na@example.org,A,"{inner}"\nb@example.org,B,"{inner}')
    done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 3
    assert (
        "line 153: The row of lines 153 to 302 cannot be read: it opens a quotation" in done.stderr
    )
    assert store.item("a@example.org")
    assert store.item("victim@example.org") is None


def test_import_stops_without_mails_and_goes_on_the_next_day(
    users: Users, csv_file: Callable[..., Path]
) -> None:
    file = csv_file(*(f"p{n}@example.org,P,," for n in range(5)))
    done = users("import", str(file), "--rate", "1000", "--mails", "2")
    assert (done.exit_code, done.stdout) == (4, "        2 imported, each owed a mail\n")
    assert "Run the same command again to continue." in done.stderr
    done = users("import", str(file), *UNLIMITED)
    assert (done.exit_code, done.stdout) == (0, "        5 imported, each owed a mail\n")
    assert "Continuing after line 3." in done.stderr


def test_a_table_that_was_created_again_gets_all_rows(
    store: Store, users: Users, csv_file: Callable[..., Path]
) -> None:
    file = csv_file(*(f"p{n}@example.org,P,," for n in range(5)))
    users("import", str(file), "--rate", "1000", "--mails", "2")
    for table in (store.table, f"{store.table}-limits"):
        store.client.delete_table(TableName=table)
    create(store.client, store.table)
    done = users("import", str(file), *UNLIMITED)
    assert (done.stdout, done.stderr) == ("        5 imported, each owed a mail\n", "")
    assert store.item("p0@example.org")


def test_import_goes_on_after_ctrl_c(
    users: Users, csv_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = csv_file("nobody,N,,", *(f"p{n}@example.org,P,," for n in range(300)))
    add = OperatorsUsers.add

    def add_and_interrupt(self: OperatorsUsers, *arguments: Any) -> Added:
        if arguments[0].person.email == "p10@example.org":
            os.kill(os.getpid(), signal.SIGINT)
        return add(self, *arguments)

    monkeypatch.setattr(OperatorsUsers, "add", add_and_interrupt)
    done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 130
    assert "Interrupted. Run the same command again" in done.stderr
    resume = json.loads(file.with_name("people.rejects.resume.json").read_text())
    assert 11 <= resume["tally"]["owed"] < 300

    monkeypatch.setattr(OperatorsUsers, "add", add)
    done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 3
    assert "      300 imported" in done.stdout
    assert "        1 rejected" in done.stdout
    rejects = file.with_name("people.rejects.csv").read_text("utf-8-sig").splitlines()
    assert len(rejects) == 2


def test_an_import_that_aws_ends_says_where_it_stopped(
    store: Store,
    users: Users,
    csv_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importer, "THREADS", 1)
    one = OperatorsUsers(store.client, store.table, store.mailboxes)
    monkeypatch.setattr(clients, "users", lambda _: one)
    denied = refusal(400, "AccessDeniedException", "No.")
    file = csv_file(*(f"p{n}@example.org,P,," for n in range(5)))
    with Wire(store.client, "PutItem", [None, None], then=denied):
        done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: These credentials may not PutItem (No): use others that may. "
        "All rows up to line 3 are done: run the same command again to continue.\n"
    )


def test_import_keeps_to_the_quota_of_ses_by_default(
    users: Users, csv_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ses:
        def get_account(self) -> Any:
            return {"SendQuota": {"Max24HourSend": 200, "SentLast24Hours": 178, "MaxSendRate": 99}}

    monkeypatch.setattr(clients, "ses", lambda _: Ses())
    done = users("import", str(csv_file(*(f"p{n}@example.org,P,," for n in range(5)))))
    assert (done.exit_code, done.stdout) == (4, "        2 imported, each owed a mail\n")
