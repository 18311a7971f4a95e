"""SES: what it is asked, and what each of its answers means for the mail."""

from __future__ import annotations

import json
import math
from email.header import decode_header, make_header
from email.utils import parseaddr
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mail.message import Mail
from chalicelib.mail.ses import (
    PAUSED,
    QUOTA,
    RATE,
    TRIES,
    UNREACHABLE,
    Account,
    Refused,
    Ses,
    Undelivered,
)
from tests.support.wire import Answer, Wire, answer, refusal

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

MAIL = Mail(
    to="alexis@example.org",
    subject="Bienvenue Alexis GÜNST HORN !",
    text="Bienvenue Alexis GÜNST HORN !\n",
    html="<h1>Bienvenue Alexis GÜNST HORN&nbsp;!</h1>",
)
LINK_HASH = "1" * 64
TAKEN = answer(200, b'{"MessageId": "0100"}')
URL = "https://email.eu-west-3.amazonaws.com"

# Every error that SES lists for SendEmail, and those that any AWS service may give.
FOR_GOOD = {"MessageRejected": 400, "BadRequestException": 400}
LATER = {
    "TooManyRequestsException": (429, RATE),
    "ThrottlingException": (400, RATE),
    "LimitExceededException": (400, QUOTA),
    "AccountSuspendedException": (400, PAUSED),
    "SendingPausedException": (400, PAUSED),
    "MailFromDomainNotVerifiedException": (400, PAUSED),
    "NotFoundException": (404, PAUSED),
    "AccessDeniedException": (403, PAUSED),
    "ExpiredTokenException": (403, PAUSED),
}
UNKNOWN_FATE = {"InternalFailure": 500, "BadGateway": 502, "ServiceUnavailable": 503}


@pytest.fixture(scope="module")
def client() -> SESV2Client:
    """SES's client, which makes one attempt."""
    return boto3.client("sesv2", config=Config(retries={"total_max_attempts": 1}))


def send(client: Any, *answers: Answer, **settings: str) -> list[dict[str, Any]]:
    """Send the mail, and return the requests that SES got."""
    with Wire(client, "SendEmail", answers, then=TAKEN) as wire:
        assert Ses(client, "hello@example.org", **settings).send(MAIL, LINK_HASH) == "0100"
    return wire.requests


def undelivered(client: SESV2Client, *answers: Answer) -> Undelivered:
    with Wire(client, "SendEmail", answers, then=TAKEN), pytest.raises(Undelivered) as fault:
        Ses(client, "hello@example.org").send(MAIL, LINK_HASH)
    return fault.value


def test_a_mail_is_a_subject_a_text_and_a_page_in_utf_8(client: SESV2Client) -> None:
    assert send(client) == [
        {
            "FromEmailAddress": "hello@example.org",
            "Destination": {"ToAddresses": ["alexis@example.org"]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": "Bienvenue Alexis GÜNST HORN !", "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": "Bienvenue Alexis GÜNST HORN !\n", "Charset": "UTF-8"},
                        "Html": {
                            "Data": "<h1>Bienvenue Alexis GÜNST HORN&nbsp;!</h1>",
                            "Charset": "UTF-8",
                        },
                    },
                    "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
                }
            },
            "EmailTags": [{"Name": "link", "Value": LINK_HASH}],
        }
    ]


