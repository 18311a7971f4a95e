"""The Makefile's care for what is not the project's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.e2e.stack import ROOT

# A Python that empties the folder of a virtual environment as `python -m venv --clear` does.
PYTHON = """#!/bin/sh
case "$*" in "-m venv --clear .venv")
    rm -rf .venv/*
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
esac
"""


def test_a_link_in_place_of_the_environment_is_not_followed(tmp_path: Path) -> None:
    """What it leads to would be emptied: another project's environment, or a home folder."""
    others = tmp_path / "others"
    others.mkdir()
    (others / "precious").touch()
    project = tmp_path / "project"
    project.mkdir()
    for name in ("Makefile", "requirements-dev.txt", "ops/chalice"):
        (project / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, project / name)
    (project / ".venv").symlink_to(others)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    command = ["make", "-s", f"PYTHON={python}", ".venv/installed"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    assert (others / "precious").exists()
    assert not (project / ".venv").is_symlink()
    assert (project / ".venv" / "installed").exists()
