"""Time and memory as the table of users grows, on the local cloud.

What is measured stands in ``measures``: a name, and what to run once for every size of the table.
What makes the table larger comes last, and is made up for before the next size.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import urllib3

from benchmarks import events
from benchmarks.contest import OURS, Result, once
from benchmarks.packages import Deployed
from benchmarks.processes import RUNTIME
from benchmarks.runtime import most_held

SIZES = (1_000, 10_000, 100_000)
REQUESTS = 50
MORE = 1_000  # to import
FLAT = 1.25  # what the most users may take of what the fewest do, told for each of them
WRITERS = 4
PAGE = 25  # BatchWriteItem's limit


@dataclass(frozen=True)
class Measure:
    """Seconds that something took with so many users and, where a process of its own did it, the
    megabytes that it held at the most (0 where the system cannot tell). ``each`` says that the
    seconds grow with the users, and so are told for 1,000 of them."""

    run: Callable[[int], tuple[float, float | None]]
    each: bool = False


def growth(stack: Deployed, libraries: Path, folder: Path) -> Iterator[Result]:
    """Return each measure at each of SIZES: ours is the last, and flat beside the first.

    The table of ``stack`` must be empty; its stream wakes nobody any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _stop_mailing(stack)
    seconds: dict[str, dict[str, float]] = {}
    megabytes: dict[str, dict[str, float]] = {}
    measured = measures(stack, libraries, folder)
    filled = added = 0
    for size in SIZES:
        _fill(stack, filled, size - added)
        filled = size - added
        for name, measure in measured.items():
            took, held = measure.run(size)
            figure = took / size * 1000 if measure.each else took
            contestant = OURS if size == SIZES[-1] else f"with {size:,}"
            seconds.setdefault(name, {})[contestant] = figure * 1000
            if held is not None:
                megabytes.setdefault(name, {})[contestant] = held
        added += REQUESTS + 1 + MORE
    first = f"with {SIZES[0]:,}"
    section = f"Growth to {SIZES[-1]:,}"
    for name, figures in seconds.items():
        unit = "ms per 1,000" if measured[name].each else "ms"
        yield Result(section, name, unit, once(figures), "less", first, FLAT)
    for name, figures in megabytes.items():
        yield Result(section, f"{name}, memory", "MB", once(figures), "less", first, FLAT)


def measures(stack: Deployed, libraries: Path, folder: Path) -> Mapping[str, Measure]:
    """Return each measure by its name."""
    every_hour = folder / "every_hour.json"
    every_hour.write_text(json.dumps([events.every_hour()]), encoding="utf-8")
    code = str(stack.package.code)
    drain = [sys.executable, "-I", "-S", str(RUNTIME), code, str(libraries), "app.resend_owed_mail"]

    def run_drain() -> tuple[float, float]:
        return timed([*drain, str(every_hour)], {**events.SETTINGS, **_local(stack)})

    def scan() -> tuple[float, float]:
        """Run the drain as the first of its hour, which scans one 24th of the table."""
        limits = boto3.client("dynamodb", **stack.credentials)
        limits.delete_item(TableName=_limits(stack), Key={"name": {"S": "drain"}})
        return run_drain()

    def users(*words: str) -> tuple[float, float]:
        stage = ["--stage", "local", "--state", str(stack.state)]
        return timed([sys.executable, "-m", "ops", "users", *words, *stage], os.environ)

    numbers = count()  # of users; a second click of one would be another question

    return {
        "users list": Measure(lambda _: users("list", "--format", "csv"), each=True),
        "users import, checked only": Measure(
            lambda size: users("import", "--dry-run", _sheet(folder, "checked", size)), each=True
        ),
        "hourly scan of one 24th": Measure(lambda _: scan(), each=True),
        "drain, nothing owed": Measure(lambda _: run_drain()),
        "validate": Measure(lambda _: (_requests(stack, _click, numbers), None)),
        "sign-up": Measure(lambda _: (_requests(stack, _sign_up, numbers), None)),
        f"users import of {MORE:,} more": Measure(
            lambda size: users("import", _sheet(folder, f"more{size}", MORE))
        ),
    }


def timed(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Return the seconds that a command took, and the most megabytes that it held."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    held = 0.0
    while process.poll() is None:
        held = max(held, most_held(str(process.pid)))
        time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return time.perf_counter() - started, held


def _sheet(folder: Path, name: str, rows: int) -> str:
    """Return a file of people to import, who were validated elsewhere and so get no mail."""
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("email,prenom,nom,validated_at\n")
        for number in range(rows):
            file.write(f"{name}.{number}@example.org,Alexis,GÜNST HORN,2026-11-24T12:00:00Z\n")
    return str(path)


def _requests(
    stack: Deployed, request: Callable[[Deployed, int], int], numbers: Iterator[int]
) -> float:
    """Return the median seconds of REQUESTS requests, one for each of ``numbers``.

    The first request is not counted.
    """
    took: list[float] = []
    for number in islice(numbers, REQUESTS + 1):
        started = time.perf_counter()
        status = request(stack, number)
        took.append(time.perf_counter() - started)
        if status not in (200, 202):
            raise SystemExit(f"{request.__name__} was answered {status}")
    return median(took[1:])


def _sign_up(stack: Deployed, number: int) -> int:
    person = {"email": f"new.{number}@example.org", "prenom": "Alexis", "nom": "GÜNST HORN"}
    return HTTP.request("POST", f"{stack.api}/users", json=person).status


def _click(stack: Deployed, number: int) -> int:
    query = {"email": _email(number), "token": events.TOKEN}
    return HTTP.request("GET", f"{stack.api}/validate", fields=query).status


HTTP = urllib3.PoolManager(timeout=30)


def _email(number: int) -> str:
    return f"user.{number}@example.org"


def _local(stack: Deployed) -> dict[str, str]:
    return {
        "USERS_TABLE": stack.table,
        "LIMITS_TABLE": _limits(stack),
        "AWS_ENDPOINT_URL": stack.aws,
        "AWS_DEFAULT_REGION": stack.region,
        "AWS_ACCESS_KEY_ID": stack.access_key,
        "AWS_SECRET_ACCESS_KEY": stack.secret_key,
    }


def _limits(stack: Deployed) -> str:
    return stack.table.removesuffix("users") + "limits"


def _stop_mailing(stack: Deployed) -> None:
    """Have the stream wake nobody: who is put into the table has been mailed."""
    client = boto3.client("lambda", **stack.credentials)
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def _fill(stack: Deployed, first: int, size: int) -> None:
    client = boto3.client("dynamodb", **stack.credentials)

    def write(start: int) -> None:
        numbers = range(start, min(start + PAGE, size))
        requests = [{"PutRequest": {"Item": _item(number)}} for number in numbers]
        client.batch_write_item(RequestItems={stack.table: requests})

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(first, size, PAGE)))


def _item(number: int) -> dict[str, Any]:
    """Somebody who has been mailed, and not clicked yet."""
    return {
        "email": {"S": _email(number)},
        "prenom": {"S": "Alexis"},
        "nom": {"S": "GÜNST HORN"},
        "lang": {"S": "fr"},
        "created_at": {"S": "2026-11-24T12:00:00.000000Z"},
        "mail": {"S": "sent"},
        "mail_at": {"S": "2026-11-24T12:00:01.000000Z"},
        "mail_count": {"N": "1"},
        "link_hashes": {"SS": [hashlib.sha256(events.TOKEN.encode()).hexdigest()]},
        "link_expires_at": {"N": str(int(time.time()) + 86_400)},
    }
