"""The SES identity of the sender, and the steps that only a person can take."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.resources.mail import mail_identity
from ops.resources.mail.mail_identity import MailIdentity

SENDER = "hello@news.example.org"
VERIFIED, PENDING = True, False


class Ses:
    """An account's identities, by whether SES has verified them; in the sandbox or out of it."""

    class exceptions:  # noqa: N801 - boto3's name
        class NotFoundException(ClientError):
            pass

    def __init__(self, identities: dict[str, bool], *, in_sandbox: bool = False) -> None:
        self.identities = identities
        self.in_sandbox = in_sandbox

    def get_email_identity(self, EmailIdentity: str) -> Any:  # noqa: N803 - boto3's names
        if EmailIdentity not in self.identities:
            raise self.exceptions.NotFoundException({"Error": {}}, "")
        tokens = {} if "@" in EmailIdentity else {"Tokens": ["one", "two"]}
        return {
            "VerifiedForSendingStatus": self.identities[EmailIdentity],
            "DkimAttributes": tokens,
        }

    def get_account(self) -> Any:
        return {"ProductionAccessEnabled": not self.in_sandbox}


@pytest.mark.parametrize(
    ("identities", "chosen"),
    [
        ({}, MailIdentity("news.example.org", is_ours=True)),
        ({SENDER: VERIFIED}, MailIdentity(SENDER, is_ours=False)),
        ({"news.example.org": VERIFIED}, MailIdentity("news.example.org", is_ours=False)),
        ({"example.org": VERIFIED}, MailIdentity("example.org", is_ours=False)),
        ({"org": VERIFIED}, MailIdentity("news.example.org", is_ours=True)),
        ({"s.example.org": VERIFIED}, MailIdentity("news.example.org", is_ours=True)),
        # The narrowest, unless only a wider one can send.
        ({SENDER: VERIFIED, "example.org": VERIFIED}, MailIdentity(SENDER, is_ours=False)),
        ({SENDER: PENDING, "example.org": VERIFIED}, MailIdentity("example.org", is_ours=False)),
        ({SENDER: PENDING, "example.org": PENDING}, MailIdentity(SENDER, is_ours=False)),
    ],
)
def test_what_the_account_has_is_used_before_anything_is_made(
    identities: dict[str, bool], chosen: MailIdentity
) -> None:
    ses: Any = Ses(identities)
    assert mail_identity.choose(ses, SENDER, "") == chosen


def test_the_identity_that_the_stack_made_stays_the_stacks() -> None:
    """Else the next deploy would take it out of the stack again."""
    ses: Any = Ses({"news.example.org": PENDING})
    chosen = mail_identity.choose(ses, SENDER, "news.example.org")
    assert chosen == MailIdentity("news.example.org", is_ours=True)


def test_a_domain_is_compared_in_lower_case() -> None:
    ses: Any = Ses({"example.org": VERIFIED})
    assert mail_identity.choose(ses, "Hello@Example.ORG", "").name == "example.org"


def left_to_do(ses: Any, identity: str, sender: str = SENDER) -> list[str]:
    return mail_identity.left_to_do(ses, sender, identity, lambda words: f"aws {words} --region x")


def test_outside_the_sandbox_nothing_is_left_to_do() -> None:
    ses: Any = Ses({SENDER: VERIFIED})
    assert left_to_do(ses, SENDER) == []


def test_a_domains_records_are_spelled_out() -> None:
    ses: Any = Ses({"example.org": PENDING})
    (todo,) = left_to_do(ses, "example.org")
    for token in ("one", "two"):
        assert f"{token}._domainkey.example.org  CNAME  {token}.dkim.amazonses.com" in todo
    assert f"aws sesv2 create-email-identity --email-identity {SENDER} --region x" in todo


def test_an_address_is_quoted_where_it_is_to_be_typed() -> None:
    ses: Any = Ses({"example.org": PENDING})
    (todo,) = left_to_do(ses, "example.org", "o'brien@example.org")
    typed = todo.splitlines()[-1].partition(" instead: ")[2]
    assert shlex.split(typed)[3:5] == ["--email-identity", "o'brien@example.org"]


def test_an_addresss_owner_is_sent_to_their_mailbox() -> None:
    ses: Any = Ses({SENDER: PENDING})
    (todo,) = left_to_do(ses, SENDER)
    assert f"the mail that AWS sent to {SENDER}" in todo


def test_the_sandbox_is_reported_with_the_way_out() -> None:
    ses: Any = Ses({SENDER: VERIFIED}, in_sandbox=True)
    (todo,) = left_to_do(ses, SENDER)
    assert "sandbox" in todo
    assert "https://docs.aws.amazon.com/ses/" in todo


@pytest.mark.parametrize(
    ("dkim", "zone"),
    [
        ({"Tokens": ["a"]}, "a.dkim.amazonses.com"),
        (
            {"Tokens": ["a"], "SigningHostedZone": "dkim.eu-south-1.amazonses.com"},
            "a.dkim.eu-south-1",
        ),
    ],
)
def test_dkim_records_end_in_the_zone_that_ses_names(dkim: dict[str, Any], zone: str) -> None:
    """Eleven regions, such as Milan, have zones of their own."""
    assert f"  a._domainkey.example.org  CNAME  {zone}" in mail_identity.dkim_records(
        "example.org", dkim
    )
