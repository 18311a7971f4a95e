"""The workflows: pinned, without keys, and staging before prod."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml

from ops.release import locks
from tests.e2e.stack import ROOT

FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(path.name for path in FOLDER.iterdir())


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_every_action_is_pinned_by_its_commit(name: str) -> None:
    for uses in re.findall(r"uses: (\S+)", (FOLDER / name).read_text(encoding="utf-8")):
        assert uses.startswith("./") or re.search(r"@[0-9a-f]{40}$", uses), uses


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_has_no_right_to_write_and_no_key(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert read(name)["permissions"] == {"contents": "read"}
    assert set(re.findall(r"([\w-]+): write", text)) <= {"id-token"}
    assert "secrets." not in text


def test_prod_waits_for_staging_and_doctor_is_the_gate() -> None:
    jobs = read("deploy.yml")["jobs"]
    assert jobs["prod"]["needs"] == "staging"
    assert [jobs[name]["with"]["stage"] for name in ("staging", "prod")] == ["staging", "prod"]
    steps = [step.get("run", "") for step in read("ship.yml")["jobs"]["ship"]["steps"]]
    assert steps[-1] == '.venv/bin/python -m ops doctor --stage "$STAGE"'
    assert '.venv/bin/chalice deploy --stage "$STAGE"' in steps


def commands() -> list[str]:
    """Return all commands of all workflows, each once."""
    steps = [
        step
        for name in NAMES
        for job in read(name)["jobs"].values()
        for step in job.get("steps", [])
    ]
    lines = [line for step in steps for line in step.get("run", "").splitlines()]
    return sorted(set(lines))


def test_the_commands_of_the_workflows_are_known() -> None:
    """Each is tried below: one that is new here needs a way to be tried."""
    assert {command.split()[0] for command in commands()} == {*TRIED}


# How each program is tried: without its effects, but with the arguments that it gets.
TRIED = {
    ".ci/run": "bash -n .ci/run && sed -n 's/^make /make --dry-run /p' .ci/run | sh -e",
    "make": "{command} --dry-run",
    ".venv/bin/python": "{command} --help",
    ".venv/bin/chalice": "{command} --help",
}


@pytest.mark.parametrize("command", commands())
def test_each_command_of_a_workflow_is_one_that_runs(command: str) -> None:
    program = command.split()[0]
    tried = TRIED[program].format(command=command)
    python = shlex.quote(sys.executable)
    tried = tried.replace(".venv/bin/python", python)
    tried = tried.replace(".venv/bin/chalice", f"{python} -m ops.chalice_command")
    done = subprocess.run(
        ["bash", "-ec", tried],
        cwd=ROOT,
        env={**os.environ, "STAGE": "staging"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("command", ["record", "doctor", "deploy", "users", "logs", "console"])
def test_a_command_needs_no_more_than_a_deploys_packages(command: str) -> None:
    """The workflows install `.venv/deploy` alone."""
    lock = (ROOT / "requirements-deploy.txt").read_text(encoding="utf-8")
    given = {locked.name.lower().replace("_", "-") for locked in locks.read(lock)}
    others = {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not {owner.lower().replace("_", "-").replace(".", "-") for owner in owners} & given
    } - {"pip", "setuptools"}
    assert {"pytest", "moto", "ministack"} <= others
    done = subprocess.run(
        [sys.executable, "-c", LACKING, *sorted(others), "--", command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


LACKING = """
import sys
end = sys.argv.index("--")
lacking = {*sys.argv[1:end]}

class Finder:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in lacking:
            raise ModuleNotFoundError(f"{name} is not installed")

sys.meta_path.insert(0, Finder())
sys.argv[1:end + 1] = []
from ops.__main__ import ops
ops()
"""


def test_no_input_is_pasted_into_a_shell() -> None:
    for name in NAMES:
        for job in read(name)["jobs"].values():
            for step in job.get("steps", []):
                assert "${{" not in step.get("run", "")
