"""The logs of all functions as one stream in order of time, in any format."""

import heapq
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

EVERY = 2.0  # seconds; so four log groups stay below CloudWatch's limit of requests
OVERLAP = timedelta(seconds=20)
"""The longest delay of a line that is still shown. CloudWatch needs some seconds."""
SETTLE = timedelta(seconds=2)
"""The time that a line waits for an earlier line of another function."""

_LABELLED = re.compile(rf"\[({'|'.join(LEVELS)})\]\s*(.*)", re.DOTALL)
_LAMBDAS_OWN = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z\t[0-9a-f-]{36}\t")
_PLATFORM = re.compile(r"(START|END|REPORT|INIT_START|INIT_REPORT|EXTENSION)\b\s*(.*)", re.DOTALL)
_TIMED_OUT = re.compile(r"(?:\S+ [0-9a-f-]{36} )?(Task timed out after .*)", re.DOTALL)
_METRICS = {
    "durationMs": re.compile(r"(?<!Billed )(?<!Init )Duration: ([\d.]+) ms"),
    "memorySizeMB": re.compile(r"Memory Size: (\d+) MB"),
    "maxMemoryUsedMB": re.compile(r"Max Memory Used: (\d+) MB"),
    "initDurationMs": re.compile(r"Init Duration: ([\d.]+) ms"),
}
_STATUS = re.compile(r"Status: (\w+)")


@dataclass(frozen=True)
class Entry:
    """One entry in the log of a function. ``message`` may have many lines.

    ``is_platform`` is True if Lambda wrote the entry about an invocation.
    """

    moment: datetime
    function: str
    level: str
    message: str
    is_platform: bool = False


@dataclass(frozen=True)
class _Line:
    """An event of a log group. No other event has the same ``identity``."""

    moment: datetime
    stream: str
    text: str
    identity: object


class Logs:
    """The log groups of functions, by the functions' names. A missing group counts as empty.

    ``now`` is the clock, and ``pause`` waits for some seconds. Errors of botocore pass through.
    """

    def __init__(
        self,
        client: Any,
        groups: Mapping[str, str],
        now: Callable[[], datetime],
        pause: Callable[[float], None],
    ) -> None:
        self._client = client
        self._groups = groups
        self._now = now
        self._pause = pause

    def read(self, since: datetime) -> Iterator[Entry]:
        """Return all entries since then, in the order of time."""
        return (entry for _, entry in self._read(since))

    def follow(self, since: datetime) -> Iterator[Entry]:
        """Yield all entries since then, and go on without end with new ones."""
        seen: dict[object, datetime] = {}
        start = since
        while True:
            now = self._now()
            for identity, entry in self._read(start):
                if entry.moment > now - SETTLE:
                    break
                if identity not in seen:
                    yield entry
                seen[identity] = entry.moment
            start = max(since, now - SETTLE - OVERLAP)
            seen = {identity: moment for identity, moment in seen.items() if moment >= start}
            self._pause(EVERY)

    def _read(self, since: datetime) -> Iterator[tuple[object, Entry]]:
        """Merge the groups, each of which is in order, so that memory holds one page of each."""
        each = [
            _entries(function, self._lines(group, since))
            for function, group in self._groups.items()
        ]
        return heapq.merge(*each, key=lambda pair: pair[1].moment)

    def _lines(self, group: str, since: datetime) -> Iterator[_Line]:
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since.timestamp() * 1000)
        )
        repeated: Counter[object] = Counter()
        try:
            for page in pages:
                for event in page["events"]:
                    yield _line(group, event, repeated)
        except self._client.exceptions.ResourceNotFoundException:
            return


def _line(group: str, event: Mapping[str, Any], repeated: Counter[object]) -> _Line:
    """Return an event as a line. On the local cloud, an event's content is its identity."""
    content = (event["logStreamName"], event["timestamp"], event["message"])
    repeated[content] += 1
    moment = datetime.fromtimestamp(event["timestamp"] / 1000, timezone.utc)
    identity = event.get("eventId") or (*content, repeated[content])
    return _Line(moment, event["logStreamName"], event["message"].rstrip(), (group, identity))


