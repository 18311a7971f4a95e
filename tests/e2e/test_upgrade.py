"""An upgrade by `git pull && make deploy`, from the last commit of 0.1.

That commit's code is an archive, since a clone for CI may lack the history. To make it:
git archive d20c077 app.py chalicelib ops .chalice requirements.txt .gitignore | xz -9e
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
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops.stage import json_files
from ops.stage.local_cloud import REGION
from tests.e2e.stack import HTTP, ROOT, wait_for
from tests.support import local_cloud

FORMER = Path(__file__).parent / "former" / "d20c077.tar.xz"
"""Its deploy writes the stage's settings into .chalice/config.json."""
STAGE = "prod"
SENDER = "hello@example.org"
FUNCTION = "bienvenue-prod"
NAME = "/bienvenue/prod/SECRET_KEY"


@dataclass(frozen=True)
class Checkout:
    """An operator's clone, and the local cloud that it deploys to."""

    folder: Path
    endpoint: str

    def run(self, *command: str) -> str:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        }
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**environment, "AWS_ENDPOINT_URL": self.endpoint},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        return self.run("git", *identity, *words)

    def ops(self, *words: str) -> str:
        return self.run(sys.executable, "-m", "ops", *words)

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def settings(self) -> dict[str, str]:
        """What the functions find in their environment."""
        function = self.client("lambda").get_function_configuration(FunctionName=FUNCTION)
        variables: dict[str, str] = function["Environment"]["Variables"]
        return variables

    def post(self, path: str, **fields: str) -> Any:
        return HTTP.request("POST", self.settings()["BASE_URL"] + path, json=fields)

    def code(self, email: str) -> str:
        """The code of the mail to an address, once it is there."""
        (text,) = wait_for(
            lambda: local_cloud.mails(self.endpoint, email), 20, f"a mail to {email}"
        )
        (code,) = re.findall(r"\b\d{6}$", text, re.MULTILINE)
        return str(code)


def copy_working_tree(folder: Path) -> None:
    """Put the files of this checkout, committed or not, in place of those in ``folder``."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A clone of the version before, whose stage is deployed, and a newer version to pull."""
    tmp_path = tmp_path_factory.mktemp("upgrade")
    with local_cloud.running(tmp_path / "cloud.log") as endpoint:
        upstream = Checkout(tmp_path / "upstream", endpoint)
        with tarfile.open(FORMER) as archive:
            archive.extractall(upstream.folder, filter="data")
        upstream.git("init", "-q")
        upstream.git("add", "--all")
        upstream.git("commit", "-q", "-m", "The version before")
        checkout = Checkout(tmp_path / "checkout", endpoint)
        subprocess.run(
            ["git", "clone", "-q", str(upstream.folder), str(checkout.folder)], check=True
        )
        upstream.git("rm", "-rq", ".")
        copy_working_tree(upstream.folder)
        upstream.git("add", "--all")
        upstream.git("commit", "-q", "-m", "The newer version")
        checkout.client("sesv2").create_email_identity(EmailIdentity=SENDER)
        checkout.ops("deploy", "--stage", STAGE, "--mail-from", SENDER)
        yield checkout


def test_an_upgrade_keeps_settings_codes_and_names_in_logs(checkout: Checkout) -> None:
    email = "alexis@example.org"
    before = checkout.settings()
    ticket = checkout.post("/users", email=email).json()["ticket"]
    code = checkout.code(email)
    assert checkout.git("status", "--porcelain") == " M .chalice/config.json\n"

    checkout.git("pull", "-q")
    printed = checkout.ops("deploy", "--stage", STAGE)
    assert f"{STAGE} is deployed" in printed
    after = checkout.settings()
    assert {name: after[name] for name in before} == before
    key = checkout.client("ssm").get_parameters(Names=[NAME], WithDecryption=True)["Parameters"][0]
    assert (key["Type"], key["Value"]) == ("SecureString", before["SECRET_KEY"])
    answer = checkout.post("/validate", email=email, ticket=ticket, code=code)
    assert answer.json()["status"] == "validated", answer.data


def test_a_deploy_leaves_the_checkout_as_git_has_it(checkout: Checkout) -> None:
    assert checkout.git("status", "--porcelain") == ""
    own = json_files.read(checkout.folder / "stages" / f"{STAGE}.json")
    assert own["environment_variables"]["SECRET_KEY"] == f"ssm:{NAME}"
    assert "Functions: nothing to change" in checkout.ops("deploy", "--stage", STAGE)
    assert checkout.git("status", "--porcelain") == ""


def test_no_secret_is_in_the_checkout(checkout: Checkout) -> None:
    secret = checkout.settings()["SECRET_KEY"].encode()
    files = [path for path in checkout.folder.rglob("*") if path.is_file()]
    holding = [path for path in files if secret in path.read_bytes()]
    assert holding == []


def test_a_fresh_clone_learns_the_stage_from_the_account(
    checkout: Checkout, tmp_path: Path
) -> None:
    upstream = checkout.folder.with_name("upstream")
    fresh = Checkout(tmp_path / "fresh", checkout.endpoint)
    subprocess.run(["git", "clone", "-q", str(upstream), str(fresh.folder)], check=True)
    fresh.ops("record", "--stage", STAGE)
    assert "alexis@example.org" in fresh.ops("users", "--stage", STAGE, "list")
    assert fresh.git("status", "--porcelain") == ""
