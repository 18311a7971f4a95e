"""An operator's day: import, mail, look up and delete users of a stage."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, Stack, link_in, wait_for

HEADER = "email;prenom;nom;lang\n"


def users(stack: Stack, *arguments: str | Path) -> list[str]:
    """Return the words of `python -m ops users …` about the stack."""
    where = ["--stage", "local", "--state", str(stack.folder)]
    return [sys.executable, "-m", "ops", "users", *where, *map(str, arguments)]


def run(stack: Stack, *arguments: str | Path, status: int = 0) -> str:
    """Return what a command prints to standard output; its exit status is as expected."""
    done = subprocess.run(
        users(stack, *arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def listed(stack: Stack, *arguments: str) -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(run(stack, "list", *arguments)))
    return {row["email"]: row for row in rows}


def test_people_are_brought_in_mailed_looked_up_and_let_go(stack: Stack, tmp_path: Path) -> None:
    stack.post("/users", {"email": "before@example.org", "prenom": "Be", "nom": "Fore"})
    stack.wait_for_item("before@example.org", "delivered")
    stack.post("/users", {"email": "here@example.org", "prenom": "He", "nom": "Re"})
    run(stack, "validate", "here@example.org")
    file = tmp_path / "people.csv"
    file.write_text(
        "\ufeff" + HEADER + "Imported@Example.org;Alexis;GÜNST HORN;en\n"
        "here@example.org;Other;Name;en\n"
        "nobody;No;Body;en\n",
        encoding="utf-8",
    )
    printed = run(stack, "import", file, status=3)
    assert "1 imported, each owed a mail" in printed
    assert "1 already exist" in printed
    assert "1 rejected" in printed
    rejects = (tmp_path / "people.rejects.csv").read_text("utf-8-sig").splitlines()
    assert rejects[1].startswith('"4";"email: Enter a complete email address')
    assert stack.item("here@example.org")["nom"] == {"S": "Re"}

    (mail,) = stack.wait_for_mails("imported@example.org")
    assert mail["Subject"] == "Confirm your email address for Bienvenue"
    item = stack.wait_for_item("imported@example.org", "delivered")
    assert "expires_at" not in item
    assert listed(stack, "--pending")["imported@example.org"]["mail"] == "delivered"
    assert stack.open(link_in(mail)).json()["status"] == "validated"
    found = listed(stack, "--validated")
    assert found["imported@example.org"]["nom"] == "GÜNST HORN"
    assert "before@example.org" not in found
    assert "Fore" in run(stack, "find", "fore")

    run(stack, "resend", "before@example.org")
    assert len(stack.wait_for_mails("before@example.org", 2)) == 2
    stack.wait_for_item("before@example.org", "delivered")
    assert "state       pending" in run(stack, "show", "Before@Example.org")
    run(stack, "validate", "before@example.org")
    item = stack.item("before@example.org")
    assert item["validated_by"] == {"S": "operator"}
    assert "expires_at" not in item
    assert "by the operator" in run(stack, "show", "before@example.org")

    held = json.loads(run(stack, "export", "imported@example.org"))["held"]
    assert {one["name"]: one["value"] for one in held}["prenom"] == "Alexis"
    run(stack, "delete", "--yes", "imported@example.org")
    assert "nom" not in stack.item("imported@example.org")
    run(stack, "show", "imported@example.org", status=1)


def test_who_is_validated_already_gets_no_mail(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "email,nom,validated_at\nmoved@example.org,Moved,2020-01-01\nmailed@example.org,Mailed,\n"
    )
    run(stack, "import", file)
    # The stream hands records on in order, so whoever comes after tells that it has gone by.
    stack.wait_for_item("mailed@example.org", "delivered")
    assert "mail" not in stack.item("moved@example.org")
    assert stack.mails("moved@example.org") == []


def test_a_killed_import_goes_on_and_keeps_a_validated_user(stack: Stack, tmp_path: Path) -> None:
    count = 400
    file = tmp_path / "people.csv"
    file.write_text(
        HEADER
        + "".join(
            f"nobody{n};N;N;\n" if n % 100 == 50 else f"killed{n}@example.org;Kill;Ed;\n"
            for n in range(count)
        )
    )
    resume = tmp_path / "people.rejects.resume.json"
    process = subprocess.Popen(
        users(stack, "import", "--rate", "50", file),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: resume.exists() or process.poll() is not None, 30, "a bookmark")
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    last = f"killed{count - 1}@example.org"
    stack.post("/users", {"email": last, "prenom": "Her", "nom": "Self"})
    run(stack, "validate", last)
    stranger = f"killed{count - 2}@example.org"
    stack.post("/users", {"email": stranger, "prenom": "Stran", "nom": "Ger"})

    printed = run(stack, "import", "--rate", "1000", file, status=3)
    assert "4 rejected" in printed
    rejects = (tmp_path / "people.rejects.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(";")[0] for line in rejects] == ['"line"', '"52"', '"152"', '"252"', '"352"']
    assert not resume.exists()
    found = [email for email in listed(stack) if email.startswith("killed")]
    assert len(found) == count - 4
    assert stack.item(last)["nom"] == {"S": "Self"}
    assert stack.item(stranger)["nom"] == {"S": "Ed"}


@pytest.mark.parametrize("shape", ["csv", "jsonl", "table"])
def test_a_list_that_is_cut_off_ends_quietly(stack: Stack, shape: str) -> None:
    for n in range(3):
        stack.change(f"cut{n}@example.org", notes={"S": "there"})
    process = subprocess.Popen(
        users(stack, "list", "--format", shape),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert "rror" not in process.stderr.read()
    process.stderr.close()
