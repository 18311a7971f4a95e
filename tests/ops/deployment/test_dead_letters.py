"""Feedback that fails: Lambda is told once where to put it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from ops.deployment import dead_letters
from ops.stage.project import Project
from tests.ops.conftest import Ear

QUEUE = "arn:aws:sqs:eu-west-3:123456789012:dead-letters"


class Lambda:
    """What Lambda does with the failures of one function."""

    class exceptions:  # noqa: N801 - boto3's name
        class ResourceNotFoundException(ClientError):
            pass

    def __init__(self) -> None:
        self.config: dict[str, Any] | None = None
        self.puts: list[str] = []

    def get_function_event_invoke_config(self, FunctionName: str) -> Any:  # noqa: N803
        assert FunctionName == "bienvenue-prod-record_mail_feedback"
        if self.config is None:
            raise self.exceptions.ResourceNotFoundException({"Error": {}}, "")
        return self.config

    def put_function_event_invoke_config(self, FunctionName: str, **config: Any) -> None:  # noqa: N803
        self.puts.append(FunctionName)
        self.config = {**config, "MaximumRetryAttempts": 2}
        self.config["DestinationConfig"]["OnSuccess"] = {}


def configure(cloud: Lambda, project: Project, say: Ear) -> None:
    client: Any = cloud
    dead_letters.configure(client, project, QUEUE, say)


def test_what_the_function_fails_on_goes_to_the_queue(project: Project, say: Ear) -> None:
    cloud = Lambda()
    configure(cloud, project, say)
    assert cloud.config
    assert cloud.config["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
    assert say.last == "to the queue of dead letters"

    configure(cloud, project, say)
    assert say.last == "nothing to change"
    assert cloud.puts == ["bienvenue-prod-record_mail_feedback"]


def test_another_queue_is_replaced_by_the_stages_own(project: Project, say: Ear) -> None:
    cloud = Lambda()
    cloud.config = {"DestinationConfig": {"OnFailure": {"Destination": f"{QUEUE}-of-old"}}}
    configure(cloud, project, say)
    assert cloud.config["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