def test_a_mail_may_carry_a_one_click_refusal(client: SESV2Client) -> None:
    url = "https://example.org/refuse?email=alexis%40example.org&token=" + "x" * 43
    with Wire(client, "SendEmail", then=TAKEN) as wire:
        Ses(client, "hello@example.org").send(MAIL._replace(unsubscribe_url=url), LINK_HASH)
    headers = wire.requests[0]["Content"]["Simple"]["Headers"]
    assert {header["Name"]: header["Value"] for header in headers} == {
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def test_a_mail_goes_without_a_header_that_ses_would_refuse(client: SESV2Client) -> None:
    """SES takes 870 characters. A key in another script is long when it is encoded."""
    mail = MAIL._replace(unsubscribe_url="https://example.org/" + "x" * 870)
    with Wire(client, "SendEmail", then=TAKEN) as wire:
        Ses(client, "hello@example.org").send(mail, LINK_HASH)
    headers = wire.requests[0]["Content"]["Simple"]["Headers"]
    assert [header["Name"] for header in headers] == ["Auto-Submitted"]


def test_the_stages_configuration_set_is_named(client: SESV2Client) -> None:
    (request,) = send(client, configuration_set="feedback")
    assert request["ConfigurationSetName"] == "feedback"


def test_the_sender_has_the_stages_name_and_reply_address(client: SESV2Client) -> None:
    (request,) = send(client, from_name="Acme, Inc.", reply_to="help@example.org")
    assert request["FromEmailAddress"] == '"Acme, Inc." <hello@example.org>'
    assert request["ReplyToAddresses"] == ["help@example.org"]


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=64))
def test_any_senders_name_becomes_one_ascii_line(name: str) -> None:
    """SES takes no other (RFC 2047), and a name's own commas and brackets stay in the name."""
    name = " ".join(name.split())
    requests: list[dict[str, Any]] = []

    def send_email(**request: Any) -> dict[str, str]:
        requests.append(request)
        return {"MessageId": "0100"}

    client: Any = SimpleNamespace(send_email=send_email)
    Ses(client, "hello@example.org", from_name=name).send(MAIL, LINK_HASH)
    sender = requests[0]["FromEmailAddress"]
    assert sender.isascii()
    assert sender.isprintable()
    assert all(len(word) <= 75 for word in sender.split() if word.startswith("=?"))
    encoded, address = parseaddr(sender)
    assert address == "hello@example.org"
    assert "=?" in name or str(make_header(decode_header(encoded))) == name


@pytest.mark.parametrize("code", FOR_GOOD)
def test_a_bad_address_or_content_is_refused_for_good(client: SESV2Client, code: str) -> None:
    error = refusal(FOR_GOOD[code], code, "No such mailbox.")
    with Wire(client, "SendEmail", [error]), pytest.raises(Refused) as fault:
        Ses(client, "hello@example.org").send(MAIL, LINK_HASH)
    assert str(fault.value) == f"{code}: No such mailbox."


@pytest.mark.parametrize("code", LATER)
def test_a_fault_of_the_account_leaves_the_mail_owed(client: SESV2Client, code: str) -> None:
    status, why = LATER[code]
    fault = undelivered(client, refusal(status, code, "Not now."))
    assert str(fault) == f"{code}: Not now."
    assert (fault.may_have_left, fault.why) == (False, why)


def test_every_error_that_ses_lists_has_its_meaning(client: SESV2Client) -> None:
    send_email = client.meta.service_model.operation_model("SendEmail")
    assert {error.name for error in send_email.error_shapes} <= {*FOR_GOOD, *LATER}


@pytest.mark.parametrize(
    ("code", "message", "why"),
    [
        ("TooManyRequestsException", "Daily message quota exceeded.", QUOTA),
        ("ThrottlingException", "Daily message quota exceeded.", QUOTA),
        ("LimitExceededException", "Maximum 24 hour quota reached.", QUOTA),
        ("TooManyRequestsException", "Maximum sending rate exceeded.", RATE),
    ],
)
def test_a_used_up_quota_is_not_taken_for_a_rate_limit(
    client: SESV2Client, code: str, message: str, why: str
) -> None:
    assert undelivered(client, refusal(429, code, message)).why == why


ACCOUNTS_FAULTS = {
    "sandbox": (
        "Email address is not verified. The following identities failed the check: a@example.org",
        "",
    ),
    "paused": ("Sending paused for this account. Please check.", PAUSED),
    "suspended": ("Sending suspended for this account. Please check.", PAUSED),
    "no set": ("Configuration set <feedback> does not exist.", PAUSED),
    "no set, as one word": ("ConfigurationSet feedback is not enabled.", PAUSED),
    "tenant": ("Tenant acme is suspended.", PAUSED),
}


@pytest.mark.parametrize("code", FOR_GOOD)
@pytest.mark.parametrize("case", ACCOUNTS_FAULTS)
def test_an_accounts_fault_is_not_the_addresss(client: SESV2Client, code: str, case: str) -> None:
    """A sandbox refuses one address, so other mail may still go."""
    message, why = ACCOUNTS_FAULTS[case]
    fault = undelivered(client, refusal(400, code, message))
    assert str(fault) == f"{code}: {message}"
    assert (fault.may_have_left, fault.why) == (False, why)


