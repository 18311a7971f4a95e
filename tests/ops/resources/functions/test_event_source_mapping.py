"""The mapping from the stream to the mailer: one only, and no owed mail left out."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.mail import mailer
from ops.resources.functions import event_source_mapping, function_settings
from ops.stage.cloud import ABSENT
from ops.stage.errors import DeployError
from ops.stage.project import Project
from tests.ops.conftest import Ear

TABLE = "bienvenue-prod-users"
ARN = f"arn:aws:dynamodb:eu-west-3:123456789012:table/{TABLE}/stream"
OLD, NEW = f"{ARN}/2025", f"{ARN}/2026"
FUNCTION = "arn:aws:lambda:eu-west-3:123456789012:function:bienvenue-prod-send_validation_mail"
QUEUE = "arn:aws:sqs:eu-west-3:123456789012:dead-letters"
ABSENT_ATTRIBUTE = object()
NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)

EVENTS = ("INSERT", "MODIFY", "REMOVE")
MAILS = (
    ABSENT_ATTRIBUTE,
    *({"S": mail} for mail in ("owed", "sending", "sent", "failed", "bounced", "complained", "")),
    {"N": "1"},
    {"NULL": True},
    {"SS": ["owed"]},
    {"M": {"S": {"S": "owed"}}},
)


def record(event: str, mail: object, *more: str) -> dict[str, Any]:
    image: dict[str, Any] = {"email": {"S": "alexis@example.org"}}
    if mail is not ABSENT_ATTRIBUTE:
        image["mail"] = mail
    image |= {name: {"S": "2026-11-24T12:00:00.000000Z"} for name in more}
    return {"eventName": event, "dynamodb": {"SequenceNumber": "1", "NewImage": image}}


def passes(pattern: Any, value: Any) -> bool:
    """Return True if Lambda hands over what ``pattern`` filters, for the constructs that we use.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
    """
    if pattern == ABSENT:
        return not isinstance(value, dict) or "S" not in value
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            passes(one, value.get(name)) for name, one in pattern.items()
        )
    assert all(isinstance(one, str) for one in pattern), "no other comparison operators here"
    return value in pattern


def is_handed_over(one: dict[str, Any]) -> bool:
    filters = event_source_mapping.filters(ABSENT)["Filters"]
    return any(passes(json.loads(each["Pattern"]), one) for each in filters)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    "mail", MAILS, ids=lambda mail: "absent" if mail is ABSENT_ATTRIBUTE else str(mail)
)
def test_whatever_the_handler_would_mail_is_handed_to_it(event: str, mail: object) -> None:
    for size in range(4):
        for more in itertools.combinations(("validated_at", "expires_at", "links"), size):
            one = record(event, mail, *more)
            assert is_handed_over(one) or not mailer.owed([one], NOW)


@pytest.mark.parametrize("mail", ["sending", "sent", "failed", "bounced", "complained"])
def test_writes_after_a_mail_cost_no_invocation(mail: str) -> None:
    assert not is_handed_over(record("MODIFY", {"S": mail}))
    assert not is_handed_over(record("REMOVE", {"S": "owed"}))
    assert not is_handed_over(record("REMOVE", ABSENT_ATTRIBUTE))


def test_an_item_that_another_program_replaced_is_handed_over() -> None:
    """Unless it says that the user is validated: an import does."""
    assert is_handed_over(record("MODIFY", ABSENT_ATTRIBUTE))
    assert not is_handed_over(record("MODIFY", ABSENT_ATTRIBUTE, "validated_at"))


class Lambda:
    """Event source mappings, each by its UUID, and a function that may not be there yet."""

    class exceptions:  # noqa: N801 - boto3's name
        class ResourceNotFoundException(ClientError):
            pass

    def __init__(self, **streams: str) -> None:
        self.mappings: dict[str, dict[str, Any]] = {
            uuid: {
                "UUID": uuid,
                "EventSourceArn": arn,
                "FunctionArn": FUNCTION,
                "State": "Enabled",
            }
            for uuid, arn in streams.items()
        }
        self.refusals: list[str] = []
        self.calls: list[str] = []
        self.has_function = True

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_event_source_mappings"
        return self

    def paginate(self, FunctionName: str) -> Any:  # noqa: N803 - boto3's names
        assert FunctionName == "bienvenue-prod-send_validation_mail"
        if not self.has_function:
            raise self.exceptions.ResourceNotFoundException({"Error": {}}, "")
        for mapping in self.mappings.values():
            yield {"EventSourceMappings": [mapping]}

    def get_event_source_mapping(self, UUID: str) -> Any:  # noqa: N803 - boto3's names
        mapping = self.mappings[UUID]
        seen = dict(mapping)
        if mapping["State"] == "Updating":
            mapping["State"] = "Enabled"
        return seen

    def update_event_source_mapping(self, UUID: str, **settings: Any) -> None:  # noqa: N803
        self._call("update")
        self.mappings[UUID] |= {**settings, "State": "Updating"}

    def delete_event_source_mapping(self, UUID: str) -> None:  # noqa: N803 - boto3's names
        self._call("delete")
        del self.mappings[UUID]

    def _call(self, what: str) -> None:
        self.calls.append(what)
        if self.refusals:
            raise ClientError({"Error": {"Code": self.refusals.pop(0)}}, what)


def remove_former(cloud: Lambda, project: Project, say: Ear) -> None:
    client: Any = cloud
    event_source_mapping.remove_former(client, project, NEW, say)


def configure(cloud: Lambda, project: Project, say: Ear) -> None:
    client: Any = cloud
    project.replace([{"name": event_source_mapping.RESOURCE, "event_uuid": "1"}])
    event_source_mapping.ensure(client, project, QUEUE, ABSENT, say)


def test_a_mapping_of_a_former_table_is_removed(project: Project, say: Ear) -> None:
    cloud = Lambda(one=OLD, two=NEW)
    cloud.refusals = ["ResourceInUseException"]
    remove_former(cloud, project, say)
    assert list(cloud.mappings) == ["two"]
    assert cloud.calls == ["delete", "delete"]
    assert "the table was created again" in say.last


def test_a_mapping_of_another_program_is_left_alone(project: Project, say: Ear) -> None:
    kinesis = "arn:aws:kinesis:eu-west-3:123456789012:stream/theirs"
    cloud = Lambda(theirs=kinesis, ours=NEW, other=OLD.replace("users", "orders"))
    remove_former(cloud, project, say)
    assert set(cloud.mappings) == {"theirs", "ours", "other"}


@pytest.mark.parametrize("state", ["no function", "deleting"])
def test_a_mapping_that_is_gone_is_not_found(project: Project, state: str) -> None:
    cloud = Lambda(one=NEW)
    cloud.has_function = state != "no function"
    cloud.mappings["one"]["State"] = "Deleting"
    client: Any = cloud
    assert event_source_mapping.find(client, project) == []


def test_a_new_mapping_gets_all_its_settings_and_then_no_more(project: Project, say: Ear) -> None:
    cloud = Lambda(**{"1": NEW})
    cloud.refusals = ["ResourceInUseException", "InvalidParameterValueException"]
    configure(cloud, project, say)
    assert say.last == "all its settings set"
    mapping = cloud.mappings["1"]
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": QUEUE}}
    assert mapping.items() >= event_source_mapping.SETTINGS.items()
    assert mapping["FilterCriteria"] == event_source_mapping.filters(ABSENT)

    # As AWS shows it: with more in it than was given.
    mapping["DestinationConfig"]["OnSuccess"] = {}
    cloud.calls.clear()
    configure(cloud, project, say)
    assert say.last == "nothing to change"
    assert cloud.calls == []


def test_a_setting_that_was_changed_by_hand_is_set_again(project: Project, say: Ear) -> None:
    cloud = Lambda(**{"1": NEW})
    configure(cloud, project, say)
    cloud.mappings["1"]["MaximumRecordAgeInSeconds"] = -1
    configure(cloud, project, say)
    assert say.last == "MaximumRecordAgeInSeconds set"


def test_a_disabled_mapping_stays_disabled_and_is_reported(project: Project, say: Ear) -> None:
    cloud = Lambda(**{"1": NEW})
    configure(cloud, project, say)
    cloud.mappings["1"]["State"] = "Disabled"
    configure(cloud, project, say)
    assert say.last == "nothing to change; it is disabled, so no mail is sent"
    assert cloud.mappings["1"]["State"] == "Disabled"


def test_a_refusal_that_does_not_pass_is_raised(project: Project, say: Ear) -> None:
    cloud = Lambda(**{"1": NEW})
    cloud.refusals = ["AccessDeniedException"]
    with pytest.raises(ClientError, match="AccessDeniedException"):
        configure(cloud, project, say)
    assert cloud.calls == ["update"]


def test_a_lasting_refusal_is_raised_in_the_end(
    project: Project, say: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_settings, "PATIENCE", 0.0)
    cloud = Lambda(**{"1": NEW})
    cloud.refusals = ["InvalidParameterValueException"] * 9
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        configure(cloud, project, say)


def test_an_app_without_the_function_is_an_error(project: Project, say: Ear) -> None:
    client: Any = Lambda()
    with pytest.raises(DeployError, match="no event source mapping"):
        event_source_mapping.ensure(client, project, QUEUE, ABSENT, say)
