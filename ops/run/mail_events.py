"""SES's events about the mails of a run, published to its topic as SES would."""

import asyncio
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger(__name__)

SIMULATOR = "simulator.amazonses.com"
"""https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html"""
DELIVERED_AFTER = 0.5  # seconds
_BRIEF = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})


class Publisher:
    """Publishes the events of each mail to the topics that its configuration set names.

    ``endpoint`` is the local cloud, whose own SES publishes none.
    """

    def __init__(self, endpoint: str, region: str) -> None:
        self._ses = boto3.client("sesv2", region, endpoint_url=endpoint, config=_BRIEF)
        self._sns = boto3.client("sns", region, endpoint_url=endpoint, config=_BRIEF)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mail-events")

    def mail_taken(self, call: Mapping[str, Any], message_id: str, at: datetime) -> None:
        """Publish that SES took the mail of ``call``, and soon what became of it."""
        loop = asyncio.get_running_loop()
        for number, event in enumerate(events(call, message_id, at)):
            name = call.get("ConfigurationSetName", "")
            loop.call_later(number * DELIVERED_AFTER, self._pool.submit, self.publish, name, event)

    def publish(self, configuration_set: str, event: Mapping[str, Any]) -> None:
        """Publish ``event`` to each topic that ``configuration_set`` has for its kind."""
        try:
            for topic in self._topics(configuration_set, event["eventType"].upper()):
                # Chalice reads all four fields. SNS always hands them on, the local cloud only
                # those that were given.
                self._sns.publish(
                    TopicArn=topic,
                    Subject="Amazon SES Email Event Notification",
                    Message=json.dumps(event),
                    MessageAttributes={"source": {"DataType": "String", "StringValue": "ses"}},
                )
        except (BotoCoreError, ClientError) as error:
            log.error("no event of SES's is published: %s", error)

    def _topics(self, configuration_set: str, kind: str) -> list[str]:
        if not configuration_set:
            return []
        answer = self._ses.get_configuration_set_event_destinations(
            ConfigurationSetName=configuration_set
        )
        return [
            destination["SnsDestination"]["TopicArn"]
            for destination in answer.get("EventDestinations", [])
            if destination["Enabled"]
            and kind in destination["MatchingEventTypes"]
            and "SnsDestination" in destination
        ]


def events(call: Mapping[str, Any], message_id: str, at: datetime) -> list[dict[str, Any]]:
    """Return SES's events about a mail in their order; ``call`` is the JSON of its SendEmail.

    Every mail is delivered, except for those to the addresses of SES's simulator that are not.
    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    recipients = call["Destination"].get("ToAddresses", [])
    mail = {
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "messageId": message_id,
        "source": call["FromEmailAddress"],
        "destination": recipients,
        "tags": {
            "ses:operation": ["SendEmail"],
            "ses:configuration-set": [call.get("ConfigurationSetName", "")],
            **{tag["Name"]: [tag["Value"]] for tag in call.get("EmailTags", [])},
        },
    }
    kinds: dict[str, Any] = {"Send": {}, **_outcome(recipients)}
    return [
        {"eventType": kind, "mail": mail, kind.lower(): details} for kind, details in kinds.items()
    ]


def _outcome(recipients: list[str]) -> dict[str, Any]:
    """Return what becomes of a mail: the kinds of events, each with its details."""
    delivery = {
        "recipients": recipients,
        "processingTimeMillis": int(DELIVERED_AFTER * 1000),
        "smtpResponse": "250 2.6.0 Message received",
    }
    simulated, _, domain = recipients[0].partition("@") if recipients else ("", "", "")
    mailbox = simulated.partition("+")[0] if domain == SIMULATOR else ""
    if mailbox in ("bounce", "suppressionlist"):
        subtype = "Suppressed" if mailbox == "suppressionlist" else "General"
        bounced = [
            {"emailAddress": recipient, "action": "failed", "status": "5.1.1"}
            for recipient in recipients
        ]
        return {
            "Bounce": {
                "bounceType": "Permanent",
                "bounceSubType": subtype,
                "bouncedRecipients": bounced,
            }
        }
    if mailbox == "complaint":
        complained = [{"emailAddress": recipient} for recipient in recipients]
        complaint = {"complainedRecipients": complained, "complaintFeedbackType": "abuse"}
        return {"Delivery": delivery, "Complaint": complaint}
    return {"Delivery": delivery}
