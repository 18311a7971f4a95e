"""The event source mapping that brings the table's stream to the mailer.

Chalice makes it, but never notices a new stream, and knows none of the settings that keep mail from
being lost or held up. It leaves them alone once they are made.
"""

import json
from typing import TYPE_CHECKING, Any

from ops.resources.functions.function_settings import PATIENCE, matches, retry_until_settled
from ops.stage.errors import DeployError
from ops.stage.project import Project
from ops.stage.waiting import until
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef

FUNCTION = "send_validation_mail"
RESOURCE = f"{FUNCTION}-dynamodb-event-source"  # what Chalice records the mapping under

BATCHES_PER_SHARD = 1
"""The mailers that one shard has at once: each mails 500 a second (see concurrency.py)."""

SETTINGS: dict[str, Any] = {
    # A batch is tried for an hour. A longer time would let one refused recipient block a shard for
    # a day. The hourly scan finds the records that were dropped.
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": 3600,
    # A record that kills the function is soon alone. The drain mails what it holds up.
    "BisectBatchOnFunctionError": True,
    "ParallelizationFactor": BATCHES_PER_SHARD,
}


def remove_former(lambda_: "LambdaClient", project: Project, stream: str, say: Say) -> None:
    """Remove the mappings of other streams than ``stream``: the table was made again since."""
    for mapping in find(lambda_, project):
        if mapping["EventSourceArn"] != stream:
            say("the table was created again; unsubscribing from its old stream")
            retry_until_settled(lambda_.delete_event_source_mapping, UUID=mapping["UUID"])


def filters(absent: Any) -> dict[str, Any]:
    """Return the filter: as the handler itself decides, only sooner.

    A record passes if a mail or an event is owed, or if another program put the item: then it has
    no `mail`.
    ``absent`` is the pattern for an attribute that is not there, as the cloud understands it.
    """
    patterns = (
        {"eventName": ["INSERT"]},
        {"eventName": ["MODIFY"], "dynamodb": {"NewImage": {"mail": {"S": ["owed"]}}}},
        {
            "eventName": ["MODIFY"],
            "dynamodb": {"NewImage": {"mail": absent, "validated_at": absent}},
        },
        {"eventName": ["MODIFY"], "dynamodb": {"NewImage": {"event": {"S": ["owed"]}}}},
    )
    return {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}


def ensure(
    lambda_: "LambdaClient", project: Project, dead_letters: str, absent: Any, say: Say
) -> None:
    """Give the deployed mapping its settings, and wait until it works by them."""
    recorded = project.resource(RESOURCE)
    if recorded is None:
        raise DeployError(f"Chalice created no event source mapping. Does app.py have {FUNCTION}?")
    uuid = recorded["event_uuid"]
    changed = differences(lambda_.get_event_source_mapping(UUID=uuid), dead_letters, absent)
    wanted = _wanted(dead_letters, absent)
    if changed:
        retry_until_settled(lambda_.update_event_source_mapping, UUID=uuid, **wanted)
    state = until(lambda: _state(lambda_, uuid), PATIENCE, _too_slow)
    text = "nothing to change"
    if changed:
        text = (
            "all its settings set" if len(changed) == len(wanted) else ", ".join(changed) + " set"
        )
    say(text if state == "Enabled" else f"{text}; it is {state.lower()}, so no mail is sent")


def differences(mapping: Any, dead_letters: str, absent: Any) -> list[str]:
    """Return the names of the settings that ``mapping`` does not have."""
    wanted = _wanted(dead_letters, absent)
    return sorted(name for name, value in wanted.items() if not matches(mapping.get(name), value))


def find(
    lambda_: "LambdaClient", project: Project
) -> "list[EventSourceMappingConfigurationTypeDef]":
    """Return the mappings that bring records of the users' table, or of a former one, to the
    mailer; none if there is no such function."""
    stream = f":table/{project.users_table}/stream/"
    pages = lambda_.get_paginator("list_event_source_mappings").paginate(
        FunctionName=project.function(FUNCTION)
    )
    try:
        mappings = [mapping for page in pages for mapping in page["EventSourceMappings"]]
    except lambda_.exceptions.ResourceNotFoundException:  # no such function yet
        return []
    return [
        mapping
        for mapping in mappings
        if mapping.get("State") != "Deleting" and stream in mapping["EventSourceArn"]
    ]


def _wanted(dead_letters: str, absent: Any) -> dict[str, Any]:
    return {
        **SETTINGS,
        "FilterCriteria": filters(absent),
        "DestinationConfig": {"OnFailure": {"Destination": dead_letters}},
    }


def _state(lambda_: "LambdaClient", uuid: str) -> str | None:
    """Enabled or Disabled; None on the way there."""
    state = lambda_.get_event_source_mapping(UUID=uuid)["State"]
    return state if state in ("Enabled", "Disabled") else None


def _too_slow() -> DeployError:
    return DeployError("Lambda is still changing the event source mapping: deploy again.")
