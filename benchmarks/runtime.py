"""Lambda's runtime for one function, timed: a script, one process a cold start.

``python -I -S runtime.py CODE LIBRARIES HANDLER EVENTS``: CODE is an unpacked package, which nobody
may write to, LIBRARIES what Lambda's Python brings along. EVENTS, a JSON file, are handed over one
after another; then one line of JSON says how long that took, and what it needed.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any


class Context:
    """What a handler is told about its invocation."""

    function_name = "benchmark"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-3:123456789012:function:benchmark"
    aws_request_id = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def most_held(process: str = "self") -> float:
    """Return the most megabytes that the process has held, as Linux counts them; 0 elsewhere.

    What getrusage tells of a process that was just started is its parent's.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    lines = (line.split() for line in status.splitlines() if line.startswith("VmHWM"))
    return next((int(words[1]) / 1024 for words in lines), 0)


def main(code: str, libraries: str, handler: str, events: str) -> None:
    sys.dont_write_bytecode = True
    sys.path[:0] = [code, libraries]
    module, _, name = handler.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    laps: list[float] = []
    work: list[float] = []
    for event in json.loads(Path(events).read_text(encoding="utf-8")):
        began, worked = time.perf_counter(), time.process_time()
        answer: Any = function(event, Context())
        laps.append(time.perf_counter() - began)
        work.append(time.process_time() - worked)
        if isinstance(answer, dict) and answer.get("statusCode", 200) >= 400:
            raise SystemExit(f"{handler} answered {answer}")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "events": laps,
        "work": work,
        "cpu": usage.ru_utime + usage.ru_stime,
        "megabytes": most_held() or usage.ru_maxrss / 1024,
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
