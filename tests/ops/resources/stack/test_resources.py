"""The template's promises: narrow roles, lasting users, alarms that help."""

from __future__ import annotations

import json
from typing import Any

from cfnlint.api import lint

from chalicelib.events.bus import SOURCE
from ops.resources.settings.event_bus import KEY_HEADER
from ops.resources.stack.stack import TEMPLATE, properties, template
from tests.e2e.stack import ROOT


def with_events(value: Any) -> Any:
    """Return a part of the template as it is for a stage with events."""
    if isinstance(value, list):
        return [with_events(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("Fn::If", [""])[0] == "HasEvents":
        return value["Fn::If"][1]
    return {name: with_events(one) for name, one in value.items()}


RESOURCES: dict[str, Any] = with_events(
    json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
)
RESOURCES_SENT = json.loads(template({"AppName": "bienvenue", "Stage": "prod"}))["Resources"]
FUNCTIONS = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_functions"]

# The statements, by their Sid, whose resources hold an asterisk, and why they must.
WILDCARDS = {
    "Stream": "a table that is made anew has a stream of another name",
    "Streams": "ListStreams knows no resources",
    "Mail": "SES asks about sender, recipient and more; the condition pins the sender",
    "Quota": "GetAccount knows no resources",
}
ANYTHING = {"Streams", "Mail", "Quota"}


def roles() -> dict[str, Any]:
    return {
        name: one["Properties"]
        for name, one in RESOURCES.items()
        if one["Type"] == "AWS::IAM::Role" and name != "WebhookRole"
    }


def statements() -> list[dict[str, Any]]:
    return [
        statement
        for role in roles().values()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def listed(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def test_each_function_has_a_role_that_only_lambda_may_take() -> None:
    assert set(roles()) == {f"{name.title().replace('_', '')}Role" for name in FUNCTIONS}
    for role in roles().values():
        # No policy that others manage.
        assert set(role) == {"PermissionsBoundary", "AssumeRolePolicyDocument", "Policies"}
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_no_role_allows_an_action_by_a_wildcard() -> None:
    for statement in statements():
        assert statement["Effect"] == "Allow"
        assert "NotAction" not in statement
        for action in listed(statement["Action"]):
            assert "*" not in action


def test_no_role_allows_a_resource_without_a_reason() -> None:
    wild = {
        statement["Sid"]
        for statement in statements()
        if "NotResource" in statement or "*" in json.dumps(statement["Resource"])
    }
    assert wild == set(WILDCARDS)
    anything = {one["Sid"] for one in statements() if "*" in listed(one["Resource"])}
    assert anything == ANYTHING


def test_mail_may_be_sent_from_the_one_sender_only() -> None:
    sending = [one for one in statements() if "ses:SendEmail" in listed(one["Action"])]
    assert len(sending) == 2
    for mail in sending:
        condition = {"StringEqualsIfExists": {"ses:FromAddress": {"Ref": "MailFrom"}}}
        assert mail["Condition"] == condition


def actions(role: str) -> dict[str, set[str]]:
    """Return what ``role`` may do, by the statements' names."""
    (policy,) = RESOURCES[role]["Properties"]["Policies"]
    return {
        statement["Sid"]: set(listed(statement["Action"]))
        for statement in policy["PolicyDocument"]["Statement"]
    }


def test_each_role_allows_what_its_function_does() -> None:
    """Of DynamoDB and SES: the rest is Lambda's own."""
    assert actions("ApiHandlerRole")["Users"] == {"dynamodb:UpdateItem"}
    assert actions("ApiHandlerRole")["Limits"] == {"dynamodb:GetItem", "dynamodb:UpdateItem"}
    mailer = actions("SendValidationMailRole")
    assert mailer["Users"] == mailer["Limits"] == {"dynamodb:UpdateItem"}
    assert mailer["Mail"] == {"ses:SendEmail"}
    feedback = actions("RecordMailFeedbackRole")
    assert feedback["Users"] == feedback["Limits"] == {"dynamodb:UpdateItem"}
    drain = actions("ResendOwedMailRole")
    assert drain["Users"] == {"dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem"}
    assert drain["Owed"] == {"dynamodb:Query"}
    assert drain["Limits"] == {"dynamodb:GetItem", "dynamodb:UpdateItem"}
    assert drain["Mail"] == {"ses:SendEmail"}
    assert drain["Quota"] == {"ses:GetAccount"}


def test_a_role_reaches_the_logs_of_its_own_function_only() -> None:
    for function in FUNCTIONS:
        name = function.title().replace("_", "")
        (logs,) = [
            one
            for one in roles()[f"{name}Role"]["Policies"][0]["PolicyDocument"]["Statement"]
            if one["Sid"] == "Logs"
        ]
        assert logs["Resource"] == {"Fn::GetAtt": [f"{name}Logs", "Arn"]}
        suffix = "" if function == "api_handler" else f"-{function}"
        group = RESOURCES[f"{name}Logs"]["Properties"]["LogGroupName"]
        assert group == {"Fn::Sub": f"/aws/lambda/${{AppName}}-${{Stage}}{suffix}"}


def test_the_users_outlive_their_stack_and_can_be_brought_back() -> None:
    users = RESOURCES["Users"]
    assert users["DeletionPolicy"] == "RetainExceptOnCreate"
    assert users["UpdateReplacePolicy"] == "Retain"
    properties = users["Properties"]
    assert properties["DeletionProtectionEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_owed_mail_is_found_by_a_sparse_index() -> None:
    owed, events = RESOURCES["Users"]["Properties"]["GlobalSecondaryIndexes"]
    for index, name, moment in ((owed, "owed", "owed_at"), (events, "event", "event_at")):
        keys = {key["KeyType"]: key["AttributeName"] for key in index["KeySchema"]}
        assert (index["IndexName"], keys) == (name, {"HASH": name, "RANGE": moment})
        assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_a_stage_without_events_pays_for_nothing_of_them() -> None:
    users = properties("AWS::DynamoDB::Table", {})["Users"]
    assert [index["IndexName"] for index in users["GlobalSecondaryIndexes"]] == ["owed"]
    assert len(users["AttributeDefinitions"]) == 3
    for name, resource in RESOURCES.items():
        if resource["Type"].startswith("AWS::Events::") or "Webhook" in name:
            assert resource["Condition"] in ("MakesEventBus", "HasWebhook")
    roles = json.dumps(properties("AWS::IAM::Role", {}))
    assert "events:" not in roles


def test_only_the_publishers_may_put_events_and_only_on_the_bus() -> None:
    putting = [one for one in statements() if one["Action"] == "events:PutEvents"]
    assert [one["Resource"] for one in putting] == [{"Ref": "EventBus"}] * 2
    for role in ("SendValidationMailRole", "ResendOwedMailRole"):
        assert actions(role)["Events"] == {"events:PutEvents"}
    assert actions("ResendOwedMailRole")["OwedEvents"] == {"dynamodb:Query"}


def test_the_webhook_gets_its_own_stages_events_with_a_key() -> None:
    rule = RESOURCES["WebhookRule"]["Properties"]
    assert rule["EventPattern"]["source"] == [SOURCE]
    (stage,) = rule["EventPattern"]["resources"]
    assert stage["Fn::Sub"].endswith(":table/${AppName}-${Stage}-users")
    (target,) = rule["Targets"]
    assert target["InputPath"] == "$.detail"
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 24 * 3600
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["UndeliveredEvents", "Arn"]}}
    connection = RESOURCES["WebhookConnection"]["Properties"]
    key = connection["AuthParameters"]["ApiKeyAuthParameters"]
    assert key == {"ApiKeyName": KEY_HEADER, "ApiKeyValue": {"Ref": "WebhookKey"}}
    assert json.loads(TEMPLATE.read_text())["Parameters"]["WebhookKey"]["NoEcho"] is True


def test_only_eventbridge_sends_to_the_webhook_and_its_queue() -> None:
    role = RESOURCES["WebhookRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    ((allowed,),) = (one["PolicyDocument"]["Statement"] for one in role["Policies"])
    assert allowed["Action"] == "events:InvokeApiDestination"
    assert allowed["Resource"] == {"Fn::GetAtt": ["WebhookDestination", "Arn"]}
    (queue,) = RESOURCES["UndeliveredEventsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    rule = {"aws:SourceArn": {"Fn::GetAtt": ["WebhookRule", "Arn"]}}
    assert (queue["Action"], queue["Condition"]) == ("sqs:SendMessage", {"ArnEquals": rule})


def test_ses_reports_all_that_becomes_of_a_mail() -> None:
    """https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html"""
    destination = RESOURCES["MailEventsToFeedback"]["Properties"]["EventDestination"]
    assert set(destination["MatchingEventTypes"]) == {
        *("send", "delivery", "deliveryDelay", "reject", "bounce", "complaint")
    }


def test_an_alarm_says_why_the_oldest_mail_is_late() -> None:
    late = [alarm for alarm in alarms().values() if alarm["MetricName"] == "OldestOwed"]
    reasons = {dimension["Value"] for alarm in late for dimension in alarm["Dimensions"]}
    assert reasons == {"rate", "quota", "budget", "brake", "paused", "none"}
    assert {alarm["Threshold"] for alarm in late} == {15 * 60}


def test_an_alarm_rings_at_once_when_the_brake_is_applied() -> None:
    alarm = alarms()["MailBrake"]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["DatapointsToAlarm"]) == ("Braked", 1, 1)
    assert alarm["Period"] == 60
    sources = {
        one["Properties"]["LogGroupName"]["Ref"]
        for one in RESOURCES.values()
        if one["Type"] == "AWS::Logs::MetricFilter"
        and one["Properties"]["MetricTransformations"][0]["MetricName"] == "Braked"
    }
    assert sources == {"RecordMailFeedbackLogs", "ResendOwedMailLogs"}  # then, and while mail waits


def test_what_cloudformation_gets_is_right_and_within_its_limit() -> None:
    sent = template({"AppName": "a" * 32, "Stage": "s" * 32})
    assert lint(sent, regions=["eu-west-3"]) == []
    assert len(sent.encode()) < 51_200


def made_before(name: str) -> set[str]:
    """Return what CloudFormation makes before the resource ``name``."""
    text = json.dumps(RESOURCES[name])
    named = {
        other
        for other in RESOURCES
        if f'"Ref": "{other}"' in text or f'"Fn::GetAtt": ["{other}"' in text
    } | set(listed(RESOURCES[name].get("DependsOn", [])))
    return named.union(*map(made_before, named)) if named else set()


def test_the_users_are_made_when_all_else_is() -> None:
    """A protected table cannot be taken back: what fails after it leaves a stack that is stuck."""
    unconditional = {name for name, one in RESOURCES.items() if "Condition" not in one}
    assert unconditional - made_before("Users") <= {"Users"}


def alarms() -> dict[str, Any]:
    return {
        name: one["Properties"]
        for name, one in RESOURCES.items()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }


def test_every_alarm_tells_the_topic_and_says_where_help_is() -> None:
    book = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    headings = {line.strip("# ") for line in book.splitlines() if line.startswith("#")}
    for alarm in alarms().values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Alarms"}]
        assert alarm["TreatMissingData"] in ("notBreaching", "ignore")
        _, pointer, heading = alarm["AlarmDescription"].partition(". docs/operating.md: ")
        assert pointer
        assert heading in headings


def test_every_function_is_watched_for_errors() -> None:
    watched = {
        dimension["Value"]["Fn::Sub"]
        for alarm in alarms().values()
        if alarm["MetricName"] == "Errors"
        for dimension in alarm["Dimensions"]
    }
    suffixes = ["" if name == "api_handler" else f"-{name}" for name in FUNCTIONS]
    assert watched == {f"${{AppName}}-${{Stage}}{suffix}" for suffix in suffixes}


def test_alarms_come_before_ses_acts() -> None:
    """SES reviews an account at 5 % and 0.1 %:
    https://docs.aws.amazon.com/ses/latest/dg/reputationdashboard-messages.html"""
    assert alarms()["BounceRate"]["Threshold"] < 0.05
    assert alarms()["ComplaintRate"]["Threshold"] < 0.001


def test_the_dashboard_shows_every_count_that_is_made() -> None:
    shown = RESOURCES_SENT["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for one in RESOURCES.values():
        if one["Type"] == "AWS::Logs::MetricFilter":
            (counted,) = one["Properties"]["MetricTransformations"]
            assert f'"{counted["MetricNamespace"]["Fn::Sub"]}","{counted["MetricName"]}"' in shown
