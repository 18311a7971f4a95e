"""The functions before a fake AWS: cold start, warm request, batch, calls, size."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import events, fake_aws
from benchmarks.contest import BEFORE, OURS, Result, in_turn, once
from benchmarks.fake_aws import FakeAws
from benchmarks.packages import Package
from benchmarks.processes import Function, Run, run

STUBBED = Path(__file__).with_name("stubbed.py")
BARE = "(i) bare boto3"
POWERTOOLS = "(ii) Powertools"
ARTICLE = "(iii) the article's"
CHALICE = "bare Chalice"
POOL = "pool, sends only"
POOL_OF_THREE = "pool, same calls"
REQUESTS = (
    ("POST /users", events.post_user(), "bare.post_user"),
    ("GET /validate", events.open_link(), "bare.open_link"),
)
WARM_UP = 100  # requests before the first that counts
REQUESTS_MEASURED = 400
SES_SECONDS = 0.06
BATCH = 100


@dataclass(frozen=True)
class Field:
    """Who takes part: our package, one of an earlier commit if there is one, and the others'."""

    ours: Package
    before: Package | None
    others: Path
    libraries: Path
    scratch: Path

    def entrants(self, handler: str) -> dict[str, Function]:
        """Ours, and the earlier one if it takes part, by ``handler``."""
        entrants = {OURS: Function(self.ours.code, handler)}
        if self.before:
            entrants[BEFORE] = Function(self.before.code, handler)
        return entrants

    def other(self, handler: str, package: str = "") -> Function:
        return Function(self.others / (package or handler.partition(".")[0]), handler)

    def run(self, function: Function, event: Any, aws: FakeAws, times: int = 1) -> Run:
        return run(function, [event] * times, self.libraries, aws.environment, self.scratch)


def cold_starts(field: Field, rounds: int) -> Iterator[Result]:
    """From a new process to its first answered event."""
    api = "app.app"
    starts: list[tuple[str, Any, str, dict[str, Function], float | None]] = [
        (
            "API, POST /users",
            events.post_user(),
            api,
            {
                BARE: field.other("bare.post_user"),
                POWERTOOLS: field.other("powertools.api"),
                CHALICE: field.other("chalice_bare.app"),
            },
            0.9,
        ),
        (
            "API, GET /validate",
            events.open_link(),
            api,
            {
                BARE: field.other("bare.open_link"),
                POWERTOOLS: field.other("powertools.api"),
                CHALICE: field.other("chalice_bare.app"),
            },
            0.9,
        ),
        (
            "mailer, one mail",
            events.inserted(1),
            "app.send_validation_mail",
            {
                BARE: field.other("bare_mailer.send_validation_mail", "bare"),
                POWERTOOLS: field.other("powertools.send_validation_mail"),
                ARTICLE: field.other("article.send_validation_mail"),
            },
            1.0,
        ),
        (
            "feedback, a bounce",
            events.bounced(),
            "app.record_mail_feedback",
            {BARE: field.other("bare.record_mail_feedback")},
            None,
        ),
        (
            "sweep, nothing owed",
            events.every_hour(),
            "app.resend_owed_mail",
            {BARE: field.other("bare.resend_owed_mail")},
            None,
        ),
    ]
    with fake_aws.running(field.scratch / "aws") as aws:
        for measure, event, handler, others, target in starts:

            def start(function: Function, event: Any = event) -> Callable[[], Run]:
                return lambda: field.run(function, event, aws)

            contestants = {**field.entrants(handler), **others}
            runs = in_turn(
                rounds, {name: start(contestant) for name, contestant in contestants.items()}
            )
            wall = _each(runs, lambda run: run.whole * 1000)
            cpu = _each(runs, lambda run: run.cpu * 1000)
            yield Result("Cold start", measure, "ms", wall, "less", BARE, target)
            yield Result("Cold start, processor", measure, "ms", cpu, "less", BARE)


def _each(
    runs: Mapping[str, Sequence[Run]], figure: Callable[[Run], float]
) -> dict[str, list[float]]:
    """Return one of the figures of every run."""
    return {name: [figure(run) for run in seen] for name, seen in runs.items()}


def whole_requests(field: Field, rounds: int) -> Iterator[Result]:
    """Measure the processor's time for a warm request, its AWS call included."""
    with fake_aws.running(field.scratch / "aws") as aws:
        for measure, event, bare in REQUESTS:
            contestants = {
                **field.entrants("app.app"),
                BARE: field.other(bare),
                CHALICE: field.other("chalice_bare.app"),
            }

            def measured(function: Function, event: Any = event) -> Callable[[], float]:
                def work() -> float:
                    laps = field.run(function, event, aws, WARM_UP + REQUESTS_MEASURED).work
                    return median(laps[WARM_UP:]) * 1e6

                return work

            figures = in_turn(
                rounds, {name: measured(contestant) for name, contestant in contestants.items()}
            )
            yield Result("Whole warm request", measure, "µs", figures, "less", BEFORE, 1.02)


