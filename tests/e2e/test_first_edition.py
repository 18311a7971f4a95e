"""A stage of the former release, upgraded in place: nobody in it is lost.

The former release is in former/, since a checkout may lack its commit: CI clones the last one.
To make it: git archive f727822 app.py chalicelib ops .chalice requirements.txt | xz -9e
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import chain
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.mail.drain import SEGMENTS
from chalicelib.users.moments import iso
from chalicelib.users.outbox import Outbox
from ops.run import local_stack
from ops.run.reload import copy_code
from ops.stage import json_files
from ops.stage.local_cloud import REGION
from ops.stage.project import Project
from tests.e2e.stack import HTTP, ROOT, wait_for
from tests.support import local_cloud, stores

FORMER = Path(__file__).parent / "former" / "f727822.tar.xz"
STAGE = "demo"
TIME_TO_MAIL = 90.0
LONG_AGO = {"S": iso(datetime.now(timezone.utc) - timedelta(days=3))}
MONTHS_AGO = {"S": iso(datetime.now(timezone.utc) - timedelta(days=91))}


@dataclass(frozen=True)
class Stage:
    """A stage on a cloud of its own, and the checkout that its operator deploys from."""

    endpoint: str
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        return dict(Project(self.folder, STAGE).environment)

    @property
    def api(self) -> str:
        return self.settings["BASE_URL"]

    @property
    def table(self) -> str:
        return self.settings["USERS_TABLE"]

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def deploy(self) -> str:
        command = ["ops", "deploy", "--stage", STAGE, "--mail-from", local_stack.MAIL_FROM]
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env={**os.environ, "AWS_ENDPOINT_URL": self.endpoint},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def post(self, path: str, **fields: str) -> None:
        answer = HTTP.request("POST", self.api + path, json=fields)
        assert answer.status == 202, answer.data

    def sign_up(self, *names: str) -> None:
        for name in names:
            self.post("/users", email=email(name), prenom=name.title(), nom="Horn")

    def mails(self, name: str) -> list[str]:
        """Return the texts of a user's mails, the oldest first."""
        return local_cloud.mails(self.endpoint, email(name))

    def wait_for_mails(self, name: str, number: int) -> None:
        wait_for(lambda: len(self.mails(name)) == number, TIME_TO_MAIL, f"mail {number} to {name}")

    def wait_for_state(self, name: str, mail: str) -> None:
        wait_for(lambda: self.item(name).get("mail") == mail, TIME_TO_MAIL, f"{name} is {mail}")

    def click(self, name: str, mail: int = -1) -> str:
        """Open the link of a mail, and return what the API says of it."""
        link = re.search(r"http://\S+/validate\S+", self.mails(name)[mail])
        assert link
        answer = HTTP.request("GET", link.group(), headers={"Accept": "application/json"})
        return str(answer.json().get("status", answer.status))

    def item(self, name: str) -> dict[str, Any]:
        key = {"email": {"S": email(name)}}
        answer = self.client("dynamodb").get_item(
            TableName=self.table, Key=key, ConsistentRead=True
        )
        return stores.plain(answer.get("Item", {}))

    def put(self, name: str, **attributes: Any) -> None:
        item = {"email": {"S": email(name)}, "prenom": {"S": name.title()}, **attributes}
        self.client("dynamodb").put_item(TableName=self.table, Item=item)

    def set(self, name: str, **attributes: Any) -> None:
        self.client("dynamodb").update_item(
            TableName=self.table,
            Key={"email": {"S": email(name)}},
            UpdateExpression="SET " + ", ".join(f"{each} = :{each}" for each in attributes),
            ExpressionAttributeValues={f":{each}": value for each, value in attributes.items()},
        )

    def let_the_mailer_run(self, is_running: bool) -> None:
        """Have the stream wake the mailer, or wait. What waits is kept."""
        client = self.client("lambda")
        for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
            client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=is_running)


