"""`make release`: a tag, and beside it what belongs to a release.

It runs after `make check test`, pushes nothing, and says what to push.
"""

import sys
from datetime import datetime, timezone

from ops.release.release import ReleaseError, release
from ops.stage.errors import OpsError
from ops.stage.project import CHECKOUT

if __name__ == "__main__":
    try:
        print(release(CHECKOUT, datetime.now(timezone.utc)))  # noqa: T201 - what the maintainer reads
    except (OpsError, ReleaseError) as error:
        sys.exit(f"No release: {error}")
