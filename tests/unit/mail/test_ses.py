"""Delivery: what SES is asked, and what each of its answers means for the mail."""

from __future__ import annotations

from email.header import decode_header, make_header
from email.utils import parseaddr
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mail.message import Mail
from chalicelib.mail.ses import Delivery, Refused, Undelivered
from tests.support.wire import Answer, Wire, answer, refusal

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

MAIL = Mail(
    to="alexis@example.org",
    subject="Bienvenue Alexis GÜNST HORN !",
    text="Bienvenue Alexis GÜNST HORN !\n",
    html="<h1>Bienvenue Alexis GÜNST HORN&nbsp;!</h1>",
)
TAKEN = answer(200, b'{"MessageId": "0100"}')
SES = "https://email.eu-west-3.amazonaws.com"

# Every error that SES lists for SendEmail, and those that any AWS service may give.
FOR_GOOD = {"MessageRejected": 400, "BadRequestException": 400}
PASSING = {
    "TooManyRequestsException": 429,
    "LimitExceededException": 400,
    "AccountSuspendedException": 400,
    "SendingPausedException": 400,
    "MailFromDomainNotVerifiedException": 400,
    "NotFoundException": 404,
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "ThrottlingException": 400,
}
UNKNOWN_FATE = {"InternalFailure": 500, "BadGateway": 502, "ServiceUnavailable": 503}


def client(attempts: int = 1) -> SESV2Client:
    retries: Any = {"mode": "standard", "total_max_attempts": attempts}
    return boto3.client("sesv2", config=Config(retries=retries))


@pytest.fixture(scope="module")
def ses() -> SESV2Client:
    """SES, asked once for each mail."""
    return client()


@pytest.fixture(scope="module")
def patient_ses() -> SESV2Client:
    """SES, asked up to three times for each mail, as the stage asks it."""
    return client(attempts=3)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore tries again at once."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))


def undelivered(ses: SESV2Client, *answers: Answer) -> Undelivered:
    with Wire(ses, "SendEmail", answers, then=TAKEN), pytest.raises(Undelivered) as fault:
        Delivery(ses, "hello@example.org").send(MAIL)
    return fault.value


def test_a_mail_is_a_subject_a_text_and_a_page_in_utf_8(ses: SESV2Client) -> None:
    with Wire(ses, "SendEmail", then=TAKEN) as wire:
        Delivery(ses, "hello@example.org").send(MAIL)
    assert wire.requests == [
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
                }
            },
        }
    ]


def test_the_configuration_set_is_named_where_the_stage_has_one(ses: SESV2Client) -> None:
    with Wire(ses, "SendEmail", then=TAKEN) as wire:
        Delivery(ses, "hello@example.org", "feedback").send(MAIL)
    assert wire.requests[0]["ConfigurationSetName"] == "feedback"


def test_the_sender_is_named_and_answered_where_the_stage_says_so(ses: SESV2Client) -> None:
    delivery = Delivery(
        ses, "hello@example.org", from_name="Acme, Inc.", reply_to="help@example.org"
    )
    with Wire(ses, "SendEmail", then=TAKEN) as wire:
        delivery.send(MAIL)
    assert wire.requests[0]["FromEmailAddress"] == '"Acme, Inc." <hello@example.org>'
    assert wire.requests[0]["ReplyToAddresses"] == ["help@example.org"]


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=64))
def test_any_name_of_a_sender_is_one_line_of_ascii_that_reads_as_it(name: str) -> None:
    """SES takes no other (RFC 2047), and a name's own commas and brackets are not ours."""
    name = " ".join(name.split())
    sent: list[dict[str, Any]] = []
    client: Any = SimpleNamespace(
        exceptions=SimpleNamespace(MessageRejected=KeyError, BadRequestException=KeyError),
        send_email=lambda **request: sent.append(request),
        meta=SimpleNamespace(events=SimpleNamespace(register=lambda *_: None)),
    )
    Delivery(client, "hello@example.org", from_name=name).send(MAIL)
    sender = sent[0]["FromEmailAddress"]
    assert sender.isascii()
    assert sender.isprintable()
    assert all(len(word) <= 75 for word in sender.split() if word.startswith("=?"))
    encoded, address = parseaddr(sender)
    assert address == "hello@example.org"
    assert "=?" in name or str(make_header(decode_header(encoded))) == name


