"""A whole deploy of the changed app by Chalice, in a fresh process.

Run as a module with the run's folder, and with KEEP if the dependencies are as they were. Prints an
error in one line.
"""

import sys
from pathlib import Path

from ops.resources.functions import chalice_deployer
from ops.run.reload import KEEP
from ops.run.repack import repack
from ops.stage import local_stage, lookup
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.project import CHECKOUT


def ship(state: Path, *, keep_dependencies: bool = False) -> None:
    """Deploy what was copied to ``state``. Raises OpsError.

    Dependencies that are kept need no network, nor pip's two seconds.
    """
    stage = lookup.find(CHECKOUT, local_stage.STAGE, state)
    with in_plain_words():
        stream = stage.project.environment["USERS_STREAM_ARN"]
        chalice_deployer.deploy(
            stage.cloud,
            stage.project,
            stream,
            lambda _: None,
            _repacked if keep_dependencies else None,
        )


def _repacked(former: Path, folder: Path) -> bytes:
    return repack(former.read_bytes(), folder)


if __name__ == "__main__":
    try:
        ship(Path(sys.argv[1]), keep_dependencies=KEEP in sys.argv)
    except OpsError as error:
        print(" ".join(str(error).split()))  # noqa: T201 - read by the run
        sys.exit(1)
