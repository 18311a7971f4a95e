"""Moments and spans of time, as people write and read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ops.terminal.durations import iso_moment, moment, words

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "40 ms"), (1.234, "1.23 s"), (90, "90 s"), (600, "10 min"), (9000, "2.5 h")],
)
def test_a_span_is_shown_in_a_unit_that_suits_it(seconds: float, shown: str) -> None:
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
def test_since_is_a_moment_or_a_span(text: str, meant: datetime) -> None:
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
        "٣d",
        "0001-01-01T00:00:00+02:00",
        "1969-12-31",
    ],
)
def test_any_other_since_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date such as 2026-11-24, nor a span"):
        moment(text, NOW)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=timezone.utc)),
        ("2026-11-24T12:30", datetime(2026, 11, 24, 12, 30, tzinfo=timezone.utc)),
        ("2026-11-24 12:30:15", datetime(2026, 11, 24, 12, 30, 15, tzinfo=timezone.utc)),
        ("2026-11-24T12:30:15Z", datetime(2026, 11, 24, 12, 30, 15, tzinfo=timezone.utc)),
        ("2026-11-24t12:30:15z", datetime(2026, 11, 24, 12, 30, 15, tzinfo=timezone.utc)),
        ("2026-11-24 12:30:15 UTC", datetime(2026, 11, 24, 12, 30, 15, tzinfo=timezone.utc)),
        # JavaScript writes milliseconds, .NET seven digits, Go nine.
        ("2026-11-24T12:30:15.5Z", datetime(2026, 11, 24, 12, 30, 15, 500_000, timezone.utc)),
        ("2026-11-24T12:30:15.123Z", datetime(2026, 11, 24, 12, 30, 15, 123_000, timezone.utc)),
        ("2026-11-24T12:30:15.1234567Z", datetime(2026, 11, 24, 12, 30, 15, 123456, timezone.utc)),
        ("2026-11-24T12:30:15,123456789", datetime(2026, 11, 24, 12, 30, 15, 123456, timezone.utc)),
        # PostgreSQL writes the hour of the offset alone, Rails no colon.
        ("2026-11-24 12:30:15.25+01", datetime(2026, 11, 24, 11, 30, 15, 250_000, timezone.utc)),
        ("2026-11-24 12:30:15 -0330", datetime(2026, 11, 24, 16, 0, 15, tzinfo=timezone.utc)),
    ],
)
def test_iso_moments_mean_the_same_on_each_python(text: str, meant: datetime) -> None:
    assert iso_moment(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261124",  # Python 3.11 reads this, 3.10 does not
        "2026-W48-2",
        "2026-11-24T12",
        "2026-11-24X12:30:15",
        "2026-02-30",
        "2026-11-24T24:30",
        "2026-11-24T12:30:15+25:00",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-02:00",
        "\uff12026-11-24",
        "24/11/2026",
    ],
)
def test_other_texts_are_not_iso_moments_on_any_python(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time in ISO 8601"):
        iso_moment(text)
