"""Functions in processes of their own, as Lambda runs them, and their times."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.events import SETTINGS

RUNTIME = Path(__file__).with_name("runtime.py")


@dataclass(frozen=True)
class Function:
    """A handler in an unpacked package, ``module.name`` as Lambda's configuration spells it."""

    code: Path
    handler: str


@dataclass(frozen=True)
class Run:
    """What became of one process: seconds, all but ``megabytes``, the most that it ever held.

    ``whole`` is from before the process was started to its last answer, ``events`` what each
    answer took by itself, ``cpu`` what of the processors it used.
    """

    whole: float
    cpu: float
    events: list[float]
    megabytes: float


def run(
    function: Function,
    events: Sequence[Any],
    libraries: Path,
    environment: Mapping[str, str],
    scratch: Path,
) -> Run:
    """Start ``function``, hand it ``events`` one after another, and end it."""
    file = scratch / "events.json"
    file.write_text(json.dumps(events), encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(RUNTIME), str(function.code), str(libraries)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, function.handler, str(file)],
        env={**SETTINGS, **environment, "_HANDLER": function.handler, "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout  # noqa: S101 - it is a pipe
    report = ""
    for line in process.stdout:  # its own logs come first
        if line.startswith('{"events"'):
            report = line
            break
    whole = time.perf_counter() - started
    _, errors = process.communicate()
    if process.returncode or not report:
        raise SystemExit(f"{function.handler} in {function.code} failed:\n{errors}")
    told = json.loads(report)
    return Run(whole, told["cpu"], told["events"], told["megabytes"])
