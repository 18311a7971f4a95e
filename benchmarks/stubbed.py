"""A function without AWS behind it: the processor time of its own work.

``python -I -S stubbed.py CODE LIBRARIES HANDLER EVENT``. Run as a script; prints the microseconds.
What the function logs is written, but to nobody: who reads it takes a processor of their own.
"""

import hashlib
import importlib
import json
import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

LAPS = 20
REQUESTS = 200  # a lap
TOKEN = "A" * 43  # as benchmarks/events.py has it, which is not beside a package
FAR_AHEAD = "4102444800"


class Stub:
    """A client that has done what it is asked, at once."""

    def update_item(self, **asked: Any) -> dict[str, Any]:
        link = {hashlib.sha256(TOKEN.encode()).hexdigest(): {"M": {"expires": {"N": FAR_AHEAD}}}}
        return {"Attributes": {**asked.get("Key", {}), "links": {"M": link}}}


def main(code: str, libraries: str, handler: str, event: str) -> None:
    sys.path[:0] = [code, libraries]
    with Path(os.devnull).open("w", encoding="utf-8") as nobody, redirect_stdout(nobody):
        microseconds = measure(handler, json.loads(Path(event).read_text(encoding="utf-8")))
    print(microseconds)


def measure(handler: str, request: dict[str, Any]) -> float:
    """Return the time of one of many such requests, in the fastest lap.

    Other processes on the machine only ever make a lap slower.
    """
    os.environ.pop("_HANDLER", None)
    module_name, _, name = handler.rpartition(".")
    module: Any = importlib.import_module(module_name)
    if hasattr(module, "service"):
        module.service.users.table.client = Stub()
    elif hasattr(module, "users"):  # before the redesign
        users = type(module.users())(Stub(), "users")
        module.users = lambda: users
    else:
        module.dynamodb = Stub()
    function = getattr(module, name)
    for _ in range(REQUESTS):
        answer = function(request, None)
    if answer["statusCode"] not in (200, 202):
        raise SystemExit(f"{handler} answered {answer}")
    laps: list[float] = []
    for _ in range(LAPS):
        started = time.process_time()
        for _ in range(REQUESTS):
            function(request, None)
        laps.append(time.process_time() - started)
    return min(laps) / REQUESTS * 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
