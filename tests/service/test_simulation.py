"""Rushes and outages, simulated: the numbers that design.md promises.

``PEOPLE=50000 pytest tests/service/test_simulation.py`` is the promise itself; the default is
smaller. The table is kept in build/simulation.txt.
"""

from __future__ import annotations

import logging
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.mail.drain import LONGEST_WAIT
from chalicelib.users.item import slot
from chalicelib.users.moments import epoch, iso
from chalicelib.users.outbox import Claim, Outbox
from chalicelib.users.people import SignUp
from chalicelib.users.table import Item
from tests.support.faults import REPORTS
from tests.support.simulation import (
    DAY,
    LANES,
    SES_RATE,
    MemoryOutbox,
    Stage,
    ses_error,
    signed_up,
)
from tests.support.stores import Store

PEOPLE = int(os.environ.get("PEOPLE", "2000"))
FIRST_DRAIN = 120.0
"""Seconds until a drain has begun: it leaves the stream a minute, and starts each minute."""
FIRST_BURST = LANES * 32
"""SES calls that may be refused before every lane knows that SES's rate is used up."""


@dataclass(frozen=True)
class Result:
    """The figures of one scenario. Seconds, but for ``calls`` and ``refused``."""

    scenario: str
    people: int
    needed: float
    took: float
    calls: int
    refused: int
    longest: float
    fresh: float

    @property
    def row(self) -> tuple[str, ...]:
        minutes = (f"{seconds / 60:.1f}" for seconds in (self.needed, self.took))
        waits = (f"{self.longest / 60:.1f} min", f"{self.fresh:.1f} s")
        share = f"{self.refused} ({self.refused / self.calls:.1%})"
        return (self.scenario, str(self.people), *minutes, str(self.calls), share, *waits)


TITLES = ("scenario", "people", "SES needs", "took", "calls", "refused", "longest wait", "fresh")


