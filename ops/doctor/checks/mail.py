"""SES: the sender, its quota, its reports and its suppression list."""

import shlex
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from chalicelib.logs import hashed
from chalicelib.users import email_address
from ops.doctor import name_server
from ops.doctor.check import Check, Finding, amber, green, listed, red
from ops.doctor.facts import Facts, NotThere
from ops.metrics.funnel import text
from ops.resources.functions import event_invoke_config
from ops.resources.mail import mail_identity
from ops.stage import local_stage
from ops.users import lookup

LITTLE_LEFT = 0.2  # 20 % of a day's quota
MAX_SUPPRESSED = 3000
_AT_A_TIME = 100  # keys that one BatchGetItem takes

_QUOTA = "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-request-increase.html"
_REVIEW = "https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html"
_DKIM = "https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim.html"


def _identity(facts: Facts) -> Finding:
    try:
        identity = facts.identity()
    except NotThere:
        return red(f"SES has no identity for {facts.sender}", *facts.deploy_again)
    name = identity["Name"]
    if not identity.get("VerifiedForSendingStatus"):
        dkim = identity.get("DkimAttributes", {})
        how, words = mail_identity.how_to_verify(facts.sender, name, dkim)
        command = facts.stage.cloud.aws(words) if words else ""
        return red(f"{name} is not verified, so nothing is sent", how, command)
    covered = "" if name == facts.sender else f", by {name}"
    return green(f"{facts.sender} may send{covered}")


def _dkim(facts: Facts) -> Finding:
    identity = facts.identity()
    name, dkim = identity["Name"], identity.get("DkimAttributes", {})
    is_verified = identity.get("VerifiedForSendingStatus")
    if not is_verified and ("@" in name or facts.stage.name == local_stage.STAGE):
        raise NotThere("not seen: the sender is not verified")
    is_address = "@" in name
    name = name.rpartition("@")[2]
    if is_address and not _signs(dkim):  # then its domain may
        of_domain = _dkim_of(facts, name)
        if of_domain is None:
            return amber(
                "mails are not signed: the address is verified, but not its domain",
                f"If {name} is yours, verify it: mailbox providers trust signed mail.",
                facts.stage.cloud.aws(f"sesv2 create-email-identity --email-identity {name}"),
            )
        dkim = of_domain
    wrong = _wrong_aliases(name, dkim)
    if _signs(dkim):
        if wrong:
            return amber(
                f"mails are signed for {name}, but its DNS lost {_counted(wrong)}: SES will stop",
                f"Put back into the DNS of {name}:{mail_identity.alias_records(wrong)}",
            )
        return green(f"mails are signed for {name}")
    if dkim.get("Status") == "SUCCESS":
        return amber(
            "mails are not signed: signing is off",
            "Turn it on: mailbox providers trust signed mail.",
            facts.stage.cloud.aws(
                "sesv2 put-email-identity-dkim-attributes --signing-enabled "
                f"--email-identity {name}"
            ),
        )
    line = f"mails are not signed ({dkim.get('Status', 'unknown').lower().replace('_', ' ')})"
    if not dkim.get("Tokens"):
        return amber(line, f"Put its records into the DNS of {name}: {_DKIM}")
    if wrong:
        return amber(
            f"{line}: the DNS lacks {_counted(wrong)}",
            f"Add to the DNS of {name}:{mail_identity.alias_records(wrong)}",
        )
    return amber(
        f"{line}, though the DNS has all records",
        "Wait for SES, which looks for them for three days.",
    )


def _wrong_aliases(domain: str, dkim: Mapping[str, Any]) -> dict[str, str]:
    """Return the records that SES's signatures need and the DNS does not have."""
    wanted = mail_identity.dkim_aliases(domain, dkim)
    return {
        name: target for name, target in wanted.items() if name_server.alias(name) != target.lower()
    }


def _counted(records: Mapping[str, str]) -> str:
    return "1 DKIM record" if len(records) == 1 else f"{len(records)} DKIM records"


