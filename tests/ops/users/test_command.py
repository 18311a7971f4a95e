"""`users …` as it is typed: what it prints, asks, leaves behind, and how it exits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner, Result

from chalicelib.mail.limits import Limits
from chalicelib.users.moments import iso
from ops.__main__ import ops
from ops.stage import lookup as stages
from ops.stage.lookup import Stage
from ops.users.command import users as group
from tests.support.stores import Store, typed

EMAIL = "alexis@example.org"
THEN = "2031-05-04T12:00:00.000000Z"
UNLIMITED = ("--rate", "1000", "--mails", "1000")
Users = Callable[..., Result]


@pytest.mark.parametrize("command", sorted(group.commands))
def test_help_needs_no_stage_and_names_permissions(command: str) -> None:
    done = CliRunner().invoke(ops, ["users", command, "--help"])
    assert done.exit_code == 0
    assert "Permissions: dynamodb:" in done.output


def test_users_needs_a_stage() -> None:
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
        ("list", "--owed"),
        ("find", "alexis"),
        ("refuse", EMAIL),
        ("allow", EMAIL),
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
def test_each_command_names_its_permissions(
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


def test_list_writes_csv_to_a_pipe(store: Store, users: Users) -> None:
    store.put(EMAIL, nom="GÜNST HORN", mail="failed")
    store.put("other@example.org", validated_at=THEN)
    assert users("list").stdout.splitlines()[0].startswith('"state","email","prenom"')
    assert '"failed","alexis@example.org","","GÜNST HORN"' in users("list", "--failed").stdout
    lines = users("list", "--format", "jsonl", "--validated").stdout.splitlines()
    assert [json.loads(line)["email"] for line in lines] == ["other@example.org"]


def test_a_table_shows_the_count(store: Store, users: Users) -> None:
    assert users("list", "--format", "table").stderr == "No users.\n"
    store.put(EMAIL)
    assert users("list", "--format", "table").stderr == "1 user.\n"
    store.put("other@example.org")
    done = users("list", "--format", "table", "--pending", "--since", "2031-05-01")
    assert (done.stdout, done.stderr) == ("", "No users.\n")
    assert users("list", "--format", "table").stderr == "2 users.\n"


def test_list_refuses_a_wrong_since(users: Users) -> None:
    done = users("list", "--since", "yesterday")
    assert done.exit_code == 2
    assert "not a date such as 2026-11-24, nor a span such as 90s or 7d" in done.stderr


def test_show_finds_a_user_in_any_spelling(store: Store, users: Users) -> None:
    store.put(EMAIL, nom="GÜNST\x1b[31m HORN", link_hashes={"1" * 64}, mail="sent")
    done = users("show", "Alexis@Example.ORG")
    assert done.exit_code == 0
    assert done.stdout.startswith("alexis@example.org\n  state       pending\n")
    assert "\x1b" not in done.stdout
    assert "111111" not in done.stdout


def test_show_and_export_say_who_did_what(store: Store, users: Users) -> None:
    store.put(EMAIL, created_at=THEN, mail="failed")
    users("resend", EMAIL)
    users("validate", EMAIL)
    shown = re.findall(r"UTC  (.*)", users("show", EMAIL).output)
    assert shown[:2] == [
        "Another mail requested, by arn:aws:iam::1:user/zoe",
        "Validated by hand, by arn:aws:iam::1:user/zoe",
    ]
    held = {
        each["name"]: each["value"] for each in json.loads(users("export", EMAIL).output)["held"]
    }
    assert [act["act"] for act in held["acts"]] == ["resend", "validate"]


@pytest.mark.parametrize("command", ["show", "validate", "delete", "resend", "export"])
def test_an_unknown_user_is_reported(users: Users, command: str) -> None:
    done = users(command, "nobody@example.org")
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: There is no user with the address nobody@example.org. Another program may have "
        "spelled it differently. To look at all users:\n"
        "./bienvenue users find nobody@example.org --stage prod\n"
    )


@pytest.mark.parametrize("command", ["list", "show", "validate", "delete", "resend", "export"])
def test_an_error_of_aws_is_a_sentence(store: Store, users: Users, command: str) -> None:
    store.client.delete_table(TableName=store.table)
    done = users(command, *(() if command == "list" else (EMAIL,)))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: AWS refused ")
    assert "This is a bug" not in done.stderr


def test_validate_twice_changes_the_user_once(store: Store, users: Users) -> None:
    store.put("Mixed@Example.org", mail="sent")
    assert users("validate", "Mixed@Example.org").stdout == "Mixed@Example.org is validated.\n"
    item = store.item("Mixed@Example.org") or {}
    assert item["validated_by"] == "operator"
    assert "already validated" in users("validate", "Mixed@Example.org").stdout
    assert store.item("Mixed@Example.org") == item


def test_refuse_erases_strangers_data_until_allow(store: Store, users: Users) -> None:
    store.put(EMAIL, created_at=THEN, mail="sent", prenom="Stranger", links={"1" * 64: {}})
    assert users("refuse", EMAIL.upper()).stdout == f"{EMAIL} gets no more mail.\n"
    item = store.item(EMAIL) or {}
    assert (item["mail"], item["refused_by"]) == ("refused", "operator")
    assert not {"prenom", "links"} & set(item)
    assert users("refuse", EMAIL).stdout == f"{EMAIL} already gets no more mail.\n"

    done = users("allow", EMAIL)
    assert done.stdout == f"{EMAIL} may sign up again. No mail is sent until then.\n"
    assert (store.item(EMAIL) or {})["mail"] == "failed"
    done = users("allow", EMAIL)
    assert (done.exit_code, done.stderr) == (
        1,
        f"Error: {EMAIL} has not refused mail: nothing was changed.\n",
    )


def test_refuse_of_a_validated_user_says_what_to_do(store: Store, users: Users) -> None:
    store.put(EMAIL, validated_at=THEN)
    done = users("refuse", EMAIL)
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: {EMAIL} is validated, so nothing was changed. Bienvenue sends validated users no "
        "more mail. If the owner of the mailbox did not sign up, delete the user, then refuse "
        "later sign-ups:\n"
        f"./bienvenue users delete {EMAIL} --stage prod\n"
        f"./bienvenue users refuse {EMAIL} --stage prod\n"
    )
    assert store.item(EMAIL) == {"email": EMAIL, "validated_at": THEN}
    delete, refuse = (line.split()[2:4] for line in done.stderr.splitlines()[1:])
    assert users(*delete, "--yes").exit_code == 0
    assert users(*refuse).stdout == f"{EMAIL} is not a user. Later sign-ups get no mail.\n"


@pytest.mark.parametrize(
    "key",
    [
        "mailto:Alexis@example.org",
        "\u2060\uff21lexis\uff20example\uff0eorg",
        "MAILTO:Alexis%40example.org",
    ],
)
def test_find_finds_a_key_with_additions_by_its_address(
    store: Store, users: Users, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it shows can be typed."""
    monkeypatch.setenv("COLUMNS", "200")
    store.put(key)
    typed = next(word for word in users("find", EMAIL).stdout.split() if "example" in word)
    assert users("show", typed).exit_code == 0
    assert users("delete", typed, "--yes").exit_code == 0
    assert store.item(key) is None