@pytest.fixture(scope="module")
def results() -> Iterator[list[Result]]:
    results: list[Result] = []
    yield results
    rows = [TITLES, *(result.row for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" | ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    REPORTS.mkdir(exist_ok=True)
    written = "\n".join(lines) + "\n"
    (REPORTS / "simulation.txt").write_text(written, encoding="utf-8")
    sys.stdout.write("\n" + written)


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """A log line for each mail would take longer than the mail."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def rush(stage: Stage, people: int = PEOPLE) -> None:
    for number in range(people):
        stage.sign_up(f"user{number}@example.org")


def conclude(stage: Stage, scenario: str, results: list[Result], since: float = 0.0) -> Result:
    """Return the figures, counted from ``since``. Everybody was mailed once, without an error."""
    assert stage.owed() == 0
    assert {len(moments) for moments in stage.ses.mailed.values()} == {1}
    assert not stage.errors
    people = sum(email.startswith("user") for email in stage.signed_up)
    waits = stage.waits("user")
    result = Result(
        scenario,
        people,
        needed=len(stage.signed_up) / SES_RATE,
        took=max(moments[0] for moments in stage.ses.mailed.values()) - since,
        calls=stage.ses.calls,
        refused=stage.ses.refused,
        longest=max(waits),
        fresh=max(stage.waits("fresh"), default=0.0),
    )
    results.append(result)
    return result


@pytest.mark.parametrize("every", [10.0, 1.0, 0.5], ids=lambda every: f"one each {every:g} s")
def test_a_rush_is_mailed_at_the_rate_of_ses(
    monkeypatch: pytest.MonkeyPatch, results: list[Result], every: float
) -> None:
    stage = Stage(monkeypatch)
    rush(stage)
    stage.time.start(stage.sign_up_now_and_then, every, 60.0)
    stage.run()
    result = conclude(stage, f"rush, a fresh sign-up each {every:g} s", results)
    assert result.took <= 1.25 * result.needed + (0 if PEOPLE >= 50_000 else FIRST_DRAIN)
    assert result.refused < (0.02 * result.calls if PEOPLE >= 50_000 else FIRST_BURST + 20)
    assert result.fresh <= 60


OUTAGES: dict[str, Callable[[], Exception]] = {
    "sending paused": lambda: ses_error("Sending is paused.", "SendingPausedException", 400),
    "SES unreachable": lambda: EndpointConnectionError(endpoint_url="https://ses.invalid"),
    "SES answers 503": lambda: ses_error("", "ServiceUnavailable", 503),
}


@pytest.mark.parametrize(
    ("days", "outage"),
    [*((1, outage) for outage in OUTAGES), (9, "sending paused"), (9, "SES unreachable")],
)
def test_days_without_ses_lose_and_double_no_mail(
    monkeypatch: pytest.MonkeyPatch, results: list[Result], days: int, outage: str
) -> None:
    """Nine days are more than a sign-up is kept that its user does not confirm."""
    stage = Stage(monkeypatch)
    stage.ses.outage = OUTAGES[outage]
    stage.ses.is_paused = outage == "sending paused"
    ends_at = days * DAY

    def end() -> None:
        stage.time.pause(ends_at)
        stage.ses.outage, stage.ses.is_paused = None, False

    rush(stage, PEOPLE // 20)
    stage.time.start(end)
    stage.time.start(stage.sign_up_now_and_then, 10.0, ends_at + 1)
    stage.run()
    result = conclude(stage, f"{days} d of {outage}", results, ends_at)
    waits = 0.0 if stage.ses.calls < PEOPLE else LONGEST_WAIT.total_seconds()
    assert result.took <= 1.25 * result.needed + FIRST_DRAIN + waits
    assert result.fresh <= 60


def test_what_is_over_the_quota_is_mailed_another_day(
    monkeypatch: pytest.MonkeyPatch, results: list[Result]
) -> None:
    stage = Stage(monkeypatch, per_day=PEOPLE // 2)
    rush(stage)
    stage.run()
    result = conclude(stage, "twice the day's quota", results)
    # SES refuses some before the drain sees the quota; these wait up to LONGEST_WAIT.
    late = LONGEST_WAIT.total_seconds() + FIRST_DRAIN
    assert DAY <= result.took <= DAY + 1.25 * result.needed + late


def test_a_simulated_sign_up_is_a_real_one(moto_store: Store) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
    assert moto_store.users.sign_up(SignUp("a@example.org", "", "", ""), "", now)
    said = ("said_at", "ticket")
    real = moto_store.outbox.read("a@example.org")
    assert {name: value for name, value in real.items() if name not in said} == signed_up(
        "a@example.org", now
    )


def test_the_memory_outbox_does_what_the_real_one_does(store: Store) -> None:
    """Random transitions on both: each returns the same, and leaves the same item."""
    kept = ("email", "mail", "mail_at", "mail_link", "owed", "owed_at", "expires_at")
    emails = [f"user{number}@example.org" for number in range(3)]
    real, memory = Outbox(store.client, store.table), MemoryOutbox()
    dice = random.Random(13)  # noqa: S311 - it is to be the same in every run
    now = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
    images: list[Item] = []
    claims: list[Claim] = []
    done: set[str] = set()

    for step in range(400):
        now += timedelta(seconds=dice.choice((0, 1, 60, 200, 400)))
        act = dice.choice(
            ("put", "put", "claim", "claim", "release", "sent", "failed", "owe", "leave_index")
        )
        results: list[object] = []
        if act == "put" or not images:
            email = dice.choice(emails)
            values = {"email": email}
            if dice.random() < 0.7:
                values |= {"mail": "owed", "mail_at": iso(now), "created_at": iso(now)}
                values |= {"owed": slot(email), "owed_at": iso(now)}
            item: Item = {name: {"S": value} for name, value in values.items()}
            if dice.random() < 0.3:
                item = {**item, "expires_at": {"N": str(epoch(now) + dice.choice((-1, 1)))}}
            store.client.put_item(TableName=store.table, Item=item)
            memory.put(item)
        elif act == "claim":
            image = dice.choice(images[-4:])
            claimed = [outbox.claim(image, f"link{step}", now) for outbox in (real, memory)]
            results = [claim and claim.link_hash for claim in claimed]
            claims += [claim for claim in claimed[:1] if claim]
        elif act == "owe":
            image = dice.choice(images[-4:])
            results = [outbox.owe(image, now) for outbox in (real, memory)]
        elif act == "leave_index" and "mail" in (image := dice.choice(images[-4:])):
            results = [outbox.leave_index(image) for outbox in (real, memory)]
        elif act in ("release", "sent", "failed") and claims:
            claim = dice.choice(claims[-3:])
            results = [getattr(outbox, act)(claim, "text", now) for outbox in (real, memory)]
        assert len(set(results)) <= 1, (step, act, results)
        done |= {f"{act} {bool(result)}" for result in results}
        for email in emails:
            items = (real.read(email), memory.read(email))
            one, other = ({name: item.get(name) for name in kept} for item in items)
            assert one == other, (step, act)
        images.append(real.read(dice.choice(emails)))
        if step % 10 == 0:
            assert list(real.owed(now)) == list(memory.owed(now))
            assert {item["email"]["S"] for item in real.unindexed(0, 1, now)} == {
                item["email"]["S"] for item in memory.unindexed(0, 1, now)
            }

    ended = ("claim", "release", "sent", "failed", "owe", "leave_index")
    assert done == {f"{act} {result}" for act in ended for result in (True, False)}