def email(name: str) -> str:
    return f"{name}@example.org"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage that the former release deployed and served, upgraded by this one."""
    tmp_path = tmp_path_factory.mktemp("upgrade")
    with local_cloud.running(tmp_path / "cloud.log") as endpoint:
        stage = Stage(endpoint, tmp_path / "checkout")
        with tarfile.open(FORMER) as archive:
            archive.extractall(stage.folder, filter="data")
        stage.client("sesv2").create_email_identity(EmailIdentity=local_stack.MAIL_FROM)
        stage.deploy()
        assert "SECRET_KEY" not in stage.settings
        live_by_the_former_release(stage)
        pull(stage.folder)
        stage.deploy()
        stage.let_the_mailer_run(True)
        yield stage


def pull(folder: Path) -> None:
    """Bring a checkout to this release, as git does: the operator's own stage stays."""
    shutil.rmtree(folder / "ops")
    shutil.copytree(ROOT / "ops", folder / "ops")
    copy_code(ROOT, folder)
    config = folder / ".chalice" / "config.json"
    own = json_files.read(config)["stages"][STAGE]
    new = json_files.read(ROOT / ".chalice" / "config.json")
    new["stages"][STAGE] = own
    config.write_text(json_files.dumps(new), encoding="utf-8")


def live_by_the_former_release(stage: Stage) -> None:
    """Have users in every state that the former release knows."""
    mailed = ("validated", "unclicked", "bounced", "complained", "failed", "killed", "clicker")
    stage.sign_up(*mailed)
    stage.put("put")
    for name in (*mailed, "put"):
        stage.wait_for_state(name, "sent")
    assert stage.click("validated") == "validated"
    for state in ("bounced", "complained", "failed"):
        stage.set(state, mail={"S": state}, mail_at=MONTHS_AGO)
    stage.let_the_mailer_run(False)
    # Its function was killed after the claim: no record of the stream asks for this mail again.
    stage.set("killed", mail={"S": "sending"}, mail_at=LONG_AGO)
    stage.sign_up("owed")
    stage.put("waiting")
    assert stage.item("owed")["mail"] == "owed"
    assert not {"owed", "owed_at"} & set(stage.item("owed"))


def test_the_index_is_added_in_place_and_nobody_is_lost(stage: Stage) -> None:
    table = stage.client("dynamodb").describe_table(TableName=stage.table)["Table"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["owed"]
    assert stage.settings["SECRET_KEY"]
    users = stage.client("dynamodb").scan(TableName=stage.table, Select="COUNT")
    assert users["Count"] == 10


@pytest.mark.parametrize("name", ["unclicked", "clicker", "put"])
def test_a_link_of_the_former_release_validates(stage: Stage, name: str) -> None:
    assert stage.click(name) == "validated"
    item = stage.item(name)
    assert (item["prenom"], "validated_at" in item) == (name.title(), True)


def test_a_validated_user_stays_so_and_gets_no_mail(stage: Stage) -> None:
    assert stage.click("validated") == "already_validated"
    assert len(stage.mails("validated")) == 1


@pytest.mark.parametrize("name", ["owed", "waiting"])
def test_who_waited_in_the_stream_is_mailed_and_gets_in(stage: Stage, name: str) -> None:
    stage.wait_for_mails(name, 1)
    stage.wait_for_state(name, "sent")
    assert stage.click(name) == "validated"


def test_who_was_claimed_and_never_mailed_is_found(stage: Stage) -> None:
    """Each hour the drain scans one 24th of the table. All of a day's scans are made here."""
    outbox = Outbox(stage.client("dynamodb"), stage.table)
    now = datetime.now(timezone.utc)
    found = list(chain(*(outbox.unindexed(n, SEGMENTS, now) for n in range(SEGMENTS))))
    assert [image["email"]["S"] for image in found] == [email("killed")]
    assert outbox.owe(found[0], now)
    stage.wait_for_mails("killed", 2)
    stage.wait_for_state("killed", "sent")
    assert stage.click("killed") == "validated"


@pytest.mark.parametrize(
    ("name", "is_mailed"),
    [("failed", True), ("bounced", True), ("complained", False)],
)
def test_who_could_not_be_mailed_may_ask_again(stage: Stage, name: str, is_mailed: bool) -> None:
    """The former release set no end to a bounce: this one ends it after 90 days."""
    stage.sign_up(name, "after")
    stage.wait_for_mails("after", len(stage.mails("after")) or 1)
    if is_mailed:
        stage.wait_for_mails(name, 2)
        stage.wait_for_state(name, "sent")
        assert stage.click(name) == "validated"
    else:
        assert stage.item(name)["mail"] == name
