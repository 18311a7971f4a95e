"""The pace of an import: SES's quota, less a share for sign-ups."""

from __future__ import annotations

import math
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from ops.stage.errors import DeployError
from ops.users.pace import Pace, Quota, quota


class Ses:
    """An account with a quota, that remembers whether it was asked for it."""

    def __init__(self, daily: float = 50000, sent: float = 0, rate: float = 14) -> None:
        self.asked = False
        self._quota = {"Max24HourSend": daily, "SentLast24Hours": sent, "MaxSendRate": rate}

    def get_account(self) -> Any:
        self.asked = True
        return {"SendQuota": self._quota}


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (Ses(50000, 0, 14), Quota(12.6, 45000)),
        (Ses(50000, 40000, 14), Quota(12.6, 5000)),
        (Ses(200, 199, 1), Quota(0.9, 0)),
        (Ses(-1, 1000, 100), Quota(90, math.inf)),
    ],
)
def test_sign_ups_keep_10_percent_of_the_quota(account: Any, expected: Quota) -> None:
    found = quota(account, None, None)
    assert found.rate == pytest.approx(expected.rate)
    assert found.mails == expected.mails


def test_the_operators_numbers_replace_the_quota() -> None:
    account: Any = Ses()
    assert quota(account, 1000, None) == Quota(1000, 45000)
    assert quota(account, None, 3).mails == 3


def test_ses_is_not_asked_if_the_operator_names_both_numbers() -> None:
    account: Any = Ses()
    assert quota(account, 2, 3) == Quota(2, 3)
    assert not account.asked


def test_a_missing_permission_for_the_quota_is_reported() -> None:
    class Closed:
        def get_account(self) -> Any:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetAccount")

    closed: Any = Closed()
    with pytest.raises(DeployError, match="may not GetAccount"):
        quota(closed, None, None)


@given(st.floats(0.1, 500), st.lists(st.sampled_from(["take", "give back"]), max_size=200))
def test_mails_never_exceed_the_rate(rate: float, steps: list[str]) -> None:
    clock = 0.0
    pace = Pace(Quota(rate, 1000), lambda: clock)
    asked = 0
    for step in steps:
        if step == "give back" and asked:
            pace.give_back()
            asked -= 1
            continue
        clock += pace.wait()
        assert pace.wait() == pytest.approx(0, abs=1e-6)
        pace.take()
        asked += 1
        assert asked <= clock * rate + max(rate / 4, 1) + 1e-3


def test_a_slow_pace_allows_one_mail_at_a_time() -> None:
    clock = 0.0
    pace = Pace(Quota(0.9, 10), lambda: clock)
    assert pace.wait() == 0
    pace.take()
    assert pace.wait() == pytest.approx(1 / 0.9)
    pace.give_back()
    assert pace.wait() == 0


def test_mails_are_used_up_unless_some_are_given_back() -> None:
    pace = Pace(Quota(1000, 2), lambda: 0.0)
    pace.take()
    pace.take()
    assert pace.spent
    assert pace.wait() == math.inf
    pace.give_back()
    assert not pace.spent
    assert pace.wait() == 0
