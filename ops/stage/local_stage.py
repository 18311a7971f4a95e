"""The stage of `make run`: its name, its folder, the command that starts it."""

from pathlib import Path
from shlex import quote

from ops.stage.project import CHECKOUT, OPS

STAGE = "local"
STATE = CHECKOUT / ".local"
"""The folder that a run keeps everything in, by default."""
PORT = 8400
"""The first of its ports, by default."""


def command(state: Path, port: int = PORT) -> str:
    """Return the command that starts the run that is kept in ``state``."""
    if state != STATE:
        return f"{OPS} run --state {quote(str(state))} --port {port}"
    return "make run" if port == PORT else f"PORT={port} make run"


def project(state: Path) -> Path:
    """Return the folder of the project that a run deploys."""
    return state / "project"
