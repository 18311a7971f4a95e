"""The MAIL FROM domain: where SES lets bounces go to, and whose SPF record counts."""

from typing import Any

from ops.resources.mail import mail_identity
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.terminal.progress import Say


def check(name: str, sender: str) -> str:
    """Return ``name`` as SES takes it. Raises DeployError unless the sender's domain is above."""
    domain = sender.rpartition("@")[2].lower()
    name = name.lower().rstrip(".")
    if not name.endswith(f".{domain}"):
        raise DeployError(
            f"The MAIL FROM domain must be a subdomain of {domain}, such as bounce.{domain}; "
            f"it is {name}."
        )
    return name


def ensure(ses: Any, cloud: Cloud, identity: str, name: str, say: Say) -> None:
    """Have SES use ``name`` for the mail of ``identity``. Until DNS knows it, SES uses its own."""
    if cloud.endpoint:
        say("the local cloud has none")
        return
    current = ses.get_email_identity(EmailIdentity=identity).get("MailFromAttributes", {})
    if current.get("MailFromDomain") == name:
        say(f"{name}, as before")
        return
    ses.put_email_identity_mail_from_attributes(
        EmailIdentity=identity, MailFromDomain=name, BehaviorOnMxFailure="USE_DEFAULT_VALUE"
    )
    say(name)


def left_to_do(ses: Any, cloud: Cloud, identity: str) -> list[str]:
    """Return the records that SES waits for, in a paragraph."""
    state = ses.get_email_identity(EmailIdentity=identity).get("MailFromAttributes", {})
    name = state.get("MailFromDomain")
    if not name or state.get("MailFromDomainStatus") == "SUCCESS":
        return []
    records = mail_identity.mail_from_records(name, cloud.region)
    return [f"Add these records to the DNS, so that SPF counts for your domain:{records}"]
