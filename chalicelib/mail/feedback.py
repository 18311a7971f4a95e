"""What SES reports back: which addresses bounce or complain, and so get no more mail."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from chalicelib.users import email_address
from chalicelib.users.people import Verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Feedback:
    """What became of the mail to one address."""

    email: str
    verdict: Verdict


def read(records: Iterable[Mapping[str, Any]], topic_arn: str) -> list[Feedback]:
    """The verdicts in an SNS event's ``records``; those of any other topic are not listened to.

    SES has two shapes: notifications say ``notificationType``, event publishing ``eventType``. A
    message that cannot be read is logged and stepped over, as it would be no clearer another time.
    https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
    """
    found: dict[Feedback, None] = {}
    for record in records:
        try:
            if record["Sns"]["TopicArn"] != topic_arn:
                log.warning("feedback from another topic is ignored")
                continue
            for feedback in _verdicts(json.loads(record["Sns"]["Message"])):
                found[feedback] = None
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            log.error("unreadable feedback: %s", type(error).__name__)
    return list(found)


def _verdicts(message: Mapping[str, Any]) -> Iterator[Feedback]:
    kind = message.get("notificationType") or message.get("eventType")
    if kind == "Bounce":
        # Transient ones pass; for Undetermined ones SES itself cannot tell.
        if message["bounce"]["bounceType"] != "Permanent":
            return
        recipients, verdict = message["bounce"]["bouncedRecipients"], Verdict.BOUNCED
    elif kind == "Complaint":
        # "not-spam" takes a mail out of the junk folder: the opposite of a complaint.
        if message["complaint"].get("complaintFeedbackType") == "not-spam":
            return
        recipients, verdict = message["complaint"]["complainedRecipients"], Verdict.COMPLAINED
    else:
        return
    # A mailbox's own report may spell the address otherwise than it was mailed to.
    mailed = {email.lower(): email for email in message.get("mail", {}).get("destination", [])}
    for recipient in recipients:
        _, email = parseaddr(recipient["emailAddress"])
        for key in email_address.keys(mailed.get(email.lower(), email)):
            yield Feedback(key, verdict)
