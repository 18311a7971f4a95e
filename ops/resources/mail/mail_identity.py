"""The sender's identity in SES, and what its owner has to do before SES delivers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

LEAVE_THE_SANDBOX = (
    "SES keeps this account in its sandbox: it mails only verified addresses, 200 a day. "
    "Ask to leave it: https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html"
)

_DKIM_ZONE = "dkim.amazonses.com"


@dataclass(frozen=True)
class MailIdentity:
    """An identity that covers the sender; ``is_ours`` if the stage's stack makes it, or made it."""

    name: str
    is_ours: bool


def choose(ses: "SESV2Client", mail_from: str, made_before: str) -> MailIdentity:
    """Return the account's identity for ``mail_from``, a verified one if possible; else its domain,
    to be made.

    ``made_before`` is the one that the stack has made already, if any.
    """
    if name := find(ses, mail_from):
        return MailIdentity(name, is_ours=name == made_before)
    return MailIdentity(_domain(mail_from), is_ours=True)


def find(ses: "SESV2Client", mail_from: str) -> str:
    """Return the account's identity for ``mail_from``, a verified one first; empty for none."""
    states = {name: state for name in _covering(mail_from) if (state := _look(ses, name))}
    verified = [name for name, state in states.items() if state == "verified"]
    return next(iter(verified or states), "")


def left_to_do(
    ses: "SESV2Client", mail_from: str, identity: str, aws: Callable[[str], str]
) -> list[str]:
    """Return what an operator must do before mail is delivered, in paragraphs. ``aws``
    spells command lines, as Cloud's does."""
    left = []
    described = ses.get_email_identity(EmailIdentity=identity)
    if not described.get("VerifiedForSendingStatus"):
        how, words = how_to_verify(mail_from, identity, described["DkimAttributes"])
        left.append(f"{how} {aws(words)}" if words else how)
    if not ses.get_account().get("ProductionAccessEnabled"):
        left.append(LEAVE_THE_SANDBOX)
    return left


def how_to_verify(mail_from: str, identity: str, dkim: Any) -> tuple[str, str]:
    """Return what the owner of ``identity`` has to do, and what ``aws`` does instead, if it can.

    ``dkim`` are its DKIM attributes as SES describes them.
    """
    if "@" in identity:
        return (
            f"Open the link in the mail that AWS sent to {identity}, so that SES may send from it.",
            "",
        )
    records = dkim_records(identity, dkim)
    how = (
        f"Add these records to the DNS of {identity}, so that SES may send from it:{records}\n"
        "If the domain is not yours, verify only the address instead:"
    )
    return how, f"sesv2 create-email-identity --email-identity {quote(mail_from)}"


def dkim_records(domain: str, dkim: Any) -> str:
    """Return the records by which mailboxes know SES's signatures for ``domain``, a line each."""
    return alias_records(dkim_aliases(domain, dkim))


def alias_records(aliases: Mapping[str, str]) -> str:
    """Return the records that make each name a CNAME of its target, a line each."""
    return "".join(f"\n  {name}  CNAME  {target}" for name, target in aliases.items())


def dkim_aliases(domain: str, dkim: Any) -> dict[str, str]:
    """Return what each name under ``domain`` must be a CNAME of, for SES to sign.

    There is none for keys that an operator brought: a TXT record has the public one.
    """
    if dkim.get("SigningAttributesOrigin") == "EXTERNAL":
        return {}
    # Regions since 2020, such as Milan, have zones of their own.
    zone = dkim.get("SigningHostedZone") or _DKIM_ZONE
    return {f"{token}._domainkey.{domain}": f"{token}.{zone}" for token in dkim.get("Tokens") or []}


def mail_from_records(name: str, region: str) -> str:
    """Return the records that let bounces come to the MAIL FROM domain ``name``, a line each."""
    return f"{mail_server_record(name, region)}{spf_record(name)}"


def mail_server_record(name: str, region: str) -> str:
    """Return the record that brings bounces of ``name`` to SES, on a line of its own."""
    return f"\n  {name}  MX   10 {feedback_server(region)}"


def feedback_server(region: str) -> str:
    """Return the name of the server that takes bounces for SES."""
    return f"feedback-smtp.{region}.amazonses.com"


def spf_record(name: str) -> str:
    """Return the record that lets SES send for ``name``, on a line of its own."""
    return f'\n  {name}  TXT  "v=spf1 include:amazonses.com ~all"'


def _covering(mail_from: str) -> Iterator[str]:
    """Return the identities that let ``mail_from`` send, the narrowest first: itself, its domain,
    and any domain above (SES: a verified domain covers its subdomains)."""
    yield mail_from
    labels = _domain(mail_from).split(".")
    for start in range(max(len(labels) - 1, 1)):
        yield ".".join(labels[start:])


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _look(ses: "SESV2Client", identity: str) -> str:
    """Return the state of ``identity``: "verified", "pending", or empty if the account lacks it."""
    try:
        described = ses.get_email_identity(EmailIdentity=identity)
    except ses.exceptions.NotFoundException:
        return ""
    return "verified" if described.get("VerifiedForSendingStatus") else "pending"
