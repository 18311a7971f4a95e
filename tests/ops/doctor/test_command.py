"""``python -m ops doctor``: a screen for people, JSON and a status for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from ops.__main__ import ops
from ops.doctor import check, http
from ops.doctor import command as command
from ops.doctor.checks.registry import CHECKS, PERMISSIONS
from ops.doctor.facts import Facts
from ops.doctor.journey import Hop, Journey
from ops.stage import lookup as stages
from ops.stage import option
from ops.stage.project import Project
from tests.e2e.stack import ROOT
from tests.ops.doctor.world import NOW, Refusal, World, mapping, set_up_dns

MakeWorld = Callable[..., World]


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> MakeWorld:
    """Makes a world that the command line finds as the stage prod."""

    def make(**changes: Any) -> World:
        made = World(
            project.folder, {name.replace("__", "."): one for name, one in changes.items()}
        )
        monkeypatch.setattr(http, "get", made.get)
        set_up_dns(monkeypatch)
        monkeypatch.setattr(option, "CHECKOUT", project.folder)
        monkeypatch.setattr(stages, "account", lambda: made.stage.cloud)
        monkeypatch.setattr(command, "Facts", lambda stage, *_: Facts(stage, ROOT, lambda: NOW))
        return made

    return make


def run(*options: str) -> Result:
    return CliRunner().invoke(ops, ["doctor", "--stage", "prod", *options])


DISABLED = {"EventSourceMappings": [mapping(State="Disabled")]}
SANDBOX = {
    "ProductionAccessEnabled": False,
    "EnforcementStatus": "HEALTHY",
    "SendingEnabled": True,
    "SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 0.0, "MaxSendRate": 1.0},
}


def test_a_good_stage_is_a_line_a_check_and_status_0(world: MakeWorld) -> None:
    world()
    done = run()
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == len(CHECKS) + 2
    assert all("✓" in line for line in lines[: len(CHECKS)])
    assert lines[-1] == "prod is well."


def test_red_is_status_1_and_its_command_can_be_copied(world: MakeWorld) -> None:
    world(lambda__ListEventSourceMappings=DISABLED, sesv2__GetAccount=SANDBOX)
    done = run()
    assert done.exit_code == 1
    lines = [line.strip() for line in done.stdout.splitlines()]
    where = next(n for n, line in enumerate(lines) if "disabled, so no mail is sent" in line)
    assert lines[where].startswith("✗ Mapping")
    assert lines[where + 2] == (
        "aws lambda update-event-source-mapping --uuid a-uuid --enabled --region eu-west-3"
    )
    assert lines[-1] == "prod: 1 red, 2 amber."


def test_amber_alone_is_status_0(world: MakeWorld) -> None:
    world(sesv2__GetAccount=Refusal("AccessDenied"))
    done = run()
    assert done.exit_code == 0
    assert "! Sandbox           not seen: ses:GetAccount is missing" in done.stdout
    assert done.stdout.rstrip().endswith("prod: 4 amber.")


def test_json_has_every_check(world: MakeWorld) -> None:
    world(http__API=http.NoAnswer("https://x does not answer."))
    done = run("--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["stage"], found["light"], len(found["checks"])) == ("prod", "red", len(CHECKS))
    (red,) = [one for one in found["checks"] if one["light"] == "red"]
    assert (red["group"], red["name"]) == ("API", "Answer")
    assert red["mend"]


def test_help_names_permissions_and_exit_status() -> None:
    said = " ".join(CliRunner().invoke(ops, ["doctor", "--help"]).stdout.split())
    assert all(permission in said for permission in (*PERMISSIONS, "dynamodb:DeleteItem"))
    assert "The exit status is 1 if anything is red" in said


@pytest.fixture
def journeys(monkeypatch: pytest.MonkeyPatch) -> list[Journey]:
    """The journeys that were made, each stuck if its address says so."""
    made: list[Journey] = []

    def make(self: Journey) -> None:
        made.append(self)
        self.hops.append(Hop("Sign-up answered", 0.25))
        self.stuck = "SES does not take the mail." if "stuck" in self.email else ""
        self.untested = "The link was not opened."

    monkeypatch.setattr(Journey, "make", make)
    return made


def test_the_test_runs_after_the_checks(world: MakeWorld, journeys: list[Journey]) -> None:
    world()
    done = run("--send-test")
    assert done.exit_code == 0, done.output
    assert journeys[0].email.startswith("success+doctor-")
    assert (
        "The whole journey took 0.2 s. The test user is deleted.\nThe link was not opened"
        in done.stdout
    )
    assert run("--send-test", "You@example.org").exit_code == 0
    assert journeys[1].email == "you@example.org"


def test_a_test_that_is_stuck_is_status_1(world: MakeWorld, journeys: list[Journey]) -> None:
    world()
    done = run("--send-test", "stuck@example.org")
    assert done.exit_code == 1
    assert "Stuck: SES does not take the mail." in done.stdout
    done = run("--send-test", "stuck@example.org", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["light"] == "red"
    assert found["test"] == {
        "email": "stuck@example.org",
        "hops": [{"name": "Sign-up answered", "seconds": 0.25}],
        "stuck": "SES does not take the mail.",
        "untested": "The link was not opened.",
    }
    assert len(journeys) == 2


def test_each_light_has_a_sign_beside_its_colour() -> None:
    glyphs = [glyph for glyph, _ in command.GLYPHS.values()]
    assert len(set(glyphs)) == len(check.Light)


def test_a_narrow_terminal_does_not_wrap_commands(world: MakeWorld) -> None:
    one = world(lambda__ListEventSourceMappings=DISABLED)
    found = dict(check.run(CHECKS, one.facts))
    console = Console(width=60, record=True, highlight=False)
    with console.capture() as captured:
        command.show(console, "prod", [(each, found[each]) for each in CHECKS])
    assert (
        "aws lambda update-event-source-mapping --uuid a-uuid --enabled --region eu-west-3\n"
        in (captured.get())
    )
