"""Asynchronous calls: tried as often as is useful, and never lost."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from ops.resources.functions import event_invoke_config
from ops.stage.project import Project
from tests.ops.conftest import Ear

QUEUE = "arn:aws:sqs:eu-west-3:123456789012:dead-letters"
FEEDBACK, DRAIN = "bienvenue-prod-record_mail_feedback", "bienvenue-prod-resend_owed_mail"


class Lambda:
    """Lambda's memory of each function's asynchronous calls."""

    class exceptions:  # noqa: N801 - boto3's name
        class ResourceNotFoundException(ClientError):
            pass

    def __init__(self, **configs: Any) -> None:
        self.configs: dict[str, dict[str, Any]] = configs
        self.puts: list[str] = []

    def get_function_event_invoke_config(self, FunctionName: str) -> Any:  # noqa: N803
        if FunctionName not in self.configs:
            raise self.exceptions.ResourceNotFoundException({"Error": {}}, "")
        return self.configs[FunctionName]

    def put_function_event_invoke_config(self, FunctionName: str, **config: Any) -> None:  # noqa: N803
        self.puts.append(FunctionName)
        destination = {**config.get("DestinationConfig", {}), "OnSuccess": {}}
        defaults = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 21_600}
        self.configs[FunctionName] = {**defaults, **config, "DestinationConfig": destination}


def configure(cloud: Lambda, project: Project, say: Ear) -> None:
    client: Any = cloud
    event_invoke_config.ensure(client, project, QUEUE, say)


def test_feedback_that_fails_goes_to_the_queue(project: Project, say: Ear) -> None:
    cloud = Lambda()
    configure(cloud, project, say)
    assert cloud.configs[FEEDBACK]["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
    assert cloud.configs[FEEDBACK]["MaximumRetryAttempts"] == 2
    assert say.last == "record_mail_feedback, resend_owed_mail set"


def test_a_drain_that_fails_waits_for_the_next_minute(project: Project, say: Ear) -> None:
    cloud = Lambda()
    configure(cloud, project, say)
    assert cloud.configs[DRAIN]["MaximumRetryAttempts"] == 0
    assert cloud.configs[DRAIN]["MaximumEventAgeInSeconds"] == 60


def test_settings_that_are_right_are_left_alone(project: Project, say: Ear) -> None:
    cloud = Lambda()
    configure(cloud, project, say)
    configure(cloud, project, say)
    assert say.last == "nothing to change"
    assert cloud.puts == [FEEDBACK, DRAIN]


def test_another_queue_is_replaced_by_the_stages_own(project: Project, say: Ear) -> None:
    cloud = Lambda()
    configure(cloud, project, say)
    cloud.configs[FEEDBACK] = {
        "DestinationConfig": {"OnFailure": {"Destination": f"{QUEUE}-former"}}
    }
    configure(cloud, project, say)
    assert cloud.configs[FEEDBACK]["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
    assert say.last == "record_mail_feedback set"
