"""Functions in processes of their own, as Lambda runs them, and their times."""

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.events import SETTINGS

# linux/prctl.h and linux/capability.h
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
RUNTIME = Path(__file__).with_name("runtime.py")


@dataclass(frozen=True)
class Function:
    """A handler in an unpacked package, ``module.name`` as Lambda's configuration spells it."""

    code: Path
    handler: str


@dataclass(frozen=True)
class Run:
    """The result of one process: seconds, and the ``megabytes`` that it held at most.

    ``whole`` is the time from the start of the process to its last answer, and ``cpu`` the time of
    a processor that it used. ``events`` and ``work`` are the same for each answer alone.
    """

    whole: float
    cpu: float
    events: list[float]
    work: list[float]
    megabytes: float


def obey_modes() -> None:
    """Have the process that this one becomes obey files' modes, also if it is root's.

    Root may read everything, and Lambda's user is not root. Linux takes that right away for good by
    dropping two capabilities (man 7 capabilities).
    """
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "a right of root's cannot be dropped")


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
        preexec_fn=obey_modes,
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
    measured = json.loads(report)
    return Run(whole, **measured)
