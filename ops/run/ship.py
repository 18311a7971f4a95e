"""A whole deploy of the changed app by Chalice, in a fresh process.

Run as a module with the run's folder. Prints an error in one line.
"""

import sys
from pathlib import Path

from ops.deployment import functions
from ops.stage import local_stage, lookup
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.project import CHECKOUT


def ship(state: Path) -> None:
    """Deploy what was copied to ``state``. Raises OpsError."""
    stage = lookup.find(CHECKOUT, local_stage.STAGE, state)
    with in_plain_words():
        stream = stage.project.environment["USERS_STREAM_ARN"]
        functions.deploy(stage.cloud, stage.project, stream, lambda _: None)


if __name__ == "__main__":
    try:
        ship(Path(sys.argv[1]))
    except OpsError as error:
        print(" ".join(str(error).split()))  # noqa: T201 - read by the run
        sys.exit(1)
