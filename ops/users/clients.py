"""The AWS clients that work on a stage's people needs."""

from typing import TYPE_CHECKING

from botocore.config import Config

from ops.stage.lookup import Stage
from ops.users.imports.importer import THREADS
from ops.users.store import OperatorsUsers

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

# Throttled writes are waited for: a table on demand learns within minutes to take an import.
PATIENT = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 8},
    max_pool_connections=THREADS,
)


def users(stage: Stage) -> OperatorsUsers:
    """The stage's table of users; for many threads at once, too."""
    return OperatorsUsers(stage.cloud.session.client("dynamodb", config=PATIENT), stage.users_table)


def ses(stage: Stage) -> "SESV2Client":
    return stage.cloud.session.client("sesv2")