def _signs(dkim: Mapping[str, Any]) -> bool:
    return dkim.get("Status") == "SUCCESS" and bool(dkim.get("SigningEnabled"))


def _dkim_of(facts: Facts, domain: str) -> Mapping[str, Any] | None:
    """Return how SES signs mail from ``domain``; None if it does not know the domain."""
    ses = facts.client("sesv2")
    try:
        identity = ses.get_email_identity(EmailIdentity=domain)
    except ses.exceptions.NotFoundException:
        return None
    signing: Mapping[str, Any] = identity.get("DkimAttributes", {})
    return signing


def _sandbox(facts: Facts) -> Finding:
    if facts.account().get("ProductionAccessEnabled"):
        return green("the account is out of it")
    return amber("the account is in it", mail_identity.LEAVE_THE_SANDBOX)


def _quota(facts: Facts) -> Finding:
    quota = facts.account()["SendQuota"]
    most, sent = quota["Max24HourSend"], quota["SentLast24Hours"]
    if most < 0:
        return green("unlimited")
    left = max(most - sent, 0)
    line = f"{left:,.0f} of {most:,.0f} mails left, {quota['MaxSendRate']:g} a second"
    if left >= LITTLE_LEFT * most:
        return green(line)
    return (amber if left else red)(line, f"Ask SES for more: {_QUOTA}")


def _standing(facts: Facts) -> Finding:
    account = facts.account()
    status = account.get("EnforcementStatus", "unknown")
    line = status.lower()
    if not account.get("SendingEnabled"):
        return red(
            f"{line}; sending is paused",
            "Find out who paused it and why. Then:",
            facts.stage.cloud.aws("sesv2 put-account-sending-attributes --sending-enabled"),
        )
    if status == "HEALTHY":
        return green("healthy, sending is on")
    finding = red if status == "SHUTDOWN" else amber
    return finding(line, f"SES reviews the account. The support case has the reason: {_REVIEW}")


def _feedback(facts: Facts) -> Finding:
    environment = facts.project.environment
    name, topic = (environment.get(setting, "") for setting in _FEEDBACK_SETTINGS)
    if not name:
        return red("the settings name no configuration set", *facts.deploy_again)
    ses = facts.client("sesv2")
    try:
        described = ses.get_configuration_set(ConfigurationSetName=name)
        destinations = ses.get_configuration_set_event_destinations(ConfigurationSetName=name)
    except ses.exceptions.NotFoundException:
        return red(f"the configuration set {name} is missing", *facts.deploy_again)
    if not described.get("SendingOptions", {}).get("SendingEnabled", True):
        return red(
            f"sending is paused by the configuration set {name}",
            "Find out who paused it and why. Then:",
            facts.stage.cloud.aws(
                "sesv2 put-configuration-set-sending-options --sending-enabled "
                f"--configuration-set-name {name}"
            ),
        )
    reported = {
        kind
        for destination in destinations["EventDestinations"]
        if destination.get("Enabled")
        and destination.get("SnsDestination", {}).get("TopicArn") == topic
        for kind in destination["MatchingEventTypes"]
    }
    if missing := EVENTS - reported:
        kinds = ", ".join(sorted(kind.lower().replace("_", " ") for kind in missing))
        return red(f"SES does not report to the topic: {kinds}", *facts.deploy_again)
    function = facts.project.function(event_invoke_config.FEEDBACK)
    pages = facts.client("sns").get_paginator("list_subscriptions_by_topic")
    listening = [
        subscription["Endpoint"]
        for page in pages.paginate(TopicArn=topic)
        for subscription in page["Subscriptions"]
    ]
    if not any(endpoint.endswith(f":function:{function}") for endpoint in listening):
        return red("nothing listens to the topic of SES's reports", *facts.deploy_again)
    return green("SES's reports reach their function")


