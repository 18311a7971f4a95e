"""Spans of time and moments, as people write and read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ops.terminal.durations import moment, words

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "40 ms"), (1.234, "1.23 s"), (90, "90 s"), (600, "10 min"), (9000, "2.5 h")],
)
def test_a_time_is_said_in_a_unit_that_suits_it(seconds: float, shown: str) -> None:
    assert words(seconds) == shown


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("12h", NOW - timedelta(hours=12)),
        ("2 h", NOW - timedelta(hours=2)),
        ("30m", NOW - timedelta(minutes=30)),
        ("90s", NOW - timedelta(seconds=90)),
        ("2031-05-01", datetime(2031, 5, 1, tzinfo=timezone.utc)),
        ("2031-05-01T02:00:00Z", datetime(2031, 5, 1, 2, tzinfo=timezone.utc)),
        ("2031-05-01T02:00:00+02:00", datetime(2031, 5, 1, tzinfo=timezone.utc)),
    ],
)
def test_since_is_a_moment_or_how_long_ago(text: str, meant: datetime) -> None:
    assert moment(text, NOW) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d",
        "7",
        "7w",
        "1h30m",
        "yesterday",
        "999999d",
        "99999999999d",
        "-1d",
        "0001-01-01T00:00:00+02:00",
        "1969-12-31",
    ],
)
def test_any_other_since_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a date such as 2026-11-24 nor 90s, 10m"):
        moment(text, NOW)
