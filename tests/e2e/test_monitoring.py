"""doctor, logs and metrics as typed, about a stage that runs, well and broken."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib import logs
from ops.resources.functions import event_source_mapping
from ops.stage import commit, parameter_store
from ops.stage.local_stage import STAGE
from ops.stage.project import Project
from tests.e2e.stack import ROOT, TIME_TO_MAIL, Stack, link_in, running, wait_for
from tests.e2e.test_feedback import report
from tests.support.fakes import bounce

FUNCTION = "bienvenue-local-send_validation_mail"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of our own: what is broken here must not be met by others, nor theirs be counted."""
    with running(tmp_path_factory.mktemp("watched")) as stack:
        yield stack


def ops(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as typed about the running stage; standard error is kept apart."""
    command, *options = arguments
    return subprocess.run(
        _line(stack, command, *options), cwd=ROOT, capture_output=True, text=True, check=False
    )


def _line(stack: Stack, command: str, *options: str) -> list[str]:
    about = ["--stage", "local", "--state", str(stack.folder)]
    return [sys.executable, "-m", "ops", command, *about, *options]


def examined(stack: Stack, *options: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Return the doctor's exit status, its findings by check, and all that it printed."""
    done = ops(stack, "doctor", "--json", *options)
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    return done.returncode, {f"{one['group']}/{one['name']}": one for one in said["checks"]}, said


def reds(found: dict[str, Any]) -> set[str]:
    return {name for name, one in found.items() if one["light"] == "red"}


def test_a_fresh_stack_has_no_red_row_and_no_false_green_one(
    stack: Stack,
) -> None:
    done = ops(stack, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    here = commit.describe(ROOT)
    is_commit = here and not here.endswith(commit.DIRTY)
    origin = f"commit {here}, as in this checkout" if is_commit else "as in this checkout"
    assert f"✓ Code              {origin}: " in done.stdout
    assert "! DKIM              mails are not signed: the address is verified" in done.stdout
    assert "· Lag               CloudWatch has measured nothing" in done.stdout
    assert "local: 1 amber." in done.stdout
    assert "Traceback" not in done.stderr


@contextmanager
def disabled(stack: Stack, uuid: str) -> Iterator[None]:
    """Switch the mapping off for the block."""
    lambda_ = stack.client("lambda")

    def switch(on: bool) -> None:
        lambda_.update_event_source_mapping(UUID=uuid, Enabled=on)
        wanted = "Enabled" if on else "Disabled"
        wait_for(lambda: lambda_.get_event_source_mapping(UUID=uuid)["State"] == wanted, 20, wanted)

    switch(False)
    try:
        yield
    finally:
        switch(True)


def the_mapping(stack: Stack) -> dict[str, Any]:
    (mapping,) = stack.client("lambda").list_event_source_mappings(FunctionName=FUNCTION)[
        "EventSourceMappings"
    ]
    found: dict[str, Any] = mapping
    return found


def test_a_disabled_mapping_is_red_until_it_is_enabled(stack: Stack) -> None:
    uuid = the_mapping(stack)["UUID"]
    with disabled(stack, uuid):
        status, found, _ = examined(stack)
        assert (status, reds(found)) == (1, {"Stream/Mapping"})
        assert (
            f"update-event-source-mapping --uuid {uuid} --enabled"
            in (found["Stream/Mapping"]["command"])
        )
    status, found, _ = examined(stack)
    assert (status, reds(found)) == (0, set())


def test_a_hand_changed_setting_is_red_until_changed_back(stack: Stack) -> None:
    uuid = the_mapping(stack)["UUID"]
    lambda_ = stack.client("lambda")
    lambda_.update_event_source_mapping(UUID=uuid, MaximumRecordAgeInSeconds=60)
    status, found, _ = examined(stack)
    assert (status, reds(found)) == (1, {"Stream/Settings"})
    assert "MaximumRecordAgeInSeconds" in found["Stream/Settings"]["said"]
    wanted = event_source_mapping.SETTINGS["MaximumRecordAgeInSeconds"]
    lambda_.update_event_source_mapping(UUID=uuid, MaximumRecordAgeInSeconds=wanted)
    assert examined(stack)[0] == 0


def test_a_dead_letter_is_red_until_it_is_dealt_with(stack: Stack) -> None:
    sqs = stack.client("sqs")
    (queue,) = [url for url in sqs.list_queues()["QueueUrls"] if "DeadLetters" in url]
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    status, found, _ = examined(stack)
    assert (status, reds(found)) == (1, {"Stream/Dead letters"})
    assert found["Stream/Dead letters"]["said"] == "1 in the queue"
    sqs.purge_queue(QueueUrl=queue)
    assert examined(stack)[0] == 0


def test_a_mail_that_is_owed_for_long_is_red_until_it_is_sent(stack: Stack) -> None:
    email = "waiting@example.org"
    stack.post("/users", {"email": email, "nom": "Horn"})
    stack.wait_for_item(email, "delivered")
    stack.change(email, mail={"S": "sending"}, mail_at={"S": "2020-01-01T00:00:00.000000Z"})
    status, found, _ = examined(stack)
    assert (status, reds(found)) == (1, {"Users/Mails owed"})
    stack.change(email, mail={"S": "sent"})
    assert examined(stack)[0] == 0


def test_a_function_with_a_foreign_role_or_settings_is_found(stack: Stack) -> None:
    lambda_ = stack.client("lambda")
    before = lambda_.get_function_configuration(FunctionName=FUNCTION)
    other = lambda_.get_function_configuration(FunctionName="bienvenue-local")
    variables = before["Environment"]["Variables"]
    lambda_.update_function_configuration(
        FunctionName=FUNCTION,
        Role=other["Role"],
        Environment={"Variables": {**variables, "MAIL_FROM": "another@example.org"}},
    )
    status, found, _ = examined(stack)
    assert (status, reds(found)) == (1, {"Functions/Roles"})
    assert found["Functions/Settings"]["said"] == "these differ from local.json: MAIL_FROM"
    lambda_.update_function_configuration(
        FunctionName=FUNCTION, Role=before["Role"], Environment={"Variables": variables}
    )
    assert examined(stack)[0] == 0


def wait_until_only_the_remnant_is_left(stack: Stack, email: str) -> None:
    """Wait until a user's deletion is published: DynamoDB then removes the bare address."""
    item = wait_for(
        lambda: "deleted" in told(stack, email) and stack.item(email), TIME_TO_MAIL, "deleted"
    )
    assert set(item) == {"email", "created_at", "mail", "acts", "told", "expires_at"}
    assert item["mail"] == {"S": "deleted"}


def told(stack: Stack, email: str) -> set[str]:
    """Return the kinds of the events about a user that are published."""
    return set(stack.item(email).get("told", {}).get("M", {}))


def test_the_doctors_journey_ends_and_leaves_no_user(stack: Stack) -> None:
    email = "you@example.org"
    status, _, said = examined(stack, "--send-test", email)
    assert status == 0
    assert said["test"]["stuck"] == ""
    assert [hop["name"] for hop in said["test"]["hops"]] == [
        "Sign-up answered",
        "Item written",
        "Mail claimed",
        "SES took it",
        "Mail in the mailbox",
        "Link opened",
        "Validated",
        "Event published",
    ]
    wait_until_only_the_remnant_is_left(stack, email)
    assert len(stack.wait_for_mails(email)) == 1


def test_a_journey_that_is_stuck_says_where(stack: Stack, tmp_path: Path) -> None:
    """As it is where links lead elsewhere: the checks say so, and the test gets no answer."""
    elsewhere = tmp_path / "state"
    for name in (".chalice", "stages"):
        shutil.copytree(stack.folder / "project" / name, elsewhere / "project" / name)
    project = Project(elsewhere / "project", STAGE)
    project.record({"BASE_URL": f"{stack.aws}/restapis/none/api/_user_request_"}, {})
    (elsewhere / "stack.json").write_text((stack.folder / "stack.json").read_text())
    done = ops(replace(stack, folder=elsewhere), "doctor", "--send-test", "stuck@example.org")
    assert done.returncode == 1
    assert "✗ Answer            " in done.stdout
    assert "✗ Sign-up answered: 4" in done.stdout
    assert "Stuck: POST http" in done.stdout
    assert stack.item("stuck@example.org") == {}


def test_the_simulators_bounce_is_waited_for(stack: Stack) -> None:
    status, _, printed = examined(stack, "--send-test", "bounce@simulator.amazonses.com")
    assert status == 0
    said = printed["test"]
    seconds = {hop["name"]: hop["seconds"] for hop in said["hops"]}
    assert seconds["Recorded as bounced"] > 0
    wait_until_only_the_remnant_is_left(stack, said["email"])


def hashed(stack: Stack, email: str) -> str:
    """Return the name that the stage's logs give a user."""
    settings = Project(stack.folder / "project", STAGE).environment
    key = parameter_store.resolve(stack.client("ssm"), settings)["SECRET_KEY"]
    return logs.hashed_with(key.encode(), email)


def test_a_users_lines_are_found_among_all_functions(stack: Stack) -> None:
    mine, other = "mine@example.org", "other@example.org"
    for email in (mine, other):
        stack.post("/users", {"email": email, "nom": "Horn"})
        stack.wait_for_item(email, "delivered")

    def lines(*options: str) -> list[str]:
        done = ops(stack, "logs", "--no-follow", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    sent = f"mail sent user={hashed(stack, mine)}"
    wait_for(lambda: any(sent in line for line in lines()), 20, "the logs have it")
    about_mine = lines("--user", mine)[1:]
    assert any("signed up user=" in line for line in about_mine)
    assert all(f"user={hashed(stack, mine)}" in line for line in about_mine)
    everything = lines("--verbose")
    assert any(hashed(stack, other) in line for line in everything)
    assert {line.split()[1] for line in everything[1:]} >= {"api_handler", "send_validation_mail"}
    times = [line.split()[0] for line in everything[1:] if line[:1].isdigit()]
    assert times == sorted(times)


def test_logs_are_followed_until_ctrl_c(stack: Stack, tmp_path: Path) -> None:
    first, second, third = (f"followed{number}@example.org" for number in range(3))
    shown = tmp_path / "shown"
    with shown.open("w") as out:
        following = subprocess.Popen(
            _line(stack, "logs"), cwd=ROOT, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            # Each is shown by a later poll, which sees the former's lines again.
            for email in (first, second, third):
                stack.post("/users", {"email": email, "nom": "Horn"})
                wait_for(lambda email=email: hashed(stack, email) in shown.read_text(), 30, email)
        finally:
            following.send_signal(signal.SIGINT)
            assert following.wait(10) == 0
    printed = shown.read_text()
    for email in (first, second, third):
        assert printed.count(f"mail sent user={hashed(stack, email)}") == 1
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["doctor", "logs", "metrics"])
def test_a_closed_pipe_is_no_failure(stack: Stack, command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            _line(stack, command),
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_each_mail_and_each_event_wakes_the_mailer_once(stack: Stack) -> None:
    """The next one does so again, so that whoever was woken between them has been."""

    def woken() -> int:
        pages = stack.client("logs").get_paginator("filter_log_events")
        said = pages.paginate(logGroupName=f"/aws/lambda/{FUNCTION}").build_full_result()["events"]
        return sum(one["message"].startswith("START ") for one in said)

    def wait_for_invocations(count: int) -> None:
        wait_for(lambda: woken() >= count, 20, f"{count} invocations")
        assert woken() == count

    before = woken()
    for number in (1, 2):
        email = f"woken{number}@example.org"
        stack.post("/users", {"email": email, "nom": "Horn"})
        (mail,) = stack.wait_for_mails(email)
        stack.wait_for_item(email, "delivered")
        wait_for_invocations(before + 2 * number - 1)
        assert stack.open(link_in(mail)).status == 200
        wait_for(lambda email=email: "validated" in told(stack, email), TIME_TO_MAIL, "published")
        wait_for_invocations(before + 2 * number)


def test_metrics_count_what_the_journeys_did(stack: Stack) -> None:
    def counted() -> dict[str, Any]:
        done = ops(stack, "metrics", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    before = counted()
    for number in range(3):
        stack.post("/users", {"email": f"counted{number}@example.org", "nom": "Horn"})
    stack.client("dynamodb").put_item(
        TableName=stack.table, Item={"email": {"S": "put@example.org"}, "nom": {"S": "Horn"}}
    )
    for email in ("counted0@example.org", "put@example.org"):
        (mail,) = stack.wait_for_mails(email)
        stack.wait_for_item(email, "delivered")
        assert stack.open(link_in(mail)).status == 200
    stack.wait_for_item("counted1@example.org", "delivered")
    stack.wait_for_item("counted2@example.org", "delivered")
    link_hash = stack.item("counted1@example.org")["mail_link"]["S"]
    report(stack, bounce("counted1@example.org", link_hash))
    stack.wait_for_item("counted1@example.org", "bounced")
    after = counted()

    def more(group: str, name: str) -> int:
        return int(after[group][name] - before[group][name])

    assert {name: more("sign_ups", name) for name in ("signed_up", "mailed", "validated")} == {
        "signed_up": 3,
        "mailed": 3,
        "validated": 1,
    }
    assert more("sign_ups", "bounced") == 1
    assert more("put_by_other_programs", "validated") == 1
    assert more("recent", "signed_up") == 3
    measured = "seconds_from_mail_to_validation"
    assert after[measured]["measured"] == before[measured]["measured"] + 2
    assert 0 < after["seconds_from_sign_up_to_mail"]["median"] < 30