def _suppressed(facts: Facts) -> Finding:
    """SES accepts mail to a suppressed address, but does not deliver it."""
    addresses = list(islice(_suppressed_addresses(facts), MAX_SUPPRESSED + 1))
    is_all = len(addresses) <= MAX_SUPPRESSED
    waiting = dict(_waiting(facts, addresses[:MAX_SUPPRESSED]))
    those = f"{len(addresses):,}" if is_all else f"{MAX_SUPPRESSED:,} that were checked"
    if not waiting:
        return green(f"no user who waits for a mail is on the list of {those}")
    hashes = listed(sorted(map(hashed, waiting)))
    mailed = next(iter(waiting.values()))
    return amber(
        f"SES suppresses mail to these users: {hashes}",
        "If an address is there by mistake, remove it, then resend the mail.",
        facts.stage.cloud.aws(
            f"sesv2 delete-suppressed-destination --email-address {shlex.quote(mailed)}"
        ),
    )


def _suppressed_addresses(facts: Facts) -> Iterator[str]:
    ses = facts.client("sesv2")
    more: dict[str, str] = {}
    while True:
        page = ses.list_suppressed_destinations(PageSize=1000, **more)
        yield from (summary["EmailAddress"] for summary in page["SuppressedDestinationSummaries"])
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def _waiting(facts: Facts, addresses: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the keys of users who wait for a mail to one of ``addresses``, with the address."""
    yield from _waiting_by_key(facts, addresses)
    suppressed = {address.lower(): address for address in addresses}
    people, _ = facts.people()
    for item in people:
        key = text(item, "email")
        address = suppressed.get(lookup.mailed(key).lower())
        if address and _waits(item):  # an address does not lead to a key with additions
            yield key, address


def _waiting_by_key(facts: Facts, addresses: list[str]) -> Iterator[tuple[str, str]]:
    """Yield those whom their address leads to, in a table of any size."""
    table, dynamodb = facts.stage.users_table, facts.client("dynamodb")
    mailed = {key: address for address in addresses for key in email_address.keys(address)}
    keys = iter(mailed)
    while some := list(islice(keys, _AT_A_TIME)):
        asked = {
            table: {
                "Keys": [{"email": {"S": key}} for key in some],
                "ProjectionExpression": "email, mail, validated_at",
            }
        }
        while asked:
            answer = dynamodb.batch_get_item(RequestItems=asked)
            for item in answer["Responses"].get(table, []):
                if _waits(item):
                    yield (key := text(item, "email")), mailed[key]
            asked = answer.get("UnprocessedKeys")


def _waits(item: Mapping[str, Any]) -> bool:
    return "validated_at" not in item and text(item, "mail") not in _NO_LONGER_MAILED


_NO_LONGER_MAILED = ("failed", "bounced", "complained", "refused")
EVENTS = frozenset(("SEND", "DELIVERY", "DELIVERY_DELAY", "REJECT", "BOUNCE", "COMPLAINT"))
"""The events of a mail that SES reports to the stage's topic."""

_FEEDBACK_SETTINGS = ("MAIL_CONFIGURATION_SET", "MAIL_FEEDBACK_TOPIC_ARN")
_ACCOUNT = ("ses:GetAccount",)
_IDENTITY = ("ses:GetEmailIdentity",)

DKIM = Check("Mail", "DKIM", _IDENTITY, _dkim)
CHECKS = (
    Check("Mail", "Sender", _IDENTITY, _identity),
    DKIM,
    Check("Mail", "Sandbox", _ACCOUNT, _sandbox),
    Check("Mail", "Quota today", _ACCOUNT, _quota),
    Check("Mail", "Standing", _ACCOUNT, _standing),
    Check(
        "Mail",
        "Feedback",
        (
            "ses:GetConfigurationSet",
            "ses:GetConfigurationSetEventDestinations",
            "sns:ListSubscriptionsByTopic",
        ),
        _feedback,
    ),
    Check(
        "Mail",
        "Suppression",
        ("ses:ListSuppressedDestinations", "dynamodb:BatchGetItem", "dynamodb:Scan"),
        _suppressed,
    ),
)
