"""SES's events on the stage's topic, and the drain, both deployed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from ops.run.mail_events import SIMULATOR
from tests.e2e.stack import TIME_TO_MAIL, Stack, link_in, running, wait_for
from tests.support.fakes import bounce, complaint, sent
from tests.support.service import EVERY_MINUTE

LONG_AGO = {"S": "2020-01-01T00:00:00.000000Z"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with few mails: one complaint in a hundred mails would stop the others' stage."""
    with running(tmp_path_factory.mktemp("feedback")) as stack:
        yield stack


def signed_up(stack: Stack, email: str) -> str:
    """Sign a user up, and return the tag of the mail."""
    stack.post("/users", {"email": email, "nom": "Horn"})
    return str(stack.wait_for_item(email, "delivered")["mail_link"]["S"])


def feedback_topic(stack: Stack) -> str:
    topics = stack.client("sns").list_topics()["Topics"]
    arns: list[str] = [topic["TopicArn"] for topic in topics]
    (arn,) = [arn for arn in arns if arn.endswith("-mail-feedback")]
    return arn


def report(stack: Stack, message: dict[str, Any]) -> None:
    # Chalice reads all four fields, which SNS always sends and the local cloud only when given.
    stack.client("sns").publish(
        TopicArn=feedback_topic(stack),
        Subject="Amazon SES Email Event Notification",
        Message=json.dumps(message),
        MessageAttributes={"any": {"DataType": "String", "StringValue": "any"}},
    )


def ask_for_events(stack: Stack, **changes: Any) -> Any:
    """Change what the stage's destination gets of SES's events, and return what it got before."""
    ses, name = stack.client("sesv2"), "bienvenue-local"
    answer = ses.get_configuration_set_event_destinations(ConfigurationSetName=name)
    (before,) = answer["EventDestinations"]
    destination = before.pop("Name")
    ses.update_configuration_set_event_destination(
        ConfigurationSetName=name,
        EventDestinationName=destination,
        EventDestination={**before, **changes},
    )
    return before


def drain(stack: Stack, run: str) -> None:
    """Run the deployed drain, as the clock does each minute."""
    functions = stack.client("lambda").list_functions()["Functions"]
    names = [function["FunctionName"] for function in functions]
    (name,) = [name for name in names if name.endswith("resend_owed_mail")]
    event = json.dumps({**EVERY_MINUTE, "id": run}).encode()
    answer = stack.client("lambda").invoke(FunctionName=name, Payload=event)
    assert "FunctionError" not in answer, answer["Payload"].read()


@pytest.mark.parametrize(("make", "mail"), [(bounce, "bounced"), (complaint, "complained")])
def test_an_address_that_refuses_mail_gets_no_more(stack: Stack, make: Any, mail: str) -> None:
    email = f"{mail}@example.org"
    report(stack, make(email, signed_up(stack, email)))
    stack.wait_for_item(email, mail)
    stack.change(email, mail_at=LONG_AGO)
    assert stack.post("/resend", {"email": email}).status == 202
    assert stack.post("/users", {"email": email, "nom": "Horn"}).status == 202
    assert stack.item(email)["mail"] == {"S": mail}
    assert len(stack.wait_for_mails(email)) == 1


def test_a_delivery_is_recorded(stack: Stack) -> None:
    email = "delivered@example.org"
    signed_up(stack, email)
    item = stack.item(email)
    assert item["delivery_ms"] == {"N": "500"}
    assert item["message_id"]["S"] in str(stack.wait_for_mails(email)[0]["Message-ID"])


@pytest.mark.parametrize(
    ("mailbox", "mail"),
    [("bounce+1", "bounced"), ("suppressionlist", "bounced"), ("complaint", "complained")],
)
def test_the_simulators_addresses_do_as_on_aws(stack: Stack, mailbox: str, mail: str) -> None:
    email = f"{mailbox}@{SIMULATOR}"
    stack.post("/users", {"email": email, "nom": "Horn"})
    stack.wait_for_item(email, mail)


def test_a_topic_gets_only_the_events_that_it_wants(stack: Stack) -> None:
    """The run publishes what the configuration set's destination asks for, as SES does."""
    email, later = "silence@example.org", f"bounce+later@{SIMULATOR}"
    before = ask_for_events(stack, MatchingEventTypes=["BOUNCE"])
    try:
        for each in (email, later):
            stack.post("/users", {"email": each, "nom": "Horn"})
            stack.wait_for_item(each, "sent" if each == email else "bounced")
    finally:
        ask_for_events(stack, **before)
    assert stack.item(email)["mail"] == {"S": "sent"}


def test_ses_ends_the_doubt_about_a_mail(stack: Stack) -> None:
    """The mailer was killed after SES took the mail."""
    email = "in-doubt@example.org"
    tag = signed_up(stack, email)
    stack.change(email, mail={"S": "sending"}, owed={"S": "00"}, owed_at=LONG_AGO)
    report(stack, sent(email, tag))
    item = stack.wait_for_item(email, "sent")
    assert "owed" not in item
    drain(stack, "doubt")
    assert len(stack.wait_for_mails(email)) == 1


def test_the_drain_sends_a_mail_that_the_stream_lost(stack: Stack) -> None:
    email = "forgotten@example.org"
    signed_up(stack, email)
    in_doubt = {"mail": {"S": "sending"}, "mail_at": LONG_AGO}
    stack.change(email, **in_doubt, owed={"S": "00"}, owed_at=LONG_AGO)
    runs = count()

    def is_mailed() -> bool:
        # The clock's own run may hold the lock, and have looked before this mail was owed.
        drain(stack, f"lost{next(runs)}")
        return len(stack.mails(email)) == 2

    wait_for(is_mailed, TIME_TO_MAIL, "the drain sends the mail")
    first, second = stack.mails(email)
    assert link_in(first) != link_in(second)
    assert stack.open(link_in(second)).status == 200


def test_the_drain_runs_each_minute(stack: Stack) -> None:
    rules = stack.client("events").list_rules()["Rules"]
    assert [(rule["ScheduleExpression"], rule["State"]) for rule in rules] == [
        ("rate(1 minute)", "ENABLED")
    ]
