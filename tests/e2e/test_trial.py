"""A trial from the command line: the life of a stage, and its report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ops.run.local_stack import MAIL_FROM
from ops.stage.local_cloud import ACCOUNT
from tests.e2e.stack import ROOT
from tests.e2e.test_deploy import Stage, left
from tests.support import local_cloud

PARTS = (
    *("Check", "Deploy", "Deploy again", "API", "Doctor"),
    *("Mail to success@", "Mail to bounce@", "Mail to complaint@", "Item that is put", "Destroy"),
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A checkout of its own, and a local cloud that lets the sender send."""
    folder = tmp_path_factory.mktemp("trial")
    for name in ("app.py", "requirements.txt", "chalicelib", "ops", "docs/policies"):
        source, target = ROOT / name, folder / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    (folder / "checkout" / ".chalice").mkdir()
    shutil.copy(ROOT / ".chalice" / "config.json", folder / "checkout" / ".chalice")
    with local_cloud.running(folder / "cloud.log") as endpoint:
        stage = Stage(endpoint, folder / "checkout")
        stage.client("sesv2").create_email_identity(EmailIdentity=MAIL_FROM)
        yield stage


def try_out(stage: Stage) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = ["-m", "ops", "deploy", "--stage", "trial", "--mail-from"]
    return subprocess.run(
        [sys.executable, *command, MAIL_FROM, "--then-destroy"],
        cwd=stage.folder,
        env={**environment, "AWS_ENDPOINT_URL": stage.endpoint},
        capture_output=True,
        text=True,
        check=False,
    )


def report(stage: Stage) -> str:
    return (stage.folder / "build" / "trial.md").read_text(encoding="utf-8")


def test_a_trial_shows_each_part_and_leaves_nothing(stage: Stage) -> None:
    config = (stage.folder / ".chalice" / "config.json").read_bytes()
    done = try_out(stage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert report(stage).startswith("# A trial of Bienvenue: passed\n")
    for part in PARTS:
        assert f"\n✓ {part}: " in report(stage)
        assert f"\n| {part} | " in report(stage)
    for private in (ACCOUNT, MAIL_FROM, "example.org", stage.endpoint):
        assert private not in report(stage)
    assert set(left(stage)) == {"identities"}  # the sender's, which was there before
    assert (stage.folder / ".chalice" / "config.json").read_bytes() == config


def test_a_trial_that_fails_is_taken_down_and_says_so(stage: Stage) -> None:
    """The tables, roles and the API are made when it turns out that app.py does not load."""
    app = stage.folder / "app.py"
    code = app.read_bytes()
    app.write_bytes(code + b"\nraise RuntimeError('broken')\n")
    try:
        done = try_out(stage)
    finally:
        app.write_bytes(code)
    assert done.returncode == 1
    assert "These parts failed: Deploy. The report says why." in done.stderr
    assert "| **failed**: app.py does not load: broken |" in report(stage)
    assert "\n✓ Destroy: nothing is left\n" in report(stage)
    assert set(left(stage)) == {"identities"}


def test_a_stage_that_exists_is_never_tried(stage: Stage) -> None:
    dynamodb = stage.client("dynamodb")
    dynamodb.create_table(
        TableName="bienvenue-trial-users",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "email", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "email", "KeyType": "HASH"}],
    )
    done = try_out(stage)
    assert done.returncode == 1
    assert "A stage trial exists already" in done.stderr
    assert dynamodb.list_tables()["TableNames"] == ["bienvenue-trial-users"]
