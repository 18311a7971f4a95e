"""The AWS clients of the command `users`."""

from typing import TYPE_CHECKING

from botocore.config import Config

from chalicelib.users.consent_texts import ConsentTexts
from chalicelib.users.mailboxes import Mailboxes
from ops.stage import parameter_store
from ops.stage.lookup import Stage
from ops.users.store import OperatorsUsers

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sesv2 import SESV2Client

THREADS = 32
"""The threads that write users at the same time."""

# botocore waits for throttled writes: an on-demand table needs minutes to grow to an import's pace.
PATIENT = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 8},
    max_pool_connections=THREADS,
)


def users(stage: Stage) -> OperatorsUsers:
    """Return the stage's table of users. Many threads may use it at once."""
    client = stage.cloud.session.client("dynamodb", config=PATIENT)
    return OperatorsUsers(
        client,
        stage.users_table,
        mailboxes(stage, client),
        operator=stage.cloud.operator,
        has_events=stage.has_events,
    )


def mailboxes(stage: Stage, client: "DynamoDBClient") -> Mailboxes:
    """Return the stage's mailboxes."""
    settings = stage.project.environment
    return Mailboxes(client, settings.get("LIMITS_TABLE", ""), lambda: _secret_key(stage))


def _secret_key(stage: Stage) -> str:
    """Return the key itself, to which the setting may refer."""
    setting = stage.project.environment.get("SECRET_KEY", "")
    return parameter_store.secret_key(stage.cloud.session.client("ssm"), setting)


def consent_texts(stage: Stage) -> ConsentTexts:
    """Return the texts that users agreed to."""
    client = stage.cloud.session.client("dynamodb", config=PATIENT)
    return ConsentTexts(client, stage.project.environment.get("LIMITS_TABLE", ""))


def ses(stage: Stage) -> "SESV2Client":
    """Return a client of SES in the stage's account."""
    return stage.cloud.session.client("sesv2")