@pytest.mark.parametrize("code", UNKNOWN_FATE)
def test_after_a_fault_of_ses_the_mail_may_have_left(client: SESV2Client, code: str) -> None:
    fault = undelivered(client, refusal(UNKNOWN_FATE[code], code, "Sorry."))
    assert str(fault) == f"{code}: Sorry."
    assert (fault.may_have_left, fault.why) == (True, UNREACHABLE)


def test_behind_a_proxys_error_page_the_mail_may_have_left(client: SESV2Client) -> None:
    assert undelivered(client, answer(502, b"<html>Bad Gateway</html>")).may_have_left


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionClosedError(endpoint_url=URL),
        ReadTimeoutError(endpoint_url=URL),
        NoCredentialsError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_after_a_cut_connection_the_mail_may_have_left(
    client: SESV2Client, fault: Exception
) -> None:
    raised = undelivered(client, fault)
    assert (str(raised), raised.may_have_left) == (type(fault).__name__, True)
    assert raised.__cause__ is fault


@pytest.mark.parametrize(
    "fault",
    [ReadTimeoutError(endpoint_url=URL), refusal(500, "InternalFailure"), refusal(429, "X")],
    ids=["no answer", "a fault of SES", "a refusal"],
)
def test_what_ses_may_have_is_never_sent_again(client: SESV2Client, fault: Answer) -> None:
    with Wire(client, "SendEmail", [fault], then=TAKEN) as wire, pytest.raises(Undelivered):
        Ses(client, "hello@example.org").send(MAIL, LINK_HASH)
    assert len(wire.requests) == 1


NEVER_CONNECTED = [EndpointConnectionError(endpoint_url=URL), ConnectTimeoutError(endpoint_url=URL)]


@pytest.mark.parametrize("fault", NEVER_CONNECTED, ids=lambda fault: type(fault).__name__)
def test_a_connection_that_was_never_made_is_tried_again(
    client: SESV2Client, fault: Exception
) -> None:
    assert len(send(client, *[fault] * (TRIES - 1))) == TRIES
    raised = undelivered(client, *[fault] * TRIES)
    assert (str(raised), raised.may_have_left) == (type(fault).__name__, False)
    assert raised.why == UNREACHABLE


QUOTA_OF_14 = {"Max24HourSend": 50000, "MaxSendRate": 14, "SentLast24Hours": 49000}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"SendQuota": QUOTA_OF_14, "SendingEnabled": True}, Account(14, 1000, may_send=True)),
        (
            {"SendQuota": {**QUOTA_OF_14, "Max24HourSend": -1}},
            Account(14, math.inf, may_send=True),
        ),
        ({"SendQuota": QUOTA_OF_14, "SendingEnabled": False}, Account(14, 1000, may_send=False)),
        (
            {"SendQuota": QUOTA_OF_14, "EnforcementStatus": "SHUTDOWN", "SendingEnabled": True},
            Account(14, 1000, may_send=False),
        ),
        (
            {"SendQuota": QUOTA_OF_14, "EnforcementStatus": "PROBATION"},
            Account(14, 1000, may_send=True),
        ),
        ({}, Account(0, 0, may_send=True)),
    ],
    ids=["production", "no quota", "paused", "shut down", "on probation", "nothing said"],
)
def test_the_account_is_read(client: SESV2Client, said: dict[str, Any], expected: Account) -> None:
    events: Any = client.meta.events

    def say(**_: object) -> object:
        return answer(200, json.dumps(said).encode())

    events.register_first("before-send.sesv2.GetAccount", say)
    try:
        assert Ses(client, "hello@example.org").account() == expected
    finally:
        events.unregister("before-send.sesv2.GetAccount", say)


def test_an_account_that_cannot_be_asked_raises(client: SESV2Client) -> None:
    events: Any = client.meta.events

    def refuse(**_: object) -> object:
        return refusal(429, "TooManyRequestsException")

    events.register_first("before-send.sesv2.GetAccount", refuse)
    try:
        with pytest.raises(ClientError):
            Ses(client, "hello@example.org").account()
    finally:
        events.unregister("before-send.sesv2.GetAccount", refuse)
