"""What a stage does not use, its functions do not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_a_stage_with_own_fields_loads_their_definition() -> None:
    assert "chalicelib.own_fields" in loaded(SOURCE_FIELDS="ref")


def test_a_function_collects_garbage_of_its_requests_only() -> None:
    script = "import gc, app; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
    assert started(script) == ["True", "True"]


def test_a_process_that_is_no_function_keeps_its_garbage_rules() -> None:
    script = "import gc, app; print(gc.isenabled(), gc.get_freeze_count())"
    assert started(script, _HANDLER="") == ["True", "0"]
