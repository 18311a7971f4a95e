"""What a trial does when parts of it fail, and what its report never says."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ops.deploy import report, trial
from ops.deploy.deployment import Options
from ops.deploy.trial import Transcript, Trial
from ops.doctor.check import Finding, amber, green, red
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError, OpsError
from ops.stage.project import Project

ACCOUNT = "123456789012"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/alexis"


class World:
    """An account in which each part succeeds, until a test says otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
        self.there = False
        self.identities: list[str] = []
        self.done: list[str] = []
        self.findings: list[tuple[str, Finding]] = [("Clock", green("right"))]
        self.deploy: Callable[[], None] = lambda: None
        self.take_down: Callable[[], None] = lambda: None
        ses = SimpleNamespace(
            delete_email_identity=lambda EmailIdentity: self.identities.remove(EmailIdentity)  # noqa: N803
        )
        session: Any = SimpleNamespace(client=lambda _: ses)
        cloud = Cloud(session, ACCOUNT, "eu-west-3", "{}/{}".format, operator=OPERATOR)
        self.trial = Trial(
            cloud,
            project,
            Options(mail_from="hello@example.org"),
            lambda: self.findings,
            Transcript(io.StringIO()),
        )
        monkeypatch.setattr(trial.destruction, "exists", lambda *_: self.there)
        monkeypatch.setattr(trial.destruction, "destroy", lambda *_, **__: self._destroy())
        monkeypatch.setattr(trial.deployment, "deploy", lambda *_: self._deploy())
        monkeypatch.setattr(trial.mail_identity, "find", lambda *_: "".join(self.identities))
        monkeypatch.setattr(Trial, "_use", lambda _: self.done.append("used"))

    def _deploy(self) -> Any:
        self.there = True
        self.identities = self.identities or ["example.org"]
        self.deploy()
        return SimpleNamespace(base_url="https://api.example.org")

    def _destroy(self) -> None:
        self.done.append("destroyed")
        self.take_down()
        self.there = False

    def problem(self, name: str) -> str:
        return next(part.problem for part in self.trial.parts if part.name == name)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, project: Project) -> World:
    return World(monkeypatch, project)


def fail(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_a_trial_brings_a_stage_up_and_takes_it_down(world: World) -> None:
    world.trial.run()
    assert world.done == ["used", "destroyed"]
    assert world.trial.failed == []
    assert world.identities == []


def test_an_identity_that_was_there_before_stays(world: World) -> None:
    world.identities = ["example.org"]
    world.trial.run()
    assert world.identities == ["example.org"]


@pytest.mark.parametrize("error", [DeployError("no"), KeyError("a bug")])
def test_a_deploy_that_fails_is_taken_down(world: World, error: Exception) -> None:
    world.deploy = fail(error)
    world.trial.run()
    assert world.done == ["destroyed"]
    assert world.trial.failed == ["Deploy"]
    assert (world.there, world.identities) == (False, [])


def test_a_trial_that_is_interrupted_is_taken_down(world: World) -> None:
    world.deploy = fail(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        world.trial.run()
    assert world.done == ["destroyed"]
    assert world.problem("Deploy") == "interrupted"


def test_what_cannot_be_taken_down_is_said_with_its_command(world: World) -> None:
    world.take_down = fail(DeployError("The stack is stuck."))
    world.trial.run()
    assert world.trial.failed == ["Destroy"]
    assert "The stack is stuck." in world.problem("Destroy")
    assert "destroy --stage prod --delete-users bienvenue-prod-users" in world.problem("Destroy")


def test_a_stage_that_is_there_is_left_alone(world: World) -> None:
    world.there = True
    with pytest.raises(OpsError, match="A stage prod exists already"):
        world.trial.run()
    assert (world.done, world.trial.parts) == ([], [])


def test_what_is_not_ready_is_a_part_that_failed(world: World) -> None:
    world.findings = [
        ("Clock", red("an hour late", "Set it.")),
        ("SES", amber("in its sandbox", "Leave it.")),
    ]
    world.trial.run()
    assert world.problem("Check") == "Clock: an hour late"


def test_a_report_names_no_account_address_or_key(world: World) -> None:
    private = (
        f"{OPERATOR} in {ACCOUNT}: hello@example.org, alexis@example.com, user/alexis, "
        "arn:aws:sns:eu-west-3:210987654321:alarms at https://a1b2c3.execute-api.amazonaws.com/api "
        "with AKIAIOSFODNN7EXAMPLE"
    )
    world.deploy = fail(DeployError(private))
    world.trial.run()
    text = report.markdown(world.trial)
    assert text.startswith("# A trial of Bienvenue: failed: Deploy\n")
    for part in (ACCOUNT, "210987654321", "example", "alexis", "a1b2c3", "AKIA"):
        assert part not in text, part


def test_a_report_keeps_what_helps() -> None:
    kept = "success+doctor-1@simulator.amazonses.com https://docs.aws.amazon.com/ses bienvenue-x"
    assert report.scrub(kept, {}) == kept
