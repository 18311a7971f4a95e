"""The logs of all functions: each line once, in order of time, in any format."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from chalicelib.logs import hashed
from ops.__main__ import ops
from ops.logs import command as logs_command
from ops.logs.log_stream import Entry, Logs
from ops.stage import cloud, option
from ops.stage.cloud import Cloud
from ops.stage.project import Project
from ops.terminal import durations

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
REQUEST = "6d3e8c48-6e72-4d03-a929-40b96a164916"


class CloudWatch:
    """Log groups of events, of which each call sees those that have arrived by then."""

    class exceptions:  # noqa: N801 - boto3's name
        class ResourceNotFoundException(ClientError):
            pass

    def __init__(self, *, numbered: bool = True, page: int = 2) -> None:
        self.groups: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, int]] = []
        self._numbered = numbered
        self._page = page
        self._numbers = itertools.count()

    def log(self, group: str, ago: float, message: str, stream: str = "one") -> None:
        moment = NOW - timedelta(seconds=ago)
        event = {
            "timestamp": round(moment.timestamp() * 1000),
            "logStreamName": stream,
            "message": message,
        }
        if self._numbered:
            event["eventId"] = str(next(self._numbers))
        self.groups.setdefault(group, []).append(event)

    def get_paginator(self, operation: str) -> Any:
        assert operation == "filter_log_events"
        return self

    def paginate(self, logGroupName: str, startTime: int) -> Iterator[Any]:  # noqa: N803 - boto3's
        self.asked.append((logGroupName, startTime))
        if logGroupName not in self.groups:
            raise self.exceptions.ResourceNotFoundException({"Error": {}}, "")
        found = [one for one in self.groups[logGroupName] if one["timestamp"] >= startTime]
        found.sort(key=lambda one: one["timestamp"])
        for start in range(0, len(found), self._page):
            yield {"events": found[start : start + self._page]}


class Clock:
    """A clock that pausing moves on; what happens meanwhile is played, one step a pause."""

    def __init__(self, *steps: Any) -> None:
        self.moment = NOW
        self._steps = list(steps)

    def now(self) -> datetime:
        return self.moment

    def pause(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        if not self._steps:
            raise KeyboardInterrupt
        self._steps.pop(0)()


def nothing() -> None:
    pass


def source(watch: CloudWatch, clock: Clock, **groups: str) -> Logs:
    return Logs(watch, groups or {"api": "a", "mailer": "m"}, clock.now, clock.pause)


def read(watch: CloudWatch) -> list[Entry]:
    return list(source(watch, Clock()).read(NOW - timedelta(hours=1)))


def followed(watch: CloudWatch, *steps: Any) -> list[str]:
    entries = source(watch, Clock(*steps)).follow(NOW - timedelta(hours=1))
    found: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(entry.message for entry in entries)
    return found


def test_lines_of_all_groups_and_pages_come_in_order() -> None:
    watch = CloudWatch()
    for ago in (9, 7, 5, 3, 1):
        watch.log("a", ago, f"[INFO] {ago}")
        watch.log("m", ago - 0.5, f"[INFO] {ago - 0.5}")
    found = read(watch)
    assert [entry.moment for entry in found] == sorted(entry.moment for entry in found)
    assert [entry.function for entry in found] == ["api", "mailer"] * 5


def test_a_missing_log_group_is_empty() -> None:
    watch = CloudWatch()
    watch.log("m", 9, "[INFO] alone")
    assert [entry.message for entry in read(watch)] == ["alone"]


@pytest.mark.parametrize("numbered", [True, False])
def test_overlapping_polls_show_a_line_once(numbered: bool) -> None:
    watch = CloudWatch(numbered=numbered)
    watch.log("a", 10, "[INFO] first")
    watch.log("a", 10, "[INFO] first")  # said twice at one time: shown twice
    assert followed(watch, nothing, nothing, lambda: watch.log("a", 0, "[INFO] last")) == [
        "first",
        "first",
        "last",
    ]


def test_a_line_that_arrives_late_is_still_shown() -> None:
    watch = CloudWatch()
    watch.log("a", 3, "[INFO] on time")
    assert followed(watch, nothing, lambda: watch.log("m", 12, "[INFO] late")) == [
        "on time",
        "late",
    ]


def test_a_line_waits_for_an_earlier_one_of_another_function() -> None:
    watch = CloudWatch()
    watch.log("m", 0.1, "[INFO] second")
    assert followed(watch, lambda: watch.log("a", 0.2, "[INFO] first"), nothing) == [
        "first",
        "second",
    ]


def test_following_asks_only_for_recent_lines() -> None:
    watch = CloudWatch()
    followed(watch, *[nothing] * 30)
    first, last = watch.asked[0][1], watch.asked[-1][1]
    assert first == (NOW - timedelta(hours=1)).timestamp() * 1000
    assert last >= (NOW + timedelta(seconds=30)).timestamp() * 1000


def as_json(**record: object) -> str:
    return json.dumps(record)


def platform(kind: str, **record: object) -> str:
    return json.dumps(
        {"time": "2026-11-24T12:00:00Z", "type": f"platform.{kind}", "record": record}
    )


METRICS = {"durationMs": 12.34, "billedDurationMs": 13, "memorySizeMB": 512, "maxMemoryUsedMB": 81}


@pytest.mark.parametrize(
    ("text", "level", "message", "is_platform"),
    [
        ("[INFO] mail sent user=e16bfe08be11", "INFO", "mail sent user=e16bfe08be11", False),
        (f"[WARNING]\t2026-11-24T12:00:00.123Z\t{REQUEST}\tslow\n", "WARNING", "slow", False),
        (
            as_json(timestamp="2026-11-24T12:00:00Z", level="ERROR", message="no", logger="x"),
            "ERROR",
            "no",
            False,
        ),
        (
            as_json(
                log_level="ERROR",
                errorType="StillOwed",
                errorMessage="1 of 2",
                stackTrace=['  File "app.py"\n', "    mail()\n"],
            ),
            "ERROR",
            'StillOwed: 1 of 2\n  File "app.py"\n    mail()',
            False,
        ),
        (
            as_json(level="ERROR", message="failed", errorType="KeyError", stackTrace=["  File"]),
            "ERROR",
            "failed\nKeyError\n  File",
            False,
        ),
        (as_json(level="LOUD", message="x"), "INFO", "x", False),
        (as_json(level=None, message={"a": 1}), "INFO", "{'a': 1}", False),
        (platform("start", requestId=REQUEST), "DEBUG", "start", True),
        (platform("report", metrics=METRICS), "DEBUG", "took 12 ms, 81 of 512 MB", True),
        (
            platform("report", metrics={**METRICS, "initDurationMs": 400.4}, status="success"),
            "DEBUG",
            "took 12 ms, 81 of 512 MB, cold start 400 ms",
            True,
        ),
        (
            platform("report", metrics=METRICS, status="timeout"),
            "ERROR",
            "invocation ended: timeout, took 12 ms, 81 of 512 MB",
            False,
        ),
        (platform("report", metrics="none"), "DEBUG", "", True),
        (json.dumps({"type": "platform.report", "record": 1}), "DEBUG", "", True),
        (f"START RequestId: {REQUEST} Version: $LATEST", "DEBUG", "start", True),
        (f"END RequestId: {REQUEST}", "DEBUG", "end", True),
        (
            (
                f"REPORT RequestId: {REQUEST}\tDuration: 893.20 ms\tBilled Duration: 894 ms\t"
                "Memory Size: 512 MB\tMax Memory Used: 80 MB\tInit Duration: 401.5 ms\t"
            ),
            "DEBUG",
            "took 893 ms, 80 of 512 MB, cold start 402 ms",
            True,
        ),
        (
            f"REPORT RequestId: {REQUEST}\tDuration: 60000 ms\tStatus: timeout",
            "ERROR",
            "invocation ended: timeout, took 60000 ms",
            False,
        ),
        (
            f"2026-11-24T12:00:00.123Z {REQUEST} Task timed out after 60.00 seconds",
            "ERROR",
            "Task timed out after 60.00 seconds",
            False,
        ),
        (
            "Traceback (most recent call last):",
            "ERROR",
            "Traceback (most recent call last):",
            False,
        ),
        ("just printed", "INFO", "just printed", False),
        ("{not json", "INFO", "{not json", False),
        ("[1, 2]", "INFO", "[1, 2]", False),
        ("", "INFO", "", False),
    ],
)
def test_each_format_of_lambda_is_read(
    text: str, level: str, message: str, is_platform: bool
) -> None:
    watch = CloudWatch()
    watch.log("a", 9, text)
    (entry,) = read(watch)
    assert (entry.level, entry.message, entry.is_platform) == (level, message, is_platform)


def test_a_split_stack_trace_is_joined() -> None:
    watch = CloudWatch(numbered=False)
    for line in ("[ERROR] mail still owed user=1: KeyError", '  File "app.py"', "    mail()"):
        watch.log("m", 9, line)
    watch.log("m", 9, "[INFO] batch: 1 still owed")
    watch.log("m", 9, "Traceback (most recent call last):")
    watch.log("m", 9, "KeyError: 'Records'")
    watch.log("m", 9, f"END RequestId: {REQUEST}")
    watch.log("m", 9, "of another", stream="two")
    assert [entry.message for entry in read(watch)] == [
        'mail still owed user=1: KeyError\n  File "app.py"\n    mail()',
        "batch: 1 still owed",
        "Traceback (most recent call last):\nKeyError: 'Records'",
        "end",
        "of another",
    ]


@pytest.fixture
def watch(project: Project, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    """The logs of a deployed stage prod, which the command line finds."""
    roles = {name: f"arn:{name}" for name in ("api_handler", "send_validation_mail")}
    project.record({"USERS_TABLE": "users", "BASE_URL": "https://x"}, roles)
    found = CloudWatch()
    session: Any = type("Session", (), {"client": lambda _, service: {"logs": found}[service]})()
    account = Cloud(session, "123456789012", "eu-west-3", lambda *_: "")
    monkeypatch.setattr(cloud, "connect", lambda: account)
    monkeypatch.setattr(option, "CHECKOUT", project.folder)
    monkeypatch.setattr(durations, "now", lambda: NOW)
    return found


API, MAILER = "/aws/lambda/bienvenue-prod", "/aws/lambda/bienvenue-prod-send_validation_mail"


def run(*options: str) -> Result:
    return CliRunner().invoke(ops, ["logs", "--stage", "prod", "--no-follow", *options])


def test_the_command_shows_time_function_level_and_message(watch: CloudWatch) -> None:
    watch.log(API, 60, f"START RequestId: {REQUEST} Version: $LATEST")
    watch.log(API, 59.5, "[INFO] signed up user=1")
    watch.log(MAILER, 58.25, "[ERROR] no\n  File \x1b[31mx")
    done = run()
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        "Tuesday 24 November 2026, UTC\n"
        "11:59:00.500  api_handler           INFO    signed up user=1\n"
        "11:59:01.750  send_validation_mail  ERROR   no\n"
        "      File \ufffd[31mx\n"
    )
    assert "11:59:00.000  api_handler           start\n" in run("--verbose").stdout


def test_the_date_is_shown_where_it_changes(watch: CloudWatch) -> None:
    watch.log(API, 13 * 3600, "[INFO] yesterday")
    watch.log(API, 1, "[INFO] today")
    lines = run("--since", "1d").stdout.splitlines()
    assert [line for line in lines if "2026" in line] == [
        "Monday 23 November 2026, UTC",
        "Tuesday 24 November 2026, UTC",
    ]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], ["a info", "m info", "m warning", "m error"]),
        (["--level", "warning"], ["m warning", "m error"]),
        (["--function", "api_handler"], ["a info"]),
        (["--since", "90s"], ["m warning", "m error"]),
        (["--since", "2026-11-24T11:58:30Z"], ["m warning", "m error"]),
        (["--level", "DEBUG"], ["a debug", "a info", "m info", "m warning", "m error"]),
    ],
)
def test_options_choose_the_lines(watch: CloudWatch, options: list[str], shown: list[str]) -> None:
    watch.log(API, 400, "[DEBUG] a debug")
    watch.log(API, 300, "[INFO] a info")
    watch.log(MAILER, 100, "[INFO] m info")
    watch.log(MAILER, 50, "[WARNING] m warning")
    watch.log(MAILER, 40, "[ERROR] m error")
    watch.log(API, 4000, "[ERROR] long ago")
    lines = run(*options).stdout.splitlines()[1:]
    assert [" ".join(line.split()[3:]) for line in lines] == shown


@pytest.mark.parametrize(
    "user", ["alexis@example.org", " Alexis@Example.ORG", hashed("alexis@example.org")]
)
def test_a_user_is_found_by_address_or_hash(watch: CloudWatch, user: str) -> None:
    watch.log(API, 9, f"[INFO] signed up user={hashed('alexis@example.org')}")
    watch.log(API, 8, f"[INFO] signed up user={hashed('horn@example.org')}")
    watch.log(MAILER, 7, f"[ERROR] mail failed user={hashed('alexis@example.org')}\n  frame")
    done = run("--user", user)
    assert done.stdout.count("user=") == 2
    assert "  frame" in done.stdout
    assert "alexis" not in str(watch.asked).lower()


def test_a_user_is_found_by_the_spelling_of_another_program(watch: CloudWatch) -> None:
    watch.log(MAILER, 9, f"[INFO] mail sent user={hashed('Mixed@Example.org')}")
    assert "mail sent" in run("--user", "Mixed@Example.org").stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--function", "mailer"], "Choose one of: api_handler, send_validation_mail"),
        (["--function", ""], "Choose one of: api_handler, send_validation_mail"),
        (["--user", ""], "--user: is empty"),
        (["--since", "yesterday"], "not a date such as 2026-11-24, nor a span"),
        (["--level", "LOUD"], "is not one of 'debug', 'info'"),
    ],
)
@pytest.mark.usefixtures("watch")
def test_a_wrong_logs_command_is_refused(options: list[str], words: str) -> None:
    done = run(*options)
    assert done.exit_code != 0
    assert words in " ".join(done.stderr.split())


def test_ctrl_c_ends_the_logs_without_an_error(
    watch: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.log(API, 9, "[INFO] shown")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(logs_command.time, "sleep", interrupted)
    done = CliRunner().invoke(ops, ["logs", "--stage", "prod"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "shown" in done.stdout
