"""A stage taken down: what is removed, what is kept, what is refused."""

from __future__ import annotations

import io
import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.__main__ import ops
from ops.destroy import command as command
from ops.destroy import destruction as steps
from ops.destroy.destruction import destroy
from ops.resources.settings import shared_settings
from ops.stage import json_files, lookup
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project
from ops.terminal.progress import Progress
from tests.ops.conftest import ParameterStore

ACCOUNT = "123456789012"
REGION = "eu-west-3"
USERS = "bienvenue-prod-users"
LIMITS = "bienvenue-prod-limits"
STREAM = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{USERS}/stream/2026"
RECORDED = {
    "USERS_TABLE": USERS,
    "USERS_STREAM_ARN": STREAM,
    "MAIL_FROM": "hello@example.org",
    "BASE_URL": "https://first.execute-api.eu-west-3.amazonaws.com/api",
    "MAIL_FEEDBACK_TOPIC_ARN": "arn:aws:sns:::topic",
    "MAIL_CONFIGURATION_SET": "bienvenue-prod",
    "LIMITS_TABLE": LIMITS,
    "MAILS_PER_DAY": "180",
    "MAILS_PER_HOUR": "180",
}
SECRET = "k" * 32
GROUP = "/aws/lambda/bienvenue-prod"


class Account:
    """An account where every step succeeds, with a memory of what was removed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found = [{"name": "api_handler", "resource_type": "lambda_function"}]
        self.groups: dict[str, int | None] = {GROUP: 90, f"{GROUP}-2": 90}
        self.has_users = True
        self.has_stack = True
        self.identity = "example.org"
        self.endpoint = ""
        self.removed: list[str] = []
        self.said = ""
        self.parameters = ParameterStore()
        for module, name, does in (
            (steps, "Stack", lambda _, name: self.stack(name)),
            (steps.chalice_record, "find", lambda *_: self.found),
            (steps.chalice_deployer, "remove", lambda _, project, __: self.unship(project)),
            (steps.function_logs, "find", lambda *_: self.groups),
            (steps.table, "remove", lambda _, table, __: self.removed.append(table)),
            (steps.table, "exists", lambda *_: self.has_users),
            (steps.mail_identity, "find", lambda *_: self.identity),
        ):
            monkeypatch.setattr(module, name, does)

    def stack(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(
            name=name,
            remove=self.delete_stack,
            exists=lambda: self.has_stack,
            parameters=lambda: {"MailsPerDay": "180", "MailsPerHour": "180"},
        )

    def unship(self, project: Project) -> None:
        self.removed += project.functions()

    def delete_stack(self, _: object) -> None:
        self.removed.append("stack")

    def client(self, service: str) -> Any:
        if service == "ssm":
            return self.parameters
        return SimpleNamespace(
            delete_log_group=lambda **given: self.removed.append(given["logGroupName"])
        )

    def destroy(self, project: Project, account: str = ACCOUNT, **options: Any) -> list[str]:
        keys = SimpleNamespace(access_key="test", secret_key="test")
        session: Any = SimpleNamespace(client=self.client, get_credentials=lambda: keys)
        cloud = Cloud(session, account, REGION, "{}/{}".format, endpoint=self.endpoint)
        out = io.StringIO()
        try:
            return destroy(cloud, project, Progress(out), **options)
        finally:
            self.said = out.getvalue()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


@pytest.fixture
def deployed(project: Project) -> Project:
    project.record(RECORDED, {"api_handler": "arn:role"})
    return project


def test_destroy_keeps_the_users_and_says_how_to_delete_them(
    account: Account, deployed: Project
) -> None:
    users, identity = account.destroy(deployed)
    assert account.removed == ["api_handler", "stack", GROUP]
    assert f"still in the table {USERS}" in users
    assert "bienvenue deploy --stage prod --mail-from hello@example.org" in users
    assert f"bienvenue destroy --stage prod --delete-users {USERS}" in users
    assert "delete-email-identity --email-identity example.org" in identity


def test_an_address_is_quoted_where_it_is_to_be_typed(account: Account, deployed: Project) -> None:
    deployed.record({"MAIL_FROM": "o'brien@example.org"}, {})
    account.identity = "o'brien@example.org"
    users, identity = account.destroy(deployed)
    again = users.splitlines()[1].partition("again: ")[2]
    assert shlex.split(again)[-1] == "o'brien@example.org"
    assert "o'brien@example.org" in shlex.split(identity.partition("delete it:\n")[2])


def test_the_users_go_only_where_that_is_meant(account: Account, deployed: Project) -> None:
    users, _ = account.destroy(deployed, delete_users=True)
    assert account.removed == ["api_handler", "stack", GROUP, LIMITS, USERS]
    assert f"backup of {USERS} for 35 days" in users


def test_what_ends_a_rehearsal_never_reaches_an_account(
    account: Account, deployed: Project
) -> None:
    account.endpoint = "http://127.0.0.1:8400"
    account.identity = ""
    (backup,) = account.destroy(deployed, delete_users=True)
    assert backup.endswith("--endpoint-url http://127.0.0.1:8400")
    deployed.record(RECORDED, {"api_handler": "arn:role"})
    account.identity = "example.org"
    users, identity = account.destroy(deployed)
    assert users.count("AWS_ENDPOINT_URL=http://127.0.0.1:8400 ./bienvenue ") == 2
    assert "--email-identity example.org --region " in identity
    assert identity.endswith("--endpoint-url http://127.0.0.1:8400")


def test_destroy_leaves_only_hand_written_settings(account: Account, deployed: Project) -> None:
    before = deployed.config()["stages"]["prod"]
    assert before["environment_variables"].keys() > {"DEFAULT_LANG"}
    account.destroy(deployed)
    assert deployed.config()["stages"] == {
        "prod": {"environment_variables": {"DEFAULT_LANG": "en"}}
    }
    assert deployed.config()["lambda_functions"] == {"api_handler": {"lambda_timeout": 10}}
    assert not (deployed.folder / ".chalice" / "deployed" / "prod.json").exists()


def test_the_secret_key_stays_for_as_long_as_the_users(account: Account, deployed: Project) -> None:
    name = deployed.parameter("SECRET_KEY")
    account.parameters.values[name] = SECRET
    deployed.record({"SECRET_KEY": f"ssm:{name}"}, {})
    account.destroy(deployed)
    assert deployed.environment == {"DEFAULT_LANG": "en", "SECRET_KEY": f"ssm:{name}"}
    assert account.parameters.values[name] == SECRET
    another = Project(deployed.folder.parent / "another", "prod")
    json_files.write(another.folder / ".chalice" / "config.json", {"app_name": "bienvenue"})
    assert not shared_settings.download(account.parameters, another)
    assert another.environment == deployed.environment
    account.destroy(deployed, delete_users=True)
    assert deployed.environment == {"DEFAULT_LANG": "en"}
    assert account.parameters.values == {}


def test_a_limit_that_an_operator_set_stays(account: Account, deployed: Project) -> None:
    deployed.record({"MAILS_PER_HOUR": "20"}, {})
    account.destroy(deployed)
    assert deployed.environment == {"DEFAULT_LANG": "en", "MAILS_PER_HOUR": "20"}


def test_destroy_keeps_the_operators_own_configuration_set(
    account: Account, deployed: Project
) -> None:
    deployed.record({"MAIL_CONFIGURATION_SET": "theirs"}, {})
    account.destroy(deployed)
    assert deployed.environment == {"DEFAULT_LANG": "en", "MAIL_CONFIGURATION_SET": "theirs"}


def test_a_stage_that_only_deploys_wrote_leaves_no_entry(
    account: Account, project: Project
) -> None:
    demo = Project(project.folder, "demo")
    demo.record({**RECORDED, "MAIL_CONFIGURATION_SET": "bienvenue-demo"}, {"api_handler": "role"})
    account.destroy(demo)
    assert demo.known_stages() == ["prod"]


def test_nothing_is_left_to_say_where_nothing_is_left(account: Account, deployed: Project) -> None:
    account.found, account.groups, account.has_users, account.has_stack = [], {}, False, False
    account.identity = ""
    assert account.destroy(deployed, delete_users=True) == []
    assert "the checkout no longer has a record of the stage" in account.said
    assert "backup" not in account.said


def test_a_stage_that_is_not_there_is_not_said_to_be_down(
    account: Account, deployed: Project
) -> None:
    account.found, account.groups, account.has_users, account.has_stack = [], {}, False, False
    demo = Project(deployed.folder, "dmeo")
    with pytest.raises(DeployError) as error:
        account.destroy(demo)
    assert str(error.value) == (
        f"{ACCOUNT}, {REGION} has nothing of the stage dmeo. This checkout knows: prod."
    )
    assert account.removed == []


@pytest.mark.parametrize("left", ["found", "groups", "has_users", "has_stack"])
def test_destroy_removes_what_the_checkout_has_forgotten(
    account: Account, project: Project, left: str
) -> None:
    gone = {"found": [], "groups": {}, "has_users": False, "has_stack": False}
    vars(account).update(gone | {left: getattr(account, left)})
    account.destroy(project)
    assert account.removed[0] == {"found": "api_handler"}.get(left, "stack")
    assert "the checkout had no record of the stage" in account.said


def test_the_credentials_of_another_account_touch_nothing(
    account: Account, deployed: Project
) -> None:
    with pytest.raises(DeployError, match=f"lives in account {ACCOUNT}"):
        account.destroy(deployed, account="210987654321")
    assert account.removed == []


@pytest.fixture
def take_down(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What ``destroy`` does, once it is sure: here it only writes down whether users go."""
    done: list[bool] = []

    def take_down(*_: object, delete_users: bool) -> list[str]:
        done.append(delete_users)
        return ["What is left."]

    monkeypatch.setattr(command.destruction, "destroy", take_down)
    monkeypatch.setattr(lookup, "account", lambda: SimpleNamespace(account=ACCOUNT, region=REGION))
    return done


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(ops, ["destroy", "--stage", "prod", *arguments], input=typed)


