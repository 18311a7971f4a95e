"""The funnel against a plain count, and medians against exact ones."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import asdict
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import boto3
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ops.__main__ import ops
from ops.metrics import chart, command, funnel
from ops.metrics.funnel import PRECISION, Durations, Funnel, Metrics
from ops.stage import cloud, lookup, option
from ops.stage.cloud import Cloud
from ops.stage.project import Project
from ops.terminal.text import Terminal
from ops.users.store import OperatorsUsers
from tests.support import stores
from tests.support.stores import Store, typed

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
STATES = ("owed", "sending", "sent", "delivered", "failed", "bounced", "complained", "refused")


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sign_up(
    *, ago: timedelta = timedelta(hours=1), mail: str = "sent", mails: int = 1, **more: Any
) -> dict[str, Any]:
    created = NOW - ago
    return typed(
        {
            "created_at": iso(created),
            "mail": mail,
            "mail_at": iso(created + timedelta(seconds=2)),
            "mail_count": mails,
            **more,
        }
    )


def counted(*items: dict[str, Any], days: int = 30) -> Metrics:
    return funnel.count([list(items)], Metrics.of_days(days, NOW))


@given(st.lists(st.floats(0.001, 10_000_000), min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_within_1_percent_of_the_exact_one(
    seconds: list[float], share: float
) -> None:
    durations = Durations()
    for one in seconds:
        durations.add(one)
    exact = sorted(seconds)[max(math.ceil(share * len(seconds)), 1) - 1]
    assert durations.quantile(share) == pytest.approx(exact, rel=PRECISION)


def test_memory_does_not_grow_with_the_count() -> None:
    durations = Durations()
    for number in range(100_000):
        durations.add(number % 5_000_000 / 7)
    assert durations.count == 100_000
    assert len(durations._classes) < 1500


def test_the_median_of_nothing_is_none() -> None:
    assert Durations().quantile(0.5) is None


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "mail": st.sampled_from((*STATES, "nonsense")),
                "mail_count": st.integers(0, 5),
                "validated_at": st.just(iso(NOW)),
                "created_at": st.sampled_from((iso(NOW), "yesterday", 7)),
            },
        )
    )
)
def test_the_funnel_equals_a_plain_count(people: list[dict[str, Any]]) -> None:
    def is_mailed(user: dict[str, Any]) -> bool:
        mail, mails = user.get("mail"), user.get("mail_count", 0)
        if mail in ("sent", "delivered", "bounced", "complained"):
            return True
        return mails > 1 or (mails == 1 and mail not in ("sending", "failed"))

    found = counted(*(typed(person) for person in people))
    everybody = found.everybody
    for name in ("delivered", "failed", "bounced", "complained", "refused"):
        assert getattr(everybody, name) == sum(one.get("mail") == name for one in people)
    assert everybody.signed_up == len(people)
    assert everybody.validated == sum("validated_at" in one for one in people)
    assert everybody.mailed == sum(map(is_mailed, people))
    assert everybody.unconfirmed == sum(
        is_mailed(user) and "validated_at" not in user for user in people
    )
    assert sum(chart.parts(everybody).values()) == len(people)
    assert everybody.owed == sum(
        "validated_at" not in one and one.get("mail", "owed") in ("owed", "sending")
        for one in people
    )
    assert found.sign_ups.signed_up == sum(one.get("created_at") == iso(NOW) for one in people)
    assert found.recent == found.sign_ups


def test_times_are_sign_up_to_mail_and_mail_to_click() -> None:
    found = counted(
        *(
            sign_up(
                ago=timedelta(hours=2),
                mail_at=iso(NOW - timedelta(hours=2) + timedelta(seconds=mail)),
                validated_at=iso(NOW - timedelta(hours=2) + timedelta(seconds=mail + click)),
            )
            for mail, click in ((1, 600), (2, 30), (9, 60))
        )
    )
    assert found.to_mail.quantile(0.5) == pytest.approx(2, rel=PRECISION)
    assert found.to_mail.quantile(0.9) == pytest.approx(9, rel=PRECISION)
    assert found.to_validation.quantile(0.5) == pytest.approx(60, rel=PRECISION)


@pytest.mark.parametrize(
    "item",
    [
        sign_up(mails=2),  # mail_at is the latest mail's
        sign_up(mail="bounced"),  # mail_at is the bounce's
        sign_up(mail_at="soon"),
        sign_up(mail_at=iso(NOW - timedelta(days=9))),  # before the sign-up: another program's
        typed({"mail": "sent", "mail_at": iso(NOW), "mail_count": 1}),
    ],
)
def test_a_time_that_the_item_lacks_is_not_measured(item: dict[str, Any]) -> None:
    assert counted(item).to_mail.count == 0


def test_a_delivered_mail_has_its_times() -> None:
    """SES took it 1.5 s before it was delivered, which is 2 s after the sign-up."""
    at = NOW - timedelta(hours=1)
    found = counted(
        sign_up(
            mail="delivered",
            delivered_at=iso(at + timedelta(seconds=2)),
            delivery_ms=1500,
            validated_at=iso(at + timedelta(seconds=60.5)),
        )
    )
    assert found.to_mail.quantile(0.5) == pytest.approx(0.5, rel=PRECISION)
    assert found.to_delivery.quantile(0.5) == pytest.approx(1.5, rel=PRECISION)
    assert found.to_validation.quantile(0.5) == pytest.approx(60, rel=PRECISION)
    assert (found.everybody.mailed, found.everybody.delivered) == (1, 1)


def test_a_second_mail_on_another_day_is_not_measured_as_first() -> None:
    assert counted(sign_up(mail_window_at=iso(NOW + timedelta(days=2)))).to_mail.count == 0


def test_a_late_delivery_is_not_measured() -> None:
    """Its mail_at is when SES said so."""
    assert counted(sign_up(mail_error="mailbox full")).to_mail.count == 0


def test_a_click_before_the_mail_is_not_measured() -> None:
    assert counted(sign_up(validated_at=iso(NOW - timedelta(hours=1)))).to_validation.count == 0


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"created_at": {"N": "7"}},
        {"created_at": {"S": "9999-99-99"}},
        {"mail": {"SS": ["sent"]}, "mail_count": {"S": "many"}},
        {"mail_count": {"N": "1.5"}, "mail_at": {"NULL": True}},
        {"created_at": {"S": "0001-01-01T00:00:00+14:00"}},
    ],
)
def test_any_item_of_another_program_counts_as_a_user(item: dict[str, Any]) -> None:
    found = counted(item)
    assert (found.others.signed_up, found.sign_ups.signed_up) == (1, 0)
    assert found.recent == Funnel()


def test_days_are_utc_days_and_todays_is_the_last() -> None:
    found = counted(
        sign_up(ago=timedelta(0)),
        sign_up(ago=timedelta(hours=12)),
        sign_up(ago=timedelta(hours=12, seconds=1)),
        sign_up(ago=timedelta(days=90)),
        days=2,
    )
    assert {day.isoformat(): funnel.signed_up for day, funnel in found.days.items()} == {
        "2026-11-23": 1,
        "2026-11-24": 2,
    }
    assert found.everybody.signed_up == 4


def test_a_moment_without_a_zone_is_utc() -> None:
    assert funnel.moment({"created_at": {"S": "2026-11-24T12:00:00"}}, "created_at") == NOW


def test_a_day_is_whole_until_its_first_sign_ups_may_be_deleted() -> None:
    found = counted()
    assert found.is_whole(date(2026, 11, 18))
    assert not found.is_whole(date(2026, 11, 17))


def test_the_table_is_counted_by_pages_without_addresses(store: Store) -> None:
    for number in range(6):
        store.put(f"{number}@example.org", nom="x" * 300_000, mail="sent", mail_count=1)
    asked: list[Any] = []
    store.client.meta.events.register(
        "provide-client-params.dynamodb.Scan", lambda params, **_: asked.append(dict(params))
    )
    heard: list[int] = []
    pages = OperatorsUsers(store.client, store.table, store.mailboxes).pages(funnel.ATTRIBUTES)
    found = funnel.count(pages, Metrics.of_days(1, NOW), heard.append)
    assert found.everybody.mailed == 6
    assert len(heard) > 1
    assert heard[-1] == 6
    assert "email" not in asked[0]["ProjectionExpression"]


def test_json_has_the_same_numbers() -> None:
    found = funnel.as_json(counted(sign_up(), sign_up(mail="bounced"), typed({"nom": "x"})))
    assert found["everybody"]["signed_up"] == 3
    assert found["everybody"]["bounced_share"] == 50.0
    assert found["put_by_other_programs"]["owed"] == 1
    assert found["seconds_from_sign_up_to_mail"]["measured"] == 1
    assert found["seconds_from_mail_to_validation"]["median"] is None
    assert found["days"][-1]["signed_up"] == 2
    assert json.dumps(found)


SVG = {"svg": "http://www.w3.org/2000/svg"}


def test_the_picture_has_a_text_alternative() -> None:
    found = counted(sign_up(), sign_up(mail="failed", mails=0))
    drawn = ElementTree.fromstring(chart.draw(found, "Sign-ups of <us> & them"))  # noqa: S314
    assert drawn.findtext("svg:title", "", SVG) == "Sign-ups of <us> & them"
    described = drawn.findtext("svg:desc", "", SVG)
    assert described.startswith("2 signed up since 2026-10-26, 1 were mailed, 0 validated (0.0 %).")
    assert "Fainter days" in described
    days = [one.findtext("svg:title", "", SVG) for one in drawn.findall("svg:g", SVG)]
    assert len(days) == 30
    assert days[-1] == "2026-11-24: 2 signed up, 1 mailed, 0 validated"


def test_the_picture_explains_faint_days_if_it_has_some() -> None:
    found = Metrics.of_days(3, NOW)
    assert found.is_whole(found.first_day)
    assert "ainter" not in chart.draw(found, "x")


@pytest.mark.parametrize("people", [0, 1, 7, 110, 12_345])
def test_bars_are_to_scale_and_stay_in_the_picture(people: int) -> None:
    found = counted()
    found.days[NOW.date()] = Funnel(
        signed_up=people, mailed=people, validated=people // 2, unconfirmed=people - people // 2
    )
    drawn = ElementTree.fromstring(chart.draw(found, "x"))  # noqa: S314
    bars = [one for group in drawn.findall("svg:g", SVG) for one in group.findall("svg:rect", SVG)]
    heights = {bar.get("class"): float(bar.get("height", 0)) for bar in bars}
    assert sum(heights.values()) <= chart.HEIGHT
    assert all(float(bar.get("y", -1)) >= 0 for bar in bars)
    if people > 1:
        assert heights["validated"] / sum(heights.values()) == pytest.approx(
            (people // 2) / people, abs=0.01
        )


@pytest.fixture
def prod(moto_store: Store, project: Project, monkeypatch: pytest.MonkeyPatch) -> stores.Store:
    """The table of a deployed stage prod, which the command line finds."""
    project.record({"USERS_TABLE": moto_store.table, "BASE_URL": "https://x"}, {})
    account = Cloud(boto3.Session(), "123456789012", "eu-west-3", lambda *_: "")
    monkeypatch.setattr(cloud, "connect", lambda: account)
    monkeypatch.setattr(option, "CHECKOUT", project.folder)
    assert lookup.find(project.folder, "prod", project.folder)
    return moto_store


def test_the_command_shows_the_funnel_and_draws_it(prod: Store, tmp_path: Path) -> None:
    now = datetime.now(timezone.utc)
    prod.put(
        "alexis@example.org",
        created_at=iso(now - timedelta(seconds=20)),
        mail="sent",
        mail_at=iso(now - timedelta(seconds=18)),
        mail_count=1,
        validated_at=iso(now),
    )
    prod.put("horn@example.org", nom="Horn")
    svg = tmp_path / "build" / "days.svg"
    done = CliRunner().invoke(ops, ["metrics", "--stage", "prod", "--svg", str(svg)])
    assert done.exit_code == 0, done.output
    assert re.search(r"Signed up +2 +1", done.stdout)
    assert re.search(r"Validated +1 +50.0 % +1 +100.0 %", done.stdout)
    assert re.search(r"Sign-up to mail +median (2|1\.9\d|2\.0\d) s", done.stdout)
    assert "last 30 days" in done.stdout
    shown = done.stdout.partition("\nDrawn into")[0]
    assert max(map(len, shown.splitlines())) <= 80
    assert "1 of all users came from imports and other programs." in done.stdout
    assert re.search(rf"{now:%a %d %b} +1 +█+", done.stdout)
    assert "@" not in done.stdout
    assert svg.read_text().startswith("<svg")


@pytest.mark.usefixtures("prod")
def test_a_single_day_is_today() -> None:
    done = CliRunner().invoke(ops, ["metrics", "--stage", "prod", "--days", "1"])
    assert re.search(r"all users +today", done.stdout)


@pytest.mark.usefixtures("prod")
def test_an_unwritable_drawing_is_refused_before_counting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(OperatorsUsers, "pages", lambda *_: counted.append("all") or [])
    (tmp_path / "taken").touch()
    svg = tmp_path / "taken" / "days.svg"
    done = CliRunner().invoke(ops, ["metrics", "--stage", "prod", "--svg", str(svg)])
    assert (done.exit_code, counted) == (1, [])
    assert str(tmp_path / "taken") in done.stderr


def test_the_command_prints_json(prod: Store) -> None:
    prod.put("horn@example.org", nom="Horn")
    done = CliRunner().invoke(ops, ["metrics", "--stage", "prod", "--json", "--days", "3"])
    content = json.loads(done.stdout)
    assert (content["stage"], len(content["days"])) == ("prod", 3)
    assert content["everybody"] | asdict(Funnel(signed_up=1, owed=1)) == content["everybody"]


@pytest.mark.usefixtures("prod")
def test_an_empty_table_is_shown_too() -> None:
    done = CliRunner().invoke(ops, ["metrics", "--stage", "prod"])
    assert done.exit_code == 0, done.output
    assert "none yet" in done.stdout


def test_reminders_and_welcomes_are_counted() -> None:
    reminded = iso(NOW - timedelta(minutes=30))
    metrics = counted(
        sign_up(reminded_at=reminded),
        sign_up(reminded_at=reminded, validated_at=iso(NOW)),
        sign_up(reminded_at=reminded, validated_at=iso(NOW - timedelta(minutes=40))),
        sign_up(validated_at=iso(NOW), welcomed_at=iso(NOW)),
    ).everybody
    assert (metrics.reminded, metrics.validated_after_reminder, metrics.welcomed) == (3, 1, 1)


def test_a_welcome_hides_no_time_of_the_mail_before_it() -> None:
    mailed = NOW - timedelta(minutes=50)
    metrics = counted(
        sign_up(
            mail="delivered",
            delivered_at=iso(NOW),
            delivery_ms=900,
            mailed_at=iso(mailed),
            validated_at=iso(mailed + timedelta(minutes=5)),
            welcomed_at=iso(NOW),
        )
    )
    assert metrics.to_validation.quantile(0.5) == pytest.approx(300, rel=PRECISION)


def test_only_stages_that_remind_or_welcome_have_such_rows() -> None:
    def shown(*items: dict[str, Any]) -> str:
        console = Terminal(file=io.StringIO(), width=80, highlight=False)
        command.show(console, counted(*items), 30)
        return cast(io.StringIO, console.file).getvalue()

    assert "Reminded" not in shown(sign_up())
    assert "Welcomed" not in shown(sign_up())
    assert "Reminded" in shown(sign_up(reminded_at=iso(NOW)))
    assert "Welcomed" in shown(sign_up(validated_at=iso(NOW), welcomed_at=iso(NOW)))
