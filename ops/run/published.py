"""The events that a run publishes: a rule of its bus fills a queue, which is read."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone

from chalicelib.events.bus import SOURCE
from ops.run.happenings import Happening
from ops.stage.cloud import Cloud
from ops.stage.project import Project

NAME = "published"
AT_ONCE = 10


class Published:
    """The stage's events that EventBridge takes from now on."""

    def __init__(self, cloud: Cloud, project: Project) -> None:
        self._sqs = cloud.session.client("sqs")
        events = cloud.session.client("events")
        bus, name = project.environment["EVENT_BUS"], f"{project.full_name}-{NAME}"
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        about = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        target = {"Id": NAME, "Arn": about["Attributes"]["QueueArn"], "InputPath": "$.detail"}
        pattern = json.dumps({"source": [SOURCE]})
        events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)
        events.put_targets(Rule=name, EventBusName=bus, Targets=[target])

    def read(self) -> Iterator[Happening]:
        """Yield the events since it was read last."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=AT_ONCE
        ).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                now = datetime.now(timezone.utc)
                yield Happening(now, NAME, event["email"], event["type"])
                self._sqs.delete_message(
                    QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"]
                )
