"""The commit that a checkout is at, as git says it."""

import subprocess
from pathlib import Path

DIRTY = "-dirty"


def describe(folder: Path) -> str:
    """Return the commit of ``folder``, with DIRTY if files differ from it; empty without git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