def test_find_lists_users_by_a_part_of_their_name(store: Store, users: Users) -> None:
    store.put(EMAIL, prenom="Alexis", nom="GÜNST HORN")
    store.put("other@example.org", nom="Other")
    done = users("find", "gunst")
    assert EMAIL in done.stdout
    assert "other" not in done.stdout
    assert done.stderr == "1 user.\n"


@pytest.mark.usefixtures("limits")
def test_list_owed_has_the_users_who_wait(store: Store, users: Users) -> None:
    store.put(EMAIL, mail="owed", mail_at=THEN)
    store.put("sent@example.org", mail="sent")
    done = users("list", "--owed", "--columns", "email, mail")
    assert done.stdout == '"state","email","mail"\n"pending","alexis@example.org","owed"\n'
    assert done.stderr == ""


def test_list_owed_says_why_mail_waits(users: Users, limits: Limits) -> None:
    limits.table.client.put_item(
        TableName=limits.table.name,
        Item=typed(
            {
                "name": "mail",
                "brake": "12 of 100 mails bounced",
                "brake_at": THEN,
                "day": iso(datetime.now(timezone.utc))[:10],
                "day_mails": 200,
            }
        ),
    )
    done = users("list", "--owed", "--format", "jsonl")
    assert "has been stopped since 2031-05-04" in done.stderr
    assert "12 of 100 mails bounced" in done.stderr
    assert "./bienvenue mail resume --stage prod" in done.stderr
    assert "The budget of mails is used up: MAILS_PER_DAY=200." in done.stderr


