"""`users …` as it is typed: what it prints, asks, leaves behind, and how it exits."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from ops.__main__ import ops
from ops.stage import lookup as stages
from ops.stage.cloud import Cloud
from ops.stage.lookup import Stage
from ops.stage.project import Project
from ops.users import clients
from ops.users.command import users as group
from ops.users.imports import importer
from ops.users.store import Added, OperatorsUsers
from tests.support.stores import Store, create
from tests.support.wire import Wire, refusal

EMAIL = "alexis@example.org"
THEN = "2031-05-04T12:00:00.000000Z"
UNLIMITED = ("--rate", "1000", "--mails", "1000")
Users = Callable[..., Result]


@pytest.fixture
def session() -> boto3.Session:
    return boto3.Session()


@pytest.fixture
def users(
    store: Store, project: Project, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> Users:
    """Types `python -m ops users --stage prod …`, in a folder of its own."""
    project.record({"USERS_TABLE": store.table, "BASE_URL": "https://hello.example.org"}, {})
    cloud = Cloud(session, "1", "eu-west-3", "{}/{}".format)
    monkeypatch.setattr(stages, "find", lambda *_: Stage(cloud, project))
    monkeypatch.chdir(project.folder)

    def typed(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(ops, ["users", "--stage", "prod", *arguments], **options)

    return typed


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, name: str = "people.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(("email,nom,lang,validated_at", *rows)) + "\n")
        return path

    return write


@pytest.mark.parametrize("command", sorted(group.commands))
def test_each_command_says_what_it_does_and_needs_without_a_stage(command: str) -> None:
    done = CliRunner().invoke(ops, ["users", command, "--help"])
    assert done.exit_code == 0
    assert "Permissions: dynamodb:" in done.output


def test_a_stage_is_asked_for_where_none_is_named() -> None:
    done = CliRunner().invoke(ops, ["users", "list"])
    assert done.exit_code == 2
    assert "Missing option '--stage'" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("--stage", "prod", "show", EMAIL), ("show", "--stage", "prod", EMAIL)]
)
def test_the_stage_may_stand_before_the_command_or_after(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    asked: list[str] = []

    def find(_: Path, name: str, __: Path) -> Stage:
        asked.append(name)
        raise SystemExit

    monkeypatch.setattr(stages, "find", find)
    CliRunner().invoke(ops, ["users", *arguments])
    assert asked == ["prod"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("show", EMAIL),
        ("resend", EMAIL),
        ("resend", "--failed", *UNLIMITED),
        ("resend", "--owed", *UNLIMITED),
        ("validate", EMAIL),
        ("export", EMAIL),
        ("delete", "--yes", EMAIL),
        ("import", "-", *UNLIMITED),
        ("import", "-", "--rate", "1"),
    ],
)
def test_no_command_asks_aws_for_more_than_it_says(
    store: Store, session: boto3.Session, users: Users, arguments: tuple[str, ...]
) -> None:
    asked: set[str] = set()

    def note(event_name: str, **_: object) -> None:
        asked.add(event_name.removeprefix("provide-client-params.").replace("sesv2.", "ses.", 1))

    session.events.register("provide-client-params", note)
    store.put(EMAIL, mail="failed")
    store.put("owed@example.org")
    users(*arguments, input="email,nom\na@example.org,A\n")
    said = CliRunner().invoke(ops, ["users", arguments[0], "--help"]).output
    stated = set(re.findall(r"(?:dynamodb|ses):\w+", said))
    assert asked
    assert {one.replace(".", ":") for one in asked} <= stated


def test_a_list_that_is_piped_is_csv(store: Store, users: Users) -> None:
    store.put(EMAIL, nom="GÜNST HORN", mail="failed")
    store.put("other@example.org", validated_at=THEN)
    assert users("list").stdout.splitlines()[0].startswith('"state","email","prenom"')
    assert '"failed","alexis@example.org","","GÜNST HORN"' in users("list", "--failed").stdout
    lines = users("list", "--format", "jsonl", "--validated").stdout.splitlines()
    assert [json.loads(line)["email"] for line in lines] == ["other@example.org"]


def test_a_table_says_how_many_there_are(store: Store, users: Users) -> None:
    assert users("list", "--format", "table").stderr == "Nobody.\n"
    store.put(EMAIL)
    assert users("list", "--format", "table").stderr == "1 person.\n"
    store.put("other@example.org")
    done = users("list", "--format", "table", "--pending", "--since", "2031-05-01")
    assert (done.stdout, done.stderr) == ("", "Nobody.\n")
    assert users("list", "--format", "table").stderr == "2 people.\n"


def test_a_since_that_is_no_moment_is_refused(users: Users) -> None:
    done = users("list", "--since", "yesterday")
    assert done.exit_code == 2
    assert "not a date such as 2026-11-24, nor a span such as 90s or 7d" in done.stderr


def test_show_tells_of_one_however_the_address_is_typed(store: Store, users: Users) -> None:
    store.put(EMAIL, nom="GÜNST\x1b[31m HORN", link_hashes={"1" * 64}, mail="sent")
    done = users("show", "Alexis@Example.ORG")
    assert done.exit_code == 0
    assert done.stdout.startswith("alexis@example.org\n  state       pending\n")
    assert "\x1b" not in done.stdout
    assert "111111" not in done.stdout


@pytest.mark.parametrize("command", ["show", "validate", "delete", "resend", "export"])
def test_nobody_is_a_sentence(users: Users, command: str) -> None:
    done = users(command, "nobody@example.org")
    assert (done.exit_code, done.stderr) == (
        1,
        (
            "Error: There is nobody with the address nobody@example.org: "
            "look for them with `users list`.\n"
        ),
    )


@pytest.mark.parametrize("command", ["list", "show", "validate", "delete", "resend", "export"])
def test_what_aws_refuses_is_a_sentence(store: Store, users: Users, command: str) -> None:
    store.client.delete_table(TableName=store.table)
    done = users(command, *(() if command == "list" else (EMAIL,)))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: AWS refused ")
    assert "This is a bug" not in done.stderr


def test_validate_is_done_once_and_said_twice(store: Store, users: Users) -> None:
    store.put("Mixed@Example.org", mail="sent")
    assert users("validate", "Mixed@Example.org").stdout == "Mixed@Example.org is validated.\n"
    item = store.item("Mixed@Example.org") or {}
    assert item["validated_by"] == "operator"
    assert "validated already" in users("validate", "Mixed@Example.org").stdout
    assert store.item("Mixed@Example.org") == item


def test_delete_asks_and_shows_whom_it_is_about(store: Store, users: Users) -> None:
    store.put(EMAIL, nom="GÜNST HORN")
    done = users("delete", EMAIL, input="n\n")
    assert done.exit_code == 1
    assert "GÜNST HORN" in done.stdout
    assert f"Delete {EMAIL} from prod? [y/N]" in done.stdout
    assert store.item(EMAIL)
    assert users("delete", EMAIL, input="y\n").exit_code == 0
    assert store.item(EMAIL) is None


def test_delete_does_not_ask_a_script(store: Store, users: Users) -> None:
    store.put(EMAIL)
    done = users("delete", "--yes", EMAIL.upper())
    assert (done.exit_code, done.stdout) == (0, f"{EMAIL} is deleted.\n")
    assert store.item(EMAIL) is None


def test_export_hands_out_everything(store: Store, users: Users, tmp_path: Path) -> None:
    store.put(EMAIL, phone="+33 6", link_hashes={"1" * 64})
    held = json.loads(users("export", EMAIL).stdout)
    assert {one["name"] for one in held["held"]} == {"email", "phone", "link_hashes"}
    output = tmp_path / "alexis.json"
    assert users("export", EMAIL, "--output", str(output)).stdout == ""
    assert json.loads(output.read_text())["held"] == held["held"]
    done = users("export", EMAIL, "--output", str(tmp_path / "nowhere" / "x.json"))
    assert "No such file or directory. Fix that, or name another file." in done.stderr


def test_resend_owes_a_mail(store: Store, users: Users) -> None:
    store.put(EMAIL, mail="sent", mail_at=THEN, mail_count=5)
    done = users("resend", EMAIL)
    assert done.stdout == f"{EMAIL} is owed a mail again; the stream sends it within seconds.\n"
    assert (store.item(EMAIL) or {})["mail"] == "owed"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"validated_at": THEN}, "is validated already: there is nothing to mail."),
        ({"mail": "bounced"}, "works again, say --even-bounced after this: aws sesv2"),
        ({"mail": "complained"}, "complained about our mail, so none is sent."),
    ],
)
def test_resend_says_why_it_owes_none(
    store: Store, users: Users, attributes: dict[str, str], words: str
) -> None:
    store.put(EMAIL, **attributes)
    done = users("resend", EMAIL)
    assert done.exit_code == 1
    assert words in done.stderr
    assert store.item(EMAIL) == {"email": EMAIL, **attributes}


def test_a_bounce_can_be_overridden_knowingly(store: Store, users: Users) -> None:
    store.put(EMAIL, mail="bounced")
    assert users("resend", "--even-bounced", EMAIL).exit_code == 0
    assert (store.item(EMAIL) or {})["mail"] == "owed"


def test_all_that_failed_are_owed_again_and_no_others(store: Store, users: Users) -> None:
    store.put("failed@example.org", mail="failed")
    store.put("failed.but.validated@example.org", mail="failed", validated_at=THEN)
    store.put("bounced@example.org", mail="bounced")
    done = users("resend", "--failed", *UNLIMITED)
    assert (done.exit_code, done.stdout) == (0, "1 mail was asked for.\n")
    assert (store.item("failed@example.org") or {})["mail"] == "owed"
    assert (store.item("bounced@example.org") or {})["mail"] == "bounced"


def test_all_that_are_owed_for_long_are_asked_for_again(store: Store, users: Users) -> None:
    for n in range(3):
        store.put(f"owed{n}@example.org", mail="sending", mail_at="2020-01-01T00:00:00.000000Z")
    done = users("resend", "--owed", *UNLIMITED)
    assert done.stdout == "3 mails were asked for.\n"
    assert users("resend", "--owed", *UNLIMITED).stdout == "0 mails were asked for.\n"


def test_when_the_days_mails_are_spent_resend_stops_and_says_how_to_go_on(
    store: Store, users: Users
) -> None:
    for n in range(3):
        store.put(f"failed{n}@example.org", mail="failed")
    done = users("resend", "--failed", "--rate", "1000", "--mails", "2")
    assert (done.exit_code, done.stdout) == (4, "2 mails were asked for.\n")
    assert "Run it again to go on." in done.stderr


@pytest.mark.parametrize("arguments", [(), (EMAIL, "--owed"), ("--even-bounced", "--failed")])
def test_resend_is_for_one_or_for_all_of_a_kind(users: Users, arguments: tuple[str, ...]) -> None:
    assert users("resend", *arguments).exit_code == 2


def test_import_brings_in_who_is_good_and_keeps_who_is_not(
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
        "        1 there already, left as they are\n"
        "        1 twice in the file, imported once\n"
        f"        1 rejected: mend them in {rejects}, and import that\n"
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

    mended = rejects.read_text("utf-8-sig").replace('"nobody"', '"nobody@example.org"')
    rejects.write_text(mended)
    done = users("import", str(rejects), *UNLIMITED)
    assert (done.exit_code, done.stdout) == (0, "        1 imported, each owed a mail\n")
    assert (store.item("nobody@example.org") or {})["nom"] == "Nobody"


def test_what_list_writes_import_reads(store: Store, users: Users, tmp_path: Path) -> None:
    store.put("+plus@example.org", nom="-Minus", validated_at=THEN.replace("2031", "2021"))
    file = tmp_path / "listed.csv"
    file.write_text(users("list").stdout)
    store.delete("+plus@example.org")
    done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 0
    assert "Columns left out: state, created_at, mail, mail_at, mail_count" in done.stderr
    item = store.item("+plus@example.org") or {}
    assert (item["nom"], item["validated_by"]) == ("-Minus", "import")


def test_a_dry_run_writes_nothing_anywhere(
    store: Store, users: Users, csv_file: Callable[..., Path]
) -> None:
    file = csv_file("a@example.org,A,,", "nobody,N,,")
    with store.calls() as calls:
        done = users("import", "--dry-run", str(file))
    assert done.exit_code == 3
    assert done.stdout == (
        "        1 would be imported, unless they are there already\n        1 would be rejected\n"
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
    assert "Further rejected rows are not shown: see " in done.stderr


def test_standard_input_is_a_file_too(store: Store, users: Users) -> None:
    text = "email;nom\na@example.org;A\nnobody;N\n"
    done = users("import", "-", *UNLIMITED, input=text)
    assert done.exit_code == 3
    assert store.item("a@example.org")
    assert sorted(path.name for path in Path.cwd().glob("stdin*")) == ["stdin.rejects.csv"]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", ()), ("utf-8-sig", ()), ("cp1252", ("--encoding", "cp1252"))],
)
def test_names_survive_any_encoding_that_is_said(
    store: Store, users: Users, tmp_path: Path, encoding: str, said: tuple[str, ...]
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email,prenom\na@example.org,Zoé\n", encoding=encoding)
    assert users("import", str(file), *said, *UNLIMITED).exit_code == 0
    assert (store.item("a@example.org") or {})["prenom"] == "Zoé"


def test_a_file_in_another_encoding_costs_the_rows_that_show_it(
    store: Store, users: Users, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email,prenom\na@example.org,Zoé\nb@example.org,Bob\n", encoding="cp1252")
    done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 3
    assert (
        "line 2: It holds bytes that are not in the file's encoding: see --encoding." in done.stderr
    )
    assert store.item("b@example.org")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("people.csv", "--encoding", "klingon"), "name one that Python knows"),
        (("people.csv", "--encoding", "base64"), "name one that Python knows"),
        (("people.csv", "--rejects", "./people.csv"), "--rejects must name another file"),
        (("nowhere.csv",), "does not exist"),
    ],
)
def test_what_cannot_be_imported_is_said(
    users: Users, csv_file: Callable[..., Path], arguments: tuple[str, ...], words: str
) -> None:
    file = csv_file("a@example.org,A,,")
    os.chdir(file.parent)
    done = users("import", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_file_that_is_no_text_is_said_to_be_none(users: Users, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes("email,nom\na@example.org,A\n".encode("utf-16")[:-1])
    done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 1
    assert "names no column email" in done.stderr
    done = users("import", str(file), "--encoding", "utf-16", *UNLIMITED)
    assert done.exit_code == 1
    assert "is not in utf-16: name another --encoding." in done.stderr


def test_an_import_that_spends_the_days_mails_goes_on_the_next_day(
    users: Users, csv_file: Callable[..., Path]
) -> None:
    file = csv_file(*(f"p{n}@example.org,P,," for n in range(5)))
    done = users("import", str(file), "--rate", "1000", "--mails", "2")
    assert (done.exit_code, done.stdout) == (4, "        2 imported, each owed a mail\n")
    assert "Run the same command again to go on from here." in done.stderr
    done = users("import", str(file), *UNLIMITED)
    assert (done.exit_code, done.stdout) == (0, "        5 imported, each owed a mail\n")
    assert "Going on after line 3." in done.stderr


def test_a_table_that_was_made_anew_meanwhile_gets_everybody(
    store: Store, users: Users, csv_file: Callable[..., Path]
) -> None:
    file = csv_file(*(f"p{n}@example.org,P,," for n in range(5)))
    users("import", str(file), "--rate", "1000", "--mails", "2")
    store.client.delete_table(TableName=store.table)
    create(store.client, store.table)
    done = users("import", str(file), *UNLIMITED)
    assert (done.stdout, done.stderr) == ("        5 imported, each owed a mail\n", "")
    assert store.item("p0@example.org")


def test_ctrl_c_ends_an_import_where_it_can_go_on(
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


def test_an_import_that_aws_ends_says_where_it_goes_on(
    store: Store,
    users: Users,
    csv_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importer, "THREADS", 1)
    one = OperatorsUsers(store.client, store.table)
    monkeypatch.setattr(clients, "users", lambda _: one)
    denied = refusal(400, "AccessDeniedException", "No.")
    file = csv_file(*(f"p{n}@example.org,P,," for n in range(5)))
    with Wire(store.client, "PutItem", [None, None], then=denied):
        done = users("import", str(file), *UNLIMITED)
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: These credentials may not PutItem (No): use ones that may. "
        "All up to line 3 is done: run it again to go on from there.\n"
    )


def test_an_import_keeps_to_sess_quota_where_nothing_else_is_said(
    users: Users, csv_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ses:
        def get_account(self) -> Any:
            return {"SendQuota": {"Max24HourSend": 200, "SentLast24Hours": 178, "MaxSendRate": 99}}

    monkeypatch.setattr(clients, "ses", lambda _: Ses())
    done = users("import", str(csv_file(*(f"p{n}@example.org,P,," for n in range(5)))))
    assert (done.exit_code, done.stdout) == (4, "        2 imported, each owed a mail\n")
