"""SES's events: reports about the mails that carry our tag."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from chalicelib.mail.limits import Limits
from chalicelib.mail.ses import LINK_TAG, key_of
from chalicelib.users import email_address
from chalicelib.users.item import BOUNCE_LIFE
from chalicelib.users.outbox import SUPPRESSED_LIFE, Outbox
from chalicelib.users.people import Verdict

log = logging.getLogger(__name__)


class Kind(Enum):
    """The kinds of SES's reports about a mail."""

    SENT = "Send"
    DELIVERED = "Delivery"
    DELAYED = "DeliveryDelay"
    REJECTED = "Reject"
    BOUNCED = "Bounce"
    COMPLAINED = "Complaint"


_VERDICTS = {Kind.BOUNCED: Verdict.BOUNCED, Kind.COMPLAINED: Verdict.COMPLAINED}

# Neither is the reader's complaint: the first is about DKIM or SPF, and the second takes the
# mail out of the junk folder. https://www.rfc-editor.org/rfc/rfc5965#section-3.1
_NO_COMPLAINTS = ("auth-failure", "not-spam")
_SUPPRESSED = ("Suppressed", "OnAccountSuppressionList")


class Report(NamedTuple):
    """SES's report about one mail.

    ``emails`` are the keys under which the user that SES was asked to mail may be stored.
    ``link_hash`` is the mail's tag. ``reason`` is in SES's words.
    """

    kind: Kind
    emails: tuple[str, ...]
    link_hash: str
    message_id: str
    reason: str = ""
    took_ms: int = 0
    is_suppressed: bool = False


def read(records: Iterable[Mapping[str, Any]], topic_arn: str) -> list[Report]:
    """Return the reports in an SNS event's ``records`` that are about our mail.

    Other topics are ignored, and so are mails without our tag. The recipients that a bounce or
    complaint names are ignored too: the recipient's own server writes them. A message that cannot
    be read is logged and skipped: a repetition would not be clearer.
    https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    """
    reports: dict[Report, None] = {}
    for record in records:
        try:
            if record["Sns"]["TopicArn"] != topic_arn:
                log.warning("feedback from another topic is ignored")
                continue
            text = record["Sns"]["Message"]
            if not text.lstrip().startswith("{"):  # SES greets a new destination in plain text
                log.info("feedback in plain text is ignored")
                continue
            if report := _report(json.loads(text)):
                reports[report] = None
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            log.error("unreadable feedback: %s", type(error).__name__)
    return list(reports)


def record(report: Report, outbox: Outbox, limits: Limits, now: datetime) -> None:
    """Record ``report`` in the user's item, and count bounces and complaints."""
    for email in report.emails:
        if _record(report, email, outbox, now) and report.kind in _VERDICTS:
            limits.count(_VERDICTS[report.kind], now)


def _record(report: Report, email: str, outbox: Outbox, now: datetime) -> bool:
    link_hash, message_id, reason = report.link_hash, report.message_id, report.reason
    if report.kind is Kind.SENT:
        return outbox.report_sent(email, link_hash, message_id, now)
    if report.kind is Kind.DELIVERED:
        return outbox.report_delivered(email, link_hash, message_id, report.took_ms, now)
    if report.kind is Kind.DELAYED:
        return outbox.report_delayed(email, link_hash, message_id, reason, now)
    if report.kind is Kind.REJECTED:
        return outbox.report_rejected(email, link_hash, reason, now)
    verdict = _VERDICTS[report.kind]
    life = SUPPRESSED_LIFE if report.is_suppressed else BOUNCE_LIFE
    return outbox.report_verdict(email, link_hash, verdict, now, reason=reason, life=life)


def _report(message: Mapping[str, Any]) -> Report | None:
    """Return the report in ``message`` about our mail; None if there is nothing to record."""
    mail = message.get("mail") or {}
    all_tags = mail.get("tags") or {}
    tags = all_tags.get(LINK_TAG) or []
    kind = message.get("eventType")
    if len(tags) != 1 or kind not in {each.value for each in Kind}:
        return None
    destinations = mail["destination"]
    if len(destinations) != 1:
        return None  # each of our mails has one recipient
    details = _DETAILS[Kind(kind)](message)
    if details is None:
        return None
    return Report(
        Kind(kind),
        (*email_address.keys(destinations[0]), *_tagged_keys(all_tags, destinations[0])),
        str(tags[0]),
        str(mail.get("messageId", "")),
        **details,
    )


def _tagged_keys(tags: Mapping[str, Any], mailed: str) -> list[str]:
    """Return the key that ``tags`` carry, if its mail does go to the address ``mailed``."""
    key = key_of(tags)
    return [key] if key and email_address.deliverable(key) == mailed else []


def _of_delivery(message: Mapping[str, Any]) -> dict[str, Any] | None:
    return {"took_ms": int(message["delivery"].get("processingTimeMillis", 0))}


def _of_delay(message: Mapping[str, Any]) -> dict[str, Any] | None:
    return {"reason": f"delayed: {message['deliveryDelay'].get('delayType', 'Undetermined')}"}


def _of_reject(message: Mapping[str, Any]) -> dict[str, Any] | None:
    return {"reason": f"rejected: {message['reject'].get('reason', '')}"}


def _of_bounce(message: Mapping[str, Any]) -> dict[str, Any] | None:
    bounce = message["bounce"]
    # Transient bounces pass, and SES itself does not know what Undetermined ones are.
    if bounce["bounceType"] != "Permanent":
        return None
    recipients = bounce.get("bouncedRecipients") or []
    actions = [each.get("action") if isinstance(each, Mapping) else None for each in recipients]
    if actions and all(action == "delayed" for action in actions):
        return None
    subtype = bounce.get("bounceSubType", "")
    return {"reason": f"bounced: {subtype}", "is_suppressed": subtype in _SUPPRESSED}


def _of_complaint(message: Mapping[str, Any]) -> dict[str, Any] | None:
    complaint = message["complaint"]
    kind = complaint.get("complaintFeedbackType")
    if kind in _NO_COMPLAINTS:
        return None
    subtype = complaint.get("complaintSubType")
    return {"reason": f"complained: {subtype or kind or 'no reason'}"}


_DETAILS = {
    Kind.SENT: lambda _: {},
    Kind.DELIVERED: _of_delivery,
    Kind.DELAYED: _of_delay,
    Kind.REJECTED: _of_reject,
    Kind.BOUNCED: _of_bounce,
    Kind.COMPLAINED: _of_complaint,
}
