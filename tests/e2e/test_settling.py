"""A whole deploy while AWS settles: late roles, busy functions, throttled calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ops.run import local_stack
from tests.e2e import settling
from tests.e2e.settling import Account
from tests.e2e.stack import ROOT
from tests.e2e.test_deploy import Stage, left
from tests.support import local_cloud


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Account]]:
    """A stage that was deployed through the proxy."""
    folder = tmp_path_factory.mktemp("settling")
    with (
        local_cloud.running(folder / "cloud.log") as cloud,
        settling.before(cloud) as (endpoint, account),
    ):
        stage = Stage(endpoint, folder / "project")
        local_stack.copy(ROOT, stage.folder)
        stage.client("sesv2").create_email_identity(EmailIdentity=local_stack.MAIL_FROM)
        stage.deploy()
        yield stage, account


def test_a_first_deploy_waits_until_aws_has_settled(deployed: tuple[Stage, Account]) -> None:
    stage, account = deployed
    assert account.seen["role"] == 4 * settling.LOOKS
    assert account.seen["stream"] == settling.LOOKS
    for kind in ("Pending", "Creating", "throttled"):
        assert account.seen[kind], account.seen
    (mapping,) = stage.mappings()
    assert mapping["State"] == "Enabled"
    stage.journey("settled@example.org")


def test_a_second_deploy_waits_for_each_update(deployed: tuple[Stage, Account]) -> None:
    stage, account = deployed
    before = stage.beyond_chalice()
    account.seen.clear()
    stage.add_route("/again")
    stage.deploy()
    assert account.seen["InProgress"] >= 4, account.seen
    assert stage.get("/again") == b"/again"
    assert stage.beyond_chalice() == before


def test_a_stage_is_taken_down_while_calls_are_throttled(deployed: tuple[Stage, Account]) -> None:
    stage, account = deployed
    account.seen.clear()
    stage.deploy("destroy")
    assert account.seen["throttled"] > settling.DELETIONS
    assert set(left(stage)) == {"tables", "identities", "parameters"}
