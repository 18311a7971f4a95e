"""What a stage does not use, its functions do not load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "USERS_TABLE": "users",
    "USERS_STREAM_ARN": "arn:aws:dynamodb:eu-west-3:123456789012:table/users/stream/1",
    "MAIL_FROM": "hello@example.org",
    "BASE_URL": "https://hello.example.org",
    "MAIL_FEEDBACK_TOPIC_ARN": "arn:aws:sns:eu-west-3:123456789012:topic",
    "LIMITS_TABLE": "limits",
    "SECRET_KEY": "not-a-secret-but-as-long-as-one-is",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "_HANDLER": "app.app",
}
OWN = {
    "chalicelib.own_fields",
    "chalicelib.users.field_values",
    "chalicelib.users.consent_texts",
    "chalicelib.web.description",
    "chalicelib.web.own_form",
    "chalicelib.web.own_inputs",
}

WATCHED = """
import json, sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
import app
from chalice.test import Client
from chalicelib.mail import message
from chalicelib.users.people import User
client = Client(app.app)
files = {}

def note(step):
    files[step] = [name.rpartition("/")[2] for name in opened if "/templates/words/" in name]
    opened.clear()

note("start")
for lang in sys.argv[1:]:
    answer = client.http.get("/", headers={"Accept": "text/html", "Accept-Language": lang})
    assert answer.status_code == 200
    note(f"page {lang}")
    client.http.get("/validate", headers={"Accept": "application/json", "Accept-Language": lang})
    user = User("a@example.org", "", "", lang)
    message.compose(user, "t", templates=app.templates, base_url="https://a.org", default_lang="fr")
    note(f"rest {lang}")
print(json.dumps(files))
"""
"""Prints the files of words that a fresh function opens at each step."""


def loaded(**settings: str) -> set[str]:
    """Return the modules that a function of the API has loaded before its first request."""
    return set(started("import sys, app; print(*sys.modules)", **settings))


def started(script: str, **settings: str) -> list[str]:
    """Return the words that ``script`` prints in a new process with a function's settings."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **SETTINGS, **settings},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


def test_a_stage_without_own_fields_loads_nothing_of_them() -> None:
    assert loaded() & OWN == set()


def test_only_the_api_loads_the_challenge() -> None:
    challenge = {"altcha", "chalicelib.web.challenge"}
    assert challenge <= loaded(CHALLENGE="altcha")
    for function in ("send_validation_mail", "resend_owed_mail", "record_mail_feedback"):
        assert not challenge & loaded(CHALLENGE="altcha", _HANDLER=f"app.{function}")


def test_a_stage_with_own_fields_loads_their_definition() -> None:
    assert "chalicelib.own_fields" in loaded(SOURCE_FIELDS="ref")


def test_a_function_collects_garbage_of_its_requests_only() -> None:
    script = "import gc, app; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
    assert started(script) == ["True", "True"]


def test_a_process_that_is_no_function_keeps_its_garbage_rules() -> None:
    script = "import gc, app; print(gc.isenabled(), gc.get_freeze_count())"
    assert started(script, _HANDLER="") == ["True", "0"]


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        ("ja", ["ja.json"]),
        ("de-AT", ["de.json"]),
        ("pt-BR", ["pt.json", "pt-BR.json"]),  # a variant takes what it lacks from its language
        ("tlh", ["fr.json"]),  # the stage's own language
    ],
)
def test_a_request_opens_its_languages_file_alone(asked: str, files: list[str]) -> None:
    """No other language is read: not at the start, for a page, for JSON nor for a mail."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, asked],
        cwd=ROOT,
        env={**os.environ, **SETTINGS},
        check=True,
        capture_output=True,
        text=True,
    )
    opened = json.loads(done.stdout.splitlines()[-1])
    assert opened == {"start": [], f"page {asked}": files, f"rest {asked}": []}
