"""Chalice's record of a stage, as the account shows it.

Chalice has no other memory than this record, which git does not keep: without it, Chalice makes
what exists already, and stops (aws/chalice#2146). An interrupted deletion leaves the record as it
was. So the record is never trusted here: everything is looked up by the names that Chalice gives.
"""

from typing import TYPE_CHECKING, Any

from ops.resources.api import rest_api
from ops.resources.functions import event_invoke_config, event_source_mapping
from ops.stage.cloud import Cloud
from ops.stage.project import Project

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_sns import SNSClient

Resource = dict[str, Any]
"""As Chalice records one (chalice/deploy/planner.py)."""


def ensure(cloud: Cloud, project: Project, stream: str) -> list[str]:
    """Make Chalice's record what there is in the account. Return the names of the functions.

    A mapping of another stream than ``stream`` is left out: Chalice never notices a new stream, but
    makes a mapping that it has not recorded. So is what belongs to a function that is gone: Chalice
    has to give a new function its permissions.
    """
    resources = find(cloud, project)
    functions = {resource["name"] for resource in resources if _is_function(resource)}
    recorded = [
        {**resource, "name": event_source_mapping.RESOURCE}
        if resource["resource_type"] == "dynamodb_event"
        else resource
        for resource in resources
        if resource.get("stream_arn", stream) == stream and _owner(resource) in functions
    ]
    project.replace([*recorded, *_api(cloud, project)])
    return [resource["name"] for resource in recorded if _is_function(resource)]


def find(cloud: Cloud, project: Project) -> list[Resource]:
    """Return all that there is, in the order in which it can be made: Chalice deletes backwards."""
    client = cloud.session.client
    partition = cloud.session.get_partition_for_region(cloud.region)
    topic = f"arn:{partition}:sns:{cloud.region}:{cloud.account}:{project.mail_feedback_topic}"
    return [
        *_functions(client("lambda"), project),
        *_mappings(client("lambda"), project),
        *_subscriptions(client("sns"), project, topic),
        *_rules(client("events"), project),
        *_apis(cloud, project),
    ]


def _functions(lambda_: "LambdaClient", project: Project) -> list[Resource]:
    names = {project.function(name): name for name in project.named_functions()}
    pages = lambda_.get_paginator("list_functions").paginate()
    return [
        {
            "name": names[function["FunctionName"]],
            "resource_type": "lambda_function",
            "lambda_arn": function["FunctionArn"],
        }
        for page in pages
        for function in page["Functions"]
        if function["FunctionName"] in names
    ]


def _mappings(lambda_: "LambdaClient", project: Project) -> list[Resource]:
    return [
        {
            # Also that of a former table, which may still be there.
            "name": f"{event_source_mapping.RESOURCE}-{mapping['UUID']}",
            "resource_type": "dynamodb_event",
            "stream_arn": mapping["EventSourceArn"],
            "event_uuid": mapping["UUID"],
            "lambda_arn": mapping["FunctionArn"],
        }
        for mapping in event_source_mapping.find(lambda_, project)
    ]


def _subscriptions(sns: "SNSClient", project: Project, topic: str) -> list[Resource]:
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    try:
        subscriptions = [subscription for page in pages for subscription in page["Subscriptions"]]
    except sns.exceptions.NotFoundException:  # the topic went with its stack
        return []
    function = f":function:{project.function(event_invoke_config.FEEDBACK)}"
    return [
        {
            "name": f"{event_invoke_config.FEEDBACK}-sns-subscription",
            "resource_type": "sns_event",
            "topic": topic,
            "topic_arn": topic,
            "lambda_arn": subscription["Endpoint"],
            "subscription_arn": subscription["SubscriptionArn"],
        }
        for subscription in subscriptions
        if subscription["Endpoint"].endswith(function)
    ]


def _rules(events: Any, project: Project) -> list[Resource]:
    rules = {f"{project.function(name)}-event": name for name in project.named_functions()}
    pages = events.get_paginator("list_rules").paginate(NamePrefix=project.full_name)
    return [
        {
            "name": f"{rules[rule['Name']]}-event",
            "resource_type": "cloudwatch_event",
            "rule_name": rule["Name"],
        }
        for page in pages
        for rule in page["Rules"]
        if rule["Name"] in rules
    ]


def _api(cloud: Cloud, project: Project) -> list[Resource]:
    api_id = rest_api.find(cloud.session.client("apigateway"), project)
    return [rest_api.recorded(api_id, cloud.address(api_id, project.api_stage))] if api_id else []


def _apis(cloud: Cloud, project: Project) -> list[Resource]:
    """Return the stage's API and its doubles, so that a deletion takes all of them."""
    gateway, lambda_ = cloud.session.client("apigateway"), cloud.session.client("lambda")
    doubles = rest_api.find_doubles(gateway, lambda_, project)
    return [
        *_api(cloud, project),
        *({**rest_api.recorded(api, ""), "name": f"{rest_api.NAME}-{api}"} for api in doubles),
    ]


def _is_function(resource: Resource) -> bool:
    return bool(resource["resource_type"] == "lambda_function")


def _owner(resource: Resource) -> str:
    """Return the function that ``resource`` calls, or is; an API calls the one that is its own."""
    if _is_function(resource):
        return str(resource["name"])
    kinds = {
        "dynamodb_event": event_source_mapping.FUNCTION,
        "sns_event": event_invoke_config.FEEDBACK,
    }
    own_name = str(resource["name"]).removesuffix("-event")
    return kinds.get(resource["resource_type"], own_name)