def test_it_goes_on_only_when_the_stages_name_is_typed(take_down: list[bool]) -> None:
    done = run(typed="prod\n")
    assert done.exit_code == 0
    assert take_down == [False]
    assert done.stdout.endswith("\nprod is removed.\n\nWhat is left.\n")


@pytest.mark.parametrize("typed", ["", "y\n", "Prod\n", "yes\n"])
def test_anything_else_that_is_typed_does_nothing(take_down: list[bool], typed: str) -> None:
    done = run(typed=typed)
    assert done.exit_code == 1
    assert "nothing was done." in done.stderr
    assert take_down == []


def test_the_users_go_when_their_tables_name_is_typed_too(take_down: list[bool]) -> None:
    assert run("--delete-users", typed=f"prod\n{USERS}\n").exit_code == 0
    assert take_down == [True]


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (["--delete-users"], "prod\nprod\n"),
        (["--delete-users"], "prod\n"),
        (["--yes", "--delete-users"], ""),
        (["--yes", "--delete-users", "bienvenue-test-users"], ""),
        (["--yes", "--delete-users", ""], ""),
        (["--delete-users", USERS], ""),
    ],
)
def test_one_yes_is_not_enough_for_the_users(
    take_down: list[bool], arguments: list[str], typed: str
) -> None:
    done = run(*arguments, typed=typed)
    assert done.exit_code == 1
    assert "nothing was done." in done.stderr
    assert take_down == []


def test_a_program_says_both_names_on_the_command_line(take_down: list[bool]) -> None:
    assert run("--yes", "--delete-users", USERS).exit_code == 0
    assert run("--yes").exit_code == 0
    assert take_down == [True, False]
