"""A shell for printed and documented commands.

`curl` and `aws` are imitated as far as the commands use them, so that the tests need neither.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import boto3
import urllib3

from tests.e2e.stack import ROOT, wait_for


class Shell:
    """A bash in the checkout that knows curl and aws, and what was assigned in it so far."""

    def __init__(self) -> None:
        self._python = shlex.quote(sys.executable)
        run = f"{self._python} -m tests.e2e.shell"
        self._before = "".join(f'{name}() {{ {run} {name} "$@"; }}\n' for name in ("curl", "aws"))

    def expect(self, command: str, expected: str, patience: float) -> None:
        """Type ``command`` until it prints what is expected. Raises AssertionError."""
        printed = ""

        def is_answered() -> bool:
            nonlocal printed
            printed = self.type(command)
            return looks_like(expected, printed)

        try:
            wait_for(is_answered, patience, command)
        except AssertionError as error:
            message = f"{command}\nprinted:\n{printed}\nnot:\n{expected}"
            raise AssertionError(message) from error
        if re.match(r"\w+=|export ", command):
            self._before += command + "\n"

    def type(self, command: str) -> str:
        """Return what ``command`` prints."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        }
        # ./bienvenue, which tests/ops/test_command_line.py tries, would install a venv here.
        command = command.replace("./bienvenue", f"{self._python} -m ops")
        done = subprocess.run(
            ["bash", "-c", self._before + command],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr


def looks_like(expected: str, printed: str) -> bool:
    """Return True if ``printed`` is what is expected; an … stands for anything, also for lines."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def curl(arguments: list[str]) -> None:
    """curl [-s] [-H HEADER]… [-d BODY] URL"""
    headers, body, url = {}, None, ""
    words = iter(arguments)
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words).encode()
        elif word != "-s":
            url = word
    answer = urllib3.request("POST" if body else "GET", url, headers=headers, body=body, timeout=30)
    sys.stdout.buffer.write(answer.data)


def aws(arguments: list[str]) -> None:
    """aws dynamodb put-item --table-name NAME --item ITEM [--condition-expression CONDITION]"""
    options = dict(zip(arguments[2::2], arguments[3::2], strict=True))
    item = options["--item"]
    if item.startswith("file://"):
        item = Path(item.removeprefix("file://")).read_text(encoding="utf-8")
    condition = options.get("--condition-expression")
    boto3.client(arguments[0]).put_item(
        TableName=options["--table-name"],
        Item=json.loads(item),
        **({"ConditionExpression": condition} if condition else {}),
    )


if __name__ == "__main__":
    {"curl": curl, "aws": aws}[sys.argv[1]](sys.argv[2:])
