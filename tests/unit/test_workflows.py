"""The workflows: pinned, without keys, and staging before prod."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

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


def test_no_input_is_pasted_into_a_shell() -> None:
    for name in NAMES:
        for job in read(name)["jobs"].values():
            for step in job.get("steps", []):
                assert "${{" not in step.get("run", "")
