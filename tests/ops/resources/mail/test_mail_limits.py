"""The limits of mails: from SES's quota, unless the operator set others."""

from __future__ import annotations

from typing import Any

import pytest

from ops.resources.mail import mail_limits
from ops.resources.mail.mail_limits import MailLimits


def account(per_day: float, per_second: float) -> Any:
    return {"SendQuota": {"Max24HourSend": per_day, "MaxSendRate": per_second}}


@pytest.mark.parametrize(
    ("per_day", "per_second", "limits"),
    [
        pytest.param(200.0, 1.0, MailLimits(180, 180), id="the sandbox"),
        pytest.param(50_000.0, 14.0, MailLimits(45_000, 45_000), id="a new account"),
        pytest.param(1_000_000.0, 14.0, MailLimits(900_000, 45_360), id="a slow account"),
        pytest.param(-1.0, 14.0, MailLimits(1_088_640, 45_360), id="an account without a quota"),
    ],
)
def test_ten_percent_of_the_quota_are_left_to_others(
    per_day: float, per_second: float, limits: MailLimits
) -> None:
    assert mail_limits.read(account(per_day, per_second)) == limits


def test_limits_follow_the_quota_until_an_operator_sets_one() -> None:
    sandbox, outside = MailLimits(180, 180), MailLimits(45_000, 45_000)
    recorded = sandbox.settings({}, {})
    assert recorded == {"MAILS_PER_DAY": "180", "MAILS_PER_HOUR": "180"}
    raised = outside.settings(recorded, sandbox.parameters())
    assert raised == {"MAILS_PER_DAY": "45000", "MAILS_PER_HOUR": "45000"}
    own = {**raised, "MAILS_PER_HOUR": "500"}
    assert outside.settings(own, outside.parameters()) == own
    assert sandbox.settings(own, outside.parameters()) == {
        "MAILS_PER_DAY": "180",
        "MAILS_PER_HOUR": "500",
    }


def test_a_limit_set_before_the_first_deploy_is_the_operators() -> None:
    own = {"MAILS_PER_DAY": "100", "MAILS_PER_HOUR": "20"}
    assert MailLimits(180, 180).settings(own, {}) == own