@pytest.mark.parametrize("text", ["lang", "=fr", ""])
def test_list_refuses_a_wrong_where(users: Users, text: str) -> None:
    done = users("list", "--where", text)
    assert done.exit_code == 2
    assert "is not FIELD=VALUE." in done.stderr


def test_delete_shows_the_user_and_asks(store: Store, users: Users) -> None:
    store.put(EMAIL, nom="GÜNST HORN")
    done = users("delete", EMAIL, input="n\n")
    assert done.exit_code == 1
    assert "GÜNST HORN" in done.stdout
    assert f"Delete {EMAIL} from prod? [y/N]" in done.stdout
    assert store.item(EMAIL)
    assert users("delete", EMAIL, input="y\n").exit_code == 0
    assert store.item(EMAIL) is None


def test_delete_with_yes_does_not_ask(store: Store, users: Users) -> None:
    store.put(EMAIL)
    done = users("delete", "--yes", EMAIL.upper())
    assert (done.exit_code, done.stdout) == (0, f"{EMAIL} is deleted.\n")
    assert store.item(EMAIL) is None


def test_export_has_everything(store: Store, users: Users, tmp_path: Path) -> None:
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
    assert done.stdout == f"{EMAIL} is owed a mail again. The mailer sends it within seconds.\n"
    assert (store.item(EMAIL) or {})["mail"] == "owed"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"validated_at": THEN}, "is already validated and needs no mail."),
        ({"mail": "bounced"}, "works again, run this, then use --even-bounced:\naws sesv2"),
        ({"mail": "complained"}, "marked a mail as spam, so no mail is sent."),
        (
            {"mail": "refused"},
            "after all:\n./bienvenue users allow alexis@example.org --stage prod",
        ),
    ],
)
def test_resend_says_why_it_refuses(
    store: Store, users: Users, attributes: dict[str, str], words: str
) -> None:
    store.put(EMAIL, **attributes)
    done = users("resend", EMAIL)
    assert done.exit_code == 1
    assert words in done.stderr
    assert store.item(EMAIL) == {"email": EMAIL, **attributes}


def test_resend_may_override_a_bounce(store: Store, users: Users) -> None:
    store.put(EMAIL, mail="bounced")
    assert users("resend", "--even-bounced", EMAIL).exit_code == 0
    assert (store.item(EMAIL) or {})["mail"] == "owed"


def test_resend_failed_owes_only_failed_mail(store: Store, users: Users) -> None:
    store.put("failed@example.org", mail="failed")
    store.put("failed.but.validated@example.org", mail="failed", validated_at=THEN)
    store.put("bounced@example.org", mail="bounced")
    done = users("resend", "--failed", *UNLIMITED)
    assert (done.exit_code, done.stdout) == (0, "1 mail was asked for.\n")
    assert (store.item("failed@example.org") or {})["mail"] == "owed"
    assert (store.item("bounced@example.org") or {})["mail"] == "bounced"


def test_resend_owed_wakes_the_mailer_for_old_mail(store: Store, users: Users) -> None:
    for n in range(3):
        store.put(f"owed{n}@example.org", mail="sending", mail_at="2020-01-01T00:00:00.000000Z")
    done = users("resend", "--owed", *UNLIMITED)
    assert done.stdout == "3 mails were asked for.\n"
    assert users("resend", "--owed", *UNLIMITED).stdout == "0 mails were asked for.\n"


def test_resend_stops_when_todays_mails_are_used_up(store: Store, users: Users) -> None:
    for n in range(3):
        store.put(f"failed{n}@example.org", mail="failed")
    done = users("resend", "--failed", "--rate", "1000", "--mails", "2")
    assert (done.exit_code, done.stdout) == (4, "2 mails were asked for.\n")
    assert "Run it again to continue." in done.stderr


@pytest.mark.parametrize("arguments", [(), (EMAIL, "--owed"), ("--even-bounced", "--failed")])
def test_resend_takes_one_address_or_one_kind(users: Users, arguments: tuple[str, ...]) -> None:
    assert users("resend", *arguments).exit_code == 2