def _entries(function: str, lines: Iterable[_Line]) -> Iterator[tuple[object, Entry]]:
    """Yield lines as entries.

    A line with neither level nor kind belongs to the line before it in the same stream. The local
    cloud splits tracebacks so; Lambda's JSON has no such lines.
    """
    before: tuple[_Line, Entry] | None = None
    for line in lines:
        entry = _entry(function, line)
        belongs = before and before[0].stream == line.stream and not before[1].is_platform
        if entry is None and before and belongs:
            whole = replace(before[1], message=f"{before[1].message}\n{line.text}")
            before = (before[0], whole)
            continue
        if before:
            yield before[0].identity, before[1]
        before = (line, entry or Entry(line.moment, function, "INFO", line.text))
    if before:
        yield before[0].identity, before[1]


def _entry(function: str, line: _Line) -> Entry | None:
    """Return the line as an entry; None if it has neither level nor kind."""
    if record := _json(line.text):
        level, message, is_platform = _of_json(record)
    elif labelled := _LABELLED.fullmatch(line.text):
        level, message, is_platform = labelled[1], _LAMBDAS_OWN.sub("", labelled[2], 1), False
    elif platform := _PLATFORM.fullmatch(line.text):
        level, message, is_platform = _of_platform(platform[1], platform[2])
    elif line.text.startswith("Traceback "):
        level, message, is_platform = "ERROR", line.text, False
    elif timed_out := _TIMED_OUT.fullmatch(line.text):
        level, message, is_platform = "ERROR", timed_out[1], False
    else:
        return None
    return Entry(line.moment, function, level, message, is_platform)


def _json(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _of_json(record: Mapping[str, Any]) -> tuple[str, str, bool]:
    """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html"""
    kind = record.get("type")
    if isinstance(kind, str) and kind.startswith("platform."):
        details = record.get("record")
        return _of_invocation(
            kind.removeprefix("platform."), details if isinstance(details, dict) else {}
        )
    level = str(record.get("level") or record.get("log_level") or "INFO").upper()
    error = ": ".join(
        str(record[name]) for name in ("errorType", "errorMessage") if record.get(name)
    )
    trace = record.get("stackTrace")
    frames = [str(frame).rstrip() for frame in trace] if isinstance(trace, list) else []
    message = str(record.get("message") or "")
    lines = filter(None, [message, "" if error and error in message else error, *frames])
    return level if level in LEVELS else "INFO", "\n".join(lines), False


def _of_invocation(kind: str, record: Mapping[str, Any]) -> tuple[str, str, bool]:
    if kind != "report":
        return "DEBUG", kind, True
    metrics = record.get("metrics")
    return _report(
        metrics if isinstance(metrics, dict) else {}, str(record.get("status", "success"))
    )


def _of_platform(kind: str, rest: str) -> tuple[str, str, bool]:
    if kind != "REPORT":
        return "DEBUG", kind.lower().replace("_", " "), True
    matches = {name: pattern.search(rest) for name, pattern in _METRICS.items()}
    status = _STATUS.search(rest)
    metrics = {name: float(match[1]) for name, match in matches.items() if match}
    return _report(metrics, status[1] if status else "success")


def _report(metrics: Mapping[str, Any], status: str) -> tuple[str, str, bool]:
    """Return the end of an invocation in short, as an error unless it succeeded."""
    details = []
    if "durationMs" in metrics:
        details.append(f"took {metrics['durationMs']:.0f} ms")
    if metrics.get("maxMemoryUsedMB") and "memorySizeMB" in metrics:
        details.append(f"{metrics['maxMemoryUsedMB']:.0f} of {metrics['memorySizeMB']:.0f} MB")
    if "initDurationMs" in metrics:
        details.append(f"cold start {metrics['initDurationMs']:.0f} ms")
    if status == "success":
        return "DEBUG", ", ".join(details), True
    return "ERROR", ", ".join([f"invocation ended: {status}", *details]), False
