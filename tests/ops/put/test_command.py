"""`ops put` against a table in moto."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner, Result

from ops.put.command import put
from ops.stage import lookup
from ops.stage.cloud import Cloud
from ops.stage.lookup import Stage
from ops.stage.project import Project
from tests.support import stores

ITEM = '{"email": "horn@example.org", "nom": "GÜNST HORN"}'


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch, moto_store: stores.Store, project: Project) -> None:
    project.record({"USERS_TABLE": moto_store.table}, {})
    cloud = Cloud(boto3.Session(), "1", "eu-west-3", lambda *_: "")
    monkeypatch.setattr(lookup, "find", lambda *_: Stage(cloud, project))


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(put, ["--stage", "prod", *arguments], input=typed)


def test_an_item_is_put_as_it_stands(moto_store: stores.Store) -> None:
    done = run(ITEM)
    assert done.output == f"Put horn@example.org into {moto_store.table}.\n"
    item = moto_store.item("horn@example.org")
    assert item == {"email": "horn@example.org", "nom": "GÜNST HORN"}


@pytest.mark.parametrize("by", ["file", "url", "input"])
def test_files_and_standard_input_are_read(
    tmp_path: Path, moto_store: stores.Store, by: str
) -> None:
    file = tmp_path / "item.json"
    file.write_text(ITEM, encoding="utf-8")
    arguments = {"file": [str(file)], "url": [f"file://{file}"], "input": []}[by]
    done = run(*arguments, typed=ITEM)
    assert done.exit_code == 0, done.output
    assert moto_store.item("horn@example.org")


def test_a_known_user_is_left_alone(moto_store: stores.Store) -> None:
    run('{"email": "horn@example.org", "validated_at": "2026-01-01T00:00:00Z"}')
    done = run(ITEM)
    assert done.exit_code == 1
    assert "horn@example.org is already in the table. Nothing was changed." in str(done.exception)
    assert "validated_at" in (moto_store.item("horn@example.org") or {})


def test_what_dynamodb_refuses_is_told_in_a_sentence() -> None:
    done = run('{"email": {"S": "horn@example.org"}, "n": {"N": "many"}}')
    assert "DynamoDB refuses this item" in str(done.exception)


def test_help_says_that_putitem_replaces() -> None:
    assert "replaces the whole item" in " ".join(run("--help").output.split())
