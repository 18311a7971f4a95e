"""What Chalice has deployed of a stage, as the account shows it.

Chalice deletes what it has recorded, and stops at what is gone. Its record is not kept in git, and
an interrupted deletion leaves it as it was: so it is not believed here, and everything is looked up
by the names that Chalice gives.
"""

from typing import TYPE_CHECKING, Any

from ops.deployment import event_invoke_config, event_source_mapping, rest_api
from ops.stage.cloud import Cloud
from ops.stage.project import Project

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_sns import SNSClient

Resource = dict[str, Any]
"""As Chalice records one (chalice/deploy/planner.py)."""


def look_up(cloud: Cloud, project: Project) -> list[Resource]:
    """All that there is, in the order in which it can be made: Chalice deletes it backwards."""
    client = cloud.session.client
    partition = cloud.session.get_partition_for_region(cloud.region)
    topic = f"arn:{partition}:sns:{cloud.region}:{cloud.account}:{project.mail_feedback_topic}"
    return [
        *_functions(client("lambda"), project),
        *_mappings(client("lambda"), project),
        *_subscriptions(client("sns"), project, topic),
        *_rules(client("events"), project),
        *_apis(client("apigateway"), project),
    ]


def _functions(lambda_: "LambdaClient", project: Project) -> list[Resource]:
    names = {project.function(name): name for name in project.named_functions()}
    pages = lambda_.get_paginator("list_functions").paginate()
    return [
        {
            "name": names[one["FunctionName"]],
            "resource_type": "lambda_function",
            "lambda_arn": one["FunctionArn"],
        }
        for page in pages
        for one in page["Functions"]
        if one["FunctionName"] in names
    ]


def _mappings(lambda_: "LambdaClient", project: Project) -> list[Resource]:
    return [
        {
            # Also that of a former table, which may still be there.
            "name": f"{event_source_mapping.RESOURCE}-{one['UUID']}",
            "resource_type": "dynamodb_event",
            "stream_arn": one["EventSourceArn"],
            "event_uuid": one["UUID"],
            "lambda_arn": one["FunctionArn"],
        }
        for one in event_source_mapping.mappings(lambda_, project)
        if f":table/{project.users_table}/stream/" in one["EventSourceArn"]
    ]


def _subscriptions(sns: "SNSClient", project: Project, topic: str) -> list[Resource]:
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    try:
        found = [one for page in pages for one in page["Subscriptions"]]
    except sns.exceptions.NotFoundException:  # the topic went with its stack
        return []
    function = f":function:{project.function(event_invoke_config.FEEDBACK)}"
    return [
        {
            "name": f"{event_invoke_config.FEEDBACK}-sns-subscription",
            "resource_type": "sns_event",
            "topic": topic,
            "topic_arn": topic,
            "lambda_arn": one["Endpoint"],
            "subscription_arn": one["SubscriptionArn"],
        }
        for one in found
        if one["Endpoint"].endswith(function)
    ]


def _rules(events: Any, project: Project) -> list[Resource]:
    rules = {f"{project.function(name)}-event": name for name in project.named_functions()}
    pages = events.get_paginator("list_rules").paginate(NamePrefix=project.full_name)
    return [
        {
            "name": f"{rules[one['Name']]}-event",
            "resource_type": "cloudwatch_event",
            "rule_name": one["Name"],
        }
        for page in pages
        for one in page["Rules"]
        if one["Name"] in rules
    ]


def _apis(gateway: Any, project: Project) -> list[Resource]:
    api_id = rest_api.find(gateway, project)
    return [rest_api.recorded(api_id, "")] if api_id else []