@pytest.mark.parametrize("code", FOR_GOOD)
def test_a_refusal_of_the_address_or_the_content_is_for_good(ses: SESV2Client, code: str) -> None:
    error = refusal(FOR_GOOD[code], code, "No such mailbox.")
    with Wire(ses, "SendEmail", [error]), pytest.raises(Refused) as fault:
        Delivery(ses, "hello@example.org").send(MAIL)
    assert str(fault.value) == f"{code}: No such mailbox."


@pytest.mark.parametrize("code", PASSING)
def test_a_fault_of_the_account_passes_and_the_mail_did_not_leave(
    ses: SESV2Client, code: str
) -> None:
    fault = undelivered(ses, refusal(PASSING[code], code, "Not now."))
    assert str(fault) == f"{code}: Not now."
    assert not fault.left


def test_every_error_that_ses_knows_is_judged_here(ses: SESV2Client) -> None:
    send_email = ses.meta.service_model.operation_model("SendEmail")
    assert {error.name for error in send_email.error_shapes} <= {*FOR_GOOD, *PASSING}


@pytest.mark.parametrize("code", FOR_GOOD)
@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            "Email address is not verified. The following identities failed the check in region "
            "EU-WEST-3: alexis@example.org",
            id="sandbox",
        ),
        pytest.param("Sending paused for this account. Please check.", id="paused"),
        pytest.param("Sending suspended for this account. Please check.", id="suspended"),
    ],
)
def test_what_the_account_is_refused_for_is_not_the_addresss_fault(
    ses: SESV2Client, code: str, message: str
) -> None:
    fault = undelivered(ses, refusal(400, code, message))
    assert str(fault) == f"{code}: {message}"
    assert not fault.left


@pytest.mark.parametrize("code", UNKNOWN_FATE)
def test_after_a_fault_of_the_service_the_mail_may_have_left(ses: SESV2Client, code: str) -> None:
    fault = undelivered(ses, refusal(UNKNOWN_FATE[code], code, "Sorry."))
    assert str(fault) == f"{code}: Sorry."
    assert fault.left


def test_an_error_page_of_something_in_between_may_hide_a_mail_that_left(ses: SESV2Client) -> None:
    assert undelivered(ses, answer(502, b"<html>Bad Gateway</html>")).left


@pytest.mark.parametrize(
    "fault",
    [
        EndpointConnectionError(endpoint_url=SES),
        ConnectTimeoutError(endpoint_url=SES),
        ConnectionClosedError(endpoint_url=SES),
        ReadTimeoutError(endpoint_url=SES),
        NoCredentialsError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_of_the_network_passes_and_the_mail_may_have_left(
    ses: SESV2Client, fault: Exception
) -> None:
    raised = undelivered(ses, fault)
    assert str(raised) == type(fault).__name__
    assert raised.__cause__ is fault
    assert raised.left is not isinstance(fault, (EndpointConnectionError, ConnectTimeoutError))


@pytest.mark.usefixtures("no_waiting")
def test_a_passing_fault_is_tried_again_within_the_same_sending(patient_ses: SESV2Client) -> None:
    faults: list[Answer] = [
        refusal(429, "TooManyRequestsException"),
        ReadTimeoutError(endpoint_url=SES),
    ]
    with Wire(patient_ses, "SendEmail", faults, then=TAKEN) as wire:
        Delivery(patient_ses, "hello@example.org").send(MAIL)
    assert len(wire.requests) == 3


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    "first",
    [refusal(500, "InternalFailure"), ReadTimeoutError(endpoint_url=SES)],
    ids=["an error of the service", "no answer"],
)
def test_a_mail_that_may_have_left_at_the_first_try_may_have_left(
    patient_ses: SESV2Client, first: Answer
) -> None:
    """A definite refusal of a later try says nothing about the earlier one."""
    assert undelivered(patient_ses, first, refusal(400, "SendingPausedException")).left


@pytest.mark.usefixtures("no_waiting")
def test_a_mail_that_was_refused_at_every_try_has_not_left(patient_ses: SESV2Client) -> None:
    never = EndpointConnectionError(endpoint_url=SES)
    throttled = refusal(429, "TooManyRequestsException")
    assert not undelivered(patient_ses, throttled, never, throttled).left


def test_an_error_that_ses_does_not_have_fails_at_the_start() -> None:
    other: Any = SimpleNamespace(exceptions=SimpleNamespace(MessageRejected=Exception))
    with pytest.raises(AttributeError, match="BadRequestException"):
        Delivery(other, "hello@example.org")
