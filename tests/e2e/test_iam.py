"""The stack with IAM enforced: roles allow all that is needed, and no more."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e import test_feedback, test_journeys
from tests.e2e.stack import ROOT, Stack, running, wait_for
from tests.support.fakes import LINK_HASH, bounce, record
from tests.support.service import EVERY_MINUTE
from tests.support.stores import typed

LONG_AGO = "2020-01-01T00:00:00.000000Z"
# What the local cloud does by itself, without asking the function's role; AWS does ask it.
UNASKED = {
    "dynamodb:DescribeStream": "it reads the stream",
    "dynamodb:GetRecords": "it reads the stream",
    "dynamodb:GetShardIterator": "it reads the stream",
    "dynamodb:ListStreams": "it reads the stream",
    "logs:CreateLogStream": "it writes the logs",
    "logs:PutLogEvents": "it writes the logs",
    "sqs:SendMessage": "it puts dead letters into their queue",
}
# The drain goes on without these: it scans once an hour, and falls back to one mail a second.
# The stream's function publishes events at once, so the drain finds none.
SPARED = {
    "resend_owed_mail": {"dynamodb:Scan", "ses:GetAccount", "events:PutEvents"},
    "api_handler": {"dynamodb:GetItem"},  # only CHALLENGE=auto reads the limits
}
_numbers = itertools.count()


class Guarded(Stack):
    """A stack that only the root's key and the functions' roles can do anything to."""

    def function(self, name: str) -> str:
        return self.table.removesuffix("-users") + (f"-{name}" if name != "api_handler" else "")

    def succeeds(self, function: str, event: dict[str, Any]) -> bool:
        answer = self.client("lambda").invoke(
            FunctionName=self.function(function), Payload=json.dumps(event).encode()
        )
        return "FunctionError" not in answer

    def says(self, email: str, *mails: str) -> bool:
        return self.item(email)["mail"]["S"] in mails

    def owe_a_mail(self) -> str:
        """Put a user whose released mail neither the stream nor the index brings to a sender."""
        email = f"owed{next(_numbers)}@example.org"
        item = {
            "email": {"S": email},
            "mail": {"S": "owed"},
            "mail_at": {"S": LONG_AGO},
            "owed_at": {"S": "2020-01-02T00:00:00.000000Z"},
            "links": {"M": {LINK_HASH: {"M": {"expires": {"N": "0"}}}}},
        }
        self.client("dynamodb").put_item(TableName=self.table, Item=item)
        return email

    @contextmanager
    def without(self, function: str, action: str) -> Iterator[None]:
        """Meanwhile, the function's role allows everything that it did except ``action``."""
        iam = self.client("iam")
        about = self.client("lambda").get_function_configuration(
            FunctionName=self.function(function)
        )
        role = about["Role"].rpartition("/")[2]
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        given = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        left = copy.deepcopy(given)
        for statement in left["Statement"]:
            statement["Action"] = [one for one in actions(statement) if one != action]
        left["Statement"] = [one for one in left["Statement"] if one["Action"]]
        assert left != given

        def put(policy: object) -> None:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))

        put(left)
        try:
            yield
        finally:
            put(given)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with running(tmp_path_factory.mktemp("iam"), "--enforce-iam") as stack:
        yield Guarded(**vars(stack))


def actions(statement: dict[str, Any]) -> list[str]:
    one_or_more = statement.get("Action", [])  # a condition's, such as events': off by default
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


def permissions() -> Iterator[tuple[str, str]]:
    """Return each function with every action that its role in resources.json allows."""
    resources = json.loads(
        (ROOT / "ops/resources/stack/resources.json").read_text(encoding="utf-8")
    )["Resources"]
    for function in USES:
        role = resources[f"{function.title().replace('_', '')}Role"]["Properties"]
        for policy in role["Policies"]:
            for one in policy["PolicyDocument"]["Statement"]:
                statement = one["Fn::If"][1] if "Fn::If" in one else one
                for action in actions(statement):
                    if action not in SPARED.get(function, ()):
                        yield function, action


def signs_up(stack: Guarded) -> bool:
    email = f"new{next(_numbers)}@example.org"
    return stack.post("/users", {"email": email, "nom": "Horn"}).status == 202