def warm_requests(field: Field, rounds: int) -> Iterator[Result]:
    """Measure a request's own work, with nothing behind it."""
    for measure, event, bare in REQUESTS:
        file = field.scratch / "event.json"
        file.write_text(json.dumps(event), encoding="utf-8")
        contestants = {
            **field.entrants("app.app"),
            CHALICE: field.other("chalice_bare.app"),
            BARE: field.other(bare),
            POWERTOOLS: field.other("powertools.api"),
        }

        def measured(function: Function, file: Path = file) -> Callable[[], float]:
            return lambda: _stubbed(function, file, field.libraries)

        figures = in_turn(
            rounds, {name: measured(contestant) for name, contestant in contestants.items()}
        )
        yield Result("Warm request", measure, "µs", figures, "less", CHALICE, 1.5)


def _stubbed(function: Function, event: Path, libraries: Path) -> float:
    command = [sys.executable, "-I", "-S", str(STUBBED), str(function.code), str(libraries)]
    done = subprocess.run(
        [*command, function.handler, str(event)],
        env={**events.SETTINGS, "AWS_DEFAULT_REGION": "eu-west-3", **fake_aws.KEYS},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.splitlines()[-1])


def batches(field: Field, rounds: int) -> Iterator[Result]:
    """Mails a second through an SES that answers in SES_SECONDS: the first batch of a new process,
    with all the connections to be made, and those after it."""
    mailer = "app.send_validation_mail"
    contestants = {
        **field.entrants(mailer),
        ARTICLE: field.other("article.send_validation_mail"),
        POOL: field.other("pool.sends_only"),
        POOL_OF_THREE: field.other("pool.same_calls"),
    }
    with fake_aws.running(field.scratch / "aws", SES_SECONDS) as aws:

        def measured(name: str, function: Function) -> Callable[[], Run]:
            times = 2 if name == ARTICLE else 6
            return lambda: field.run(function, events.inserted(BATCH), aws, times)

        runs = in_turn(
            rounds, {name: measured(name, contestant) for name, contestant in contestants.items()}
        )
    first = _each(runs, lambda run: BATCH / run.events[0])
    later = _each(runs, lambda run: BATCH / median(run.events[1:]))
    memory = {name: [max(run.megabytes for run in seen)] for name, seen in runs.items()}
    unit = "mails/s"
    yield Result("Batch of 100", "first", unit, first, "more", ARTICLE, 15)
    yield Result("Batch of 100", "first, by the limit", unit, first, "more", POOL, 0.8)
    yield Result("Batch of 100", "later", unit, later, "more", ARTICLE, 15)
    yield Result("Batch of 100", "later, by the limit", unit, later, "more", POOL, 0.8)
    yield Result("Batch of 100", "later, by its three calls", unit, later, "more", POOL_OF_THREE)
    yield Result("Batch of 100", "memory", "MB", memory, "less", "", 128)


def calls(field: Field) -> Iterator[Result]:
    """Return the AWS calls of one user, from sign-up to a validated address."""
    journey = [
        ("app.app", events.post_user()),
        ("app.send_validation_mail", events.inserted(1)),
        ("app.app", events.open_link()),
    ]
    totals: dict[str, dict[str, float]] = {}
    with fake_aws.running(field.scratch / "aws") as aws:
        for name in field.entrants("app.app"):
            for handler, event in journey:
                field.run(field.entrants(handler)[name], event, aws)
            counted = aws.counts()
            writes, sends = counted.pop("UpdateItem", 0), counted.pop("outbound-emails", 0)
            totals[name] = {"writes": writes, "reads": sum(counted.values()), "mails": sends}
    for kind, target in (("writes", 6), ("reads", 0), ("mails", 1)):
        figures = {name: counts[kind] for name, counts in totals.items()}
        yield Result("AWS calls a user", kind, "", once(figures), "less", "", target)


def sizes(field: Field) -> Iterator[Result]:
    packages = {OURS: field.ours, **({BEFORE: field.before} if field.before else {})}
    size = {name: package.size / 1e6 for name, package in packages.items()}
    files = {name: float(contestant.files) for name, contestant in packages.items()}
    yield Result("Package", "size", "MB", once(size), "less", "", 1.5)
    yield Result("Package", "files", "", once(files))