def mails(stack: Guarded) -> bool:
    email = stack.owe_a_mail()
    event = {"Records": [record("INSERT", {"email": email, "mail": "owed", "mail_at": LONG_AGO})]}
    return stack.succeeds("send_validation_mail", event) and stack.says(email, "sent", "delivered")


def publishes(stack: Guarded) -> bool:
    email = f"told{next(_numbers)}@example.org"
    entry = {"kind": "validated", "at": LONG_AGO, "validated_at": LONG_AGO}
    owed = {"event": "owed", "event_at": LONG_AGO, "owed_events": [entry]}
    item = {"email": email, "validated_at": LONG_AGO, **owed}
    stack.client("dynamodb").put_item(TableName=stack.table, Item=typed(item))
    event = {"Records": [record("MODIFY", item)]}
    return stack.succeeds("send_validation_mail", event) and "told" in stack.item(email)


def hears_of_a_bounce(stack: Guarded) -> bool:
    email = stack.owe_a_mail()
    event = notification(stack, email)
    return stack.succeeds("record_mail_feedback", event) and stack.says(email, "bounced")


def drains(stack: Guarded) -> bool:
    number = next(_numbers)
    email = f"drained{number}@example.org"
    stack.post("/users", {"email": email, "nom": "Horn"})
    stack.wait_for_item(email, "delivered")
    in_doubt = {"mail": {"S": "sending"}, "mail_at": {"S": LONG_AGO}}
    stack.change(email, **in_doubt, owed={"S": "00"}, owed_at={"S": LONG_AGO})
    minute = {**EVERY_MINUTE, "id": f"run {number}"}
    return stack.succeeds("resend_owed_mail", minute) and stack.says(email, "sent", "delivered")


def notification(stack: Guarded, bounced: str) -> dict[str, Any]:
    """Return what SNS hands to the function when an address bounces."""
    message = {
        "TopicArn": test_feedback.feedback_topic(stack),
        "Subject": "Amazon SES Email Event Notification",
        "Message": json.dumps(bounce(bounced)),
        "MessageAttributes": {},
    }
    return {"Records": [{"Sns": message}]}


USES: dict[str, Callable[[Guarded], bool]] = {
    "api_handler": signs_up,
    "send_validation_mail": mails,
    "record_mail_feedback": hears_of_a_bounce,
    "resend_owed_mail": drains,
}

# The core of the journeys, once more: each is collected here, on this module's stack.
test_sign_up_read_click = test_journeys.test_sign_up_read_the_mail_click_and_click_again
test_the_articles_item = test_journeys.test_the_articles_own_item_gets_its_mail_and_a_working_link
test_an_expired_link = test_journeys.test_an_expired_link_leads_to_a_new_one
test_feedback_is_heard = test_feedback.test_an_address_that_refuses_mail_gets_no_more
test_the_drain = test_feedback.test_the_drain_sends_a_mail_that_the_stream_lost


@pytest.mark.parametrize(
    ("function", "action"), [one for one in permissions() if one[1] not in UNASKED]
)
def test_a_function_fails_without_any_one_of_its_permissions(
    stack: Guarded, function: str, action: str
) -> None:
    works = publishes if action.startswith("events:") else USES[function]
    assert works(stack)
    with stack.without(function, action):
        assert not works(stack)
    # The publisher leaves an EventBridge that failed alone for half a minute.
    wait_for(lambda: works(stack), 60, "it works again")


def test_what_the_local_cloud_does_not_ask_for_is_still_given() -> None:
    """Else the list of what goes untried would hide more than it says."""
    assert set(UNASKED) <= {action for _, action in permissions()}


def test_feedback_that_fails_is_kept_as_a_dead_letter(stack: Guarded) -> None:
    """Handed over as SNS does it on AWS; the local cloud's SNS takes no notice of failures."""
    event = notification(stack, stack.owe_a_mail())
    sqs = stack.client("sqs")
    (queue,) = (url for url in sqs.list_queues()["QueueUrls"] if "DeadLetters" in url)
    with stack.without("record_mail_feedback", "dynamodb:UpdateItem"):
        stack.client("lambda").invoke(
            FunctionName=stack.function("record_mail_feedback"),
            InvocationType="Event",
            Payload=json.dumps(event).encode(),
        )
        (letter,) = wait_for(
            lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), 30, "a dead letter"
        )
    assert json.loads(letter["Body"])["requestPayload"] == event
