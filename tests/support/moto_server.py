"""moto's server, a second opinion on a deploy, and what it lacks for one.

moto is another program than the local cloud, and knows each service for itself. Where the two
differ, one of them is not like AWS. All that it lacks is added in this file. No function runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.apigateway.models import APIGatewayBackend, RestAPI
from moto.awslambda.models import LambdaBackend, LambdaFunction, lambda_backends
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Change, ChangeSet, CloudFormationBackend, Stack
from moto.cloudformation.parsing import OutputMap, ResourceMap
from moto.cloudformation.responses import CloudFormationResponse
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.base_backend import BackendDict
from moto.core.common_models import CloudFormationModel
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.logs.models import LogGroup, logs_backends
from moto.moto_server import threaded_moto_server
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler
from moto.ses.models import ConfigurationSet
from werkzeug.wrappers import Request, Response

from ops.stage.local_cloud import REGION

ACCOUNT = DEFAULT_ACCOUNT_ID
HOST = "127.0.0.1"
Json = dict[str, Any]


@contextmanager
def running() -> Iterator[str]:
    """The endpoint of an empty account, served by this process until the block ends."""
    server = ThreadedMotoServer(HOST, port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        BackendDict.reset()
        patch.setattr(MotoRequestHandler, "log", lambda *_: None)
        patch.setattr(threaded_moto_server, "DomainDispatcherApplication", _Answering)
        for fill in (
            *(_fill_cloudformation, _fill_tables, _fill_logs, _fill_configuration_sets),
            *(_fill_api, _fill_functions),
        ):
            fill(patch)
        server.start()
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        patch.setattr(Filled, "endpoint", endpoint)
        try:
            yield endpoint
        finally:
            server.stop()
            BackendDict.reset()


# CloudFormation: types, parameters and outputs of change sets, conditions, what is retained.


@dataclass(frozen=True)
class Kind:
    """How a type of resources is made and removed: by the service's own calls.

    ``make`` takes the properties and returns the id. It is repeated when a property changes.
    """

    service: str
    make: Callable[[Any, Json], str]
    remove: Callable[[Any, str, Json], object]
    name: str = ""


def _lower(value: Any) -> Any:
    """Return properties as the service's own requests spell them."""
    if isinstance(value, list):
        return [_lower(one) for one in value]
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: _lower(one) for name, one in value.items()}
    return value


def _put_filter(logs: Any, properties: Json) -> str:
    wanted = _lower(properties)
    for transformation in wanted["metricTransformations"]:
        dimensions = transformation.pop("dimensions", [])
        if dimensions:
            transformation["dimensions"] = {one["key"]: one["value"] for one in dimensions}
    name = f"{properties['LogGroupName']}-{wanted['metricTransformations'][0]['metricName']}"
    logs.put_metric_filter(filterName=name, **wanted)
    return name


def _remove_filter(logs: Any, name: str, properties: Json) -> None:
    logs.delete_metric_filter(filterName=name, logGroupName=properties["LogGroupName"])


def _put_alarm(cloudwatch: Any, properties: Json) -> str:
    cloudwatch.put_metric_alarm(**properties)
    return str(properties["AlarmName"])


def _set_topic_policy(sns: Any, properties: Json) -> str:
    (topic,) = properties["Topics"]
    policy = json.dumps(properties["PolicyDocument"])
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return str(topic)


def _make_identity(ses: Any, properties: Json) -> str:
    ses.create_email_identity(**properties)
    return str(properties["EmailIdentity"])


def _make_configuration_set(ses: Any, properties: Json) -> str:
    name = properties.pop("Name")
    ses.create_configuration_set(ConfigurationSetName=name, **properties)
    return str(name)


_destinations: dict[str, Json] = {}
"""SES's event destinations, of which moto knows nothing, by their names."""


def _keep_destination(_: Any, properties: Json) -> str:
    given = properties["EventDestination"]
    events = [re.sub("([A-Z])", r"_\1", kind).upper() for kind in given["MatchingEventTypes"]]
    topic = {"TopicArn": given["SnsDestination"]["TopicARN"]}
    _destinations[given["Name"]] = {
        **given,
        "MatchingEventTypes": events,
        "SnsDestination": topic,
        "Of": properties["ConfigurationSetName"],
    }
    return str(given["Name"])


KINDS = {
    "AWS::Logs::MetricFilter": Kind("logs", _put_filter, _remove_filter),
    "AWS::CloudWatch::Alarm": Kind(
        "cloudwatch", _put_alarm, lambda client, name, _: client.delete_alarms(AlarmNames=[name])
    ),
    "AWS::SNS::TopicPolicy": Kind("sns", _set_topic_policy, lambda *_: None),
    "AWS::SNS::Subscription": Kind(
        "sns",
        lambda client, given: str(client.subscribe(**given)["SubscriptionArn"]),
        lambda client, arn, _: client.unsubscribe(SubscriptionArn=arn),
    ),
    "AWS::SES::EmailIdentity": Kind(
        "sesv2",
        _make_identity,
        lambda client, name, _: client.delete_email_identity(EmailIdentity=name),
    ),
    "AWS::SES::ConfigurationSet": Kind(
        "sesv2",
        _make_configuration_set,
        lambda client, name, _: client.delete_configuration_set(ConfigurationSetName=name),
    ),
    "AWS::SES::ConfigurationSetEventDestination": Kind(
        "sesv2", _keep_destination, lambda _, name, __: _destinations.pop(name)
    ),
}


class Filled(CloudFormationModel):
    """A resource of one of KINDS."""

    endpoint = ""

    def __init__(self, kind: Kind, physical_id: str, properties: Json) -> None:
        self.kind = kind
        self.physical_resource_id = physical_id
        self.properties = properties

    @classmethod
    def create_from_cloudformation_json(cls, _: str, given: Json, *__: Any, **___: Any) -> Filled:
        kind, properties = KINDS[given["Type"]], given["Properties"]
        return cls(kind, kind.make(cls.client(kind), dict(properties)), properties)

    @classmethod
    def update_from_cloudformation_json(
        cls, new_resource_name: str, cloudformation_json: Json, **_: Any
    ) -> Filled:
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json)

    def delete(self, *_: object) -> None:
        self.kind.remove(self.client(self.kind), self.physical_resource_id, self.properties)

    def is_created(self) -> bool:
        return True

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:  # noqa: ARG003 - moto calls it so
        return False

    @classmethod
    def client(cls, kind: Kind) -> Any:
        return boto3.client(kind.service, endpoint_url=cls.endpoint)  # type: ignore[call-overload]


def _fill_cloudformation(patch: pytest.MonkeyPatch) -> None:
    known = {**parsing.get_model_map(), **dict.fromkeys(KINDS, Filled)}
    name_of = parsing.get_name_type_map()
    patch.setattr(parsing, "get_model_map", lambda: known)
    patch.setattr(parsing, "resource_name_property_from_type", name_of.get)
    parse, clean = parsing.parse_condition, parsing.clean_json
    delete, execute = ResourceMap.delete, CloudFormationBackend.execute_change_set

    def delete_but_retain(self: Any) -> None:
        for resource in self._resource_json_map.values():
            if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
                resource["DeletionPolicy"] = "Retain"
        delete(self)

    def changes_with_parameters(self: Any) -> list[Any]:
        stack = self.stack.resource_map
        actions = stack.build_resource_diff(self.template_dict, self.parameters)
        types = {**stack._resource_json_map, **self.template_dict["Resources"]}
        return [
            Change(action, name, types[name]["Type"])
            for action, names in actions.items()
            for name in names
        ]

    def execute_with_outputs(self: Any, change_set_name: str, stack_name: Any = None) -> None:
        execute(self, change_set_name, stack_name)
        change_set = self.describe_change_set(change_set_name)
        stack = self.stacks[change_set.stack_id]
        stack.template_dict, stack.parameters = change_set.template_dict, change_set.parameters
        stack.output_map = OutputMap(stack.resource_map, stack.template_dict, stack.stack_id)

    def refuse(_: Any) -> None:
        raise ValidationError("moto compares no stack with what is there")

    patch.setattr(CloudFormationResponse, "detect_stack_drift", refuse, raising=False)

    def made(self: Any) -> list[Any]:
        return [one for one in self.resource_map.values() if one]

    def decided(self: Any, condition: str) -> Any:
        return condition in self and self[condition]

    def is_met(condition: Any, resources: Any, conditions: Any) -> bool:
        if isinstance(condition, dict) and "Fn::Equals" in condition:
            values = [str(parsing.clean_json(one, resources)) for one in condition["Fn::Equals"]]
            return values[0] == values[1]  # a number and its text are equal
        return parse(condition, resources, conditions)

    def without_no_value(value: Any, resources: Any) -> Any:
        cleaned = clean(value, resources)
        if isinstance(cleaned, list):
            return [one for one in cleaned if one is not None]
        return cleaned

    patch.setattr(parsing, "clean_json", without_no_value)
    patch.setattr(parsing, "parse_condition", is_met)
    patch.setattr(parsing.LazyDict, "get", decided, raising=False)
    patch.setattr(Stack, "stack_resources", property(made))
    patch.setattr(ResourceMap, "delete", delete_but_retain)
    patch.setattr(ChangeSet, "diff", changes_with_parameters)
    patch.setattr(CloudFormationBackend, "execute_change_set", execute_with_outputs)


def _fill_tables(patch: pytest.MonkeyPatch) -> None:
    """Take over a table that is there; turn on time to live and backups; keep a changed one."""
    create = Table.create_from_cloudformation_json

    def create_whole(name: str, given: Json, account: str, region: str, **more: Any) -> Table:
        backend = dynamodb_backends[account][region]
        table = backend.tables.get(name) or create(name, given, account, region, **more)
        if ttl := given["Properties"].get("TimeToLiveSpecification"):
            backend.update_time_to_live(name, ttl)
        if backups := given["Properties"].get("PointInTimeRecoverySpecification"):
            backend.update_continuous_backups(name, backups)
        return table

    patch.setattr(Table, "create_from_cloudformation_json", create_whole)
    patch.setattr(Table, "update_from_cloudformation_json", _as_it_was)


def _fill_configuration_sets(patch: pytest.MonkeyPatch) -> None:
    """Let a new one send, unless it is told otherwise."""
    describe = ConfigurationSet.to_dict_v2
    sending = {"SendingOptions": {"SendingEnabled": True}}
    patch.setattr(ConfigurationSet, "to_dict_v2", lambda self: {**describe(self), **sending})


def _as_it_was(original_resource: Any, **_: object) -> Any:
    return original_resource


def _fill_logs(patch: pytest.MonkeyPatch) -> None:
    """Take over a log group that is there."""
    create = LogGroup.create_from_cloudformation_json

    def create_or_take(name: str, given: Json, account: str, region: str, **more: Any) -> Any:
        groups = logs_backends[account][region].groups
        return groups.get(name) or create(name, given, account, region, **more)

    patch.setattr(LogGroup, "create_from_cloudformation_json", create_or_take)
    patch.setattr(LogGroup, "update_from_cloudformation_json", _as_it_was)


def _fill_api(patch: pytest.MonkeyPatch) -> None:
    """Read a Swagger 2 document, as Chalice sends it; keep a stage's throttle when it is deployed.

    A document decides on the API's own address.
    https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDeployment.html
    """
    put, deploy = APIGatewayBackend.put_rest_api, RestAPI.create_deployment

    def put_swagger(self: Any, function_id: str, api_doc: Json, **more: Any) -> Any:
        document = {name: part for name, part in api_doc.items() if name != "swagger"}
        endpoint = document.get("x-amazon-apigateway-endpoint-configuration", {})
        is_off = endpoint.get("disableExecuteApiEndpoint", False)
        self.apis[function_id].disableExecuteApiEndpoint = is_off
        return put(self, function_id, document, **more)

    def deploy_to_stage(self: Any, name: str, *more: Any) -> Any:
        before = self.stages.get(name)
        deployment = deploy(self, name, *more)
        if before:
            before.deployment_id = deployment.id
            self.stages[name] = before
        return deployment

    patch.setattr(APIGatewayBackend, "put_rest_api", put_swagger)
    patch.setattr(RestAPI, "create_deployment", deploy_to_stage)


def _fill_functions(patch: pytest.MonkeyPatch) -> None:
    """Find mappings by a function's name and by its ARN; keep its logging settings; run none.

    https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html
    """
    update, describe = LambdaFunction.update_configuration, LambdaFunction.get_configuration
    locate, mappings = LambdaFunction.get_code, LambdaBackend.list_event_source_mappings

    def find_mappings(self: Any, source: str, function: str) -> list[Any]:
        found = mappings(self, source, "")
        return [one for one in found if one.function_arn.split(":")[6] == function.split(":")[-1]]

    def describe_logging(self: Any, **more: Any) -> Json:
        default = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.function_name}"}
        return {**describe(self, **more), "LoggingConfig": getattr(self, "logging", default)}

    def locate_package(self: Any) -> Json:
        location = f"{Filled.endpoint}/package/{self.function_name}"
        return {**locate(self), "Code": {"RepositoryType": "S3", "Location": location}}

    def update_logging(self: Any, changes: Json) -> Json:
        if "LoggingConfig" in changes:
            self.logging = {**describe_logging(self)["LoggingConfig"], **changes["LoggingConfig"]}
        update(self, changes)
        return describe_logging(self)

    patch.setattr(LambdaBackend, "list_event_source_mappings", find_mappings)
    patch.setattr(LambdaBackend, "send_dynamodb_items", lambda *_: True)
    patch.setattr(LambdaFunction, "get_code", locate_package)
    patch.setattr(LambdaFunction, "get_configuration", describe_logging)
    patch.setattr(LambdaFunction, "update_configuration", update_logging)


# Whole operations that moto has not got, as a new account's answers.

ACCOUNT_SETTINGS = "/2016-08-19/account-settings"
ANSWERS: dict[str, Json] = {
    "/v2/email/account": {
        "ProductionAccessEnabled": False,
        "SendingEnabled": True,
        "EnforcementStatus": "HEALTHY",
        "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0},
        "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
    },
    "/v2/email/suppression/addresses": {"SuppressedDestinationSummaries": []},
    ACCOUNT_SETTINGS: {"AccountLimit": {"ConcurrentExecutions": 10}},
}


class _Answering(DomainDispatcherApplication):
    """moto's application, behind the answers that it lacks."""

    def __call__(self, environ: Json, start_response: Any) -> Any:
        path = Request(environ).path.rstrip("/")
        if package := re.fullmatch("/package/(.+)", path):
            function = lambda_backends[ACCOUNT][REGION].get_function(package[1])
            return Response(function.code_bytes)(environ, start_response)
        answer = ANSWERS.get(path)
        if one := re.fullmatch("/v2/email/configuration-sets/(.+)/event-destinations", path):
            of_set = [each for each in _destinations.values() if each["Of"] == one[1]]
            answer = {"EventDestinations": of_set}
        if answer is None:
            return super().__call__(environ, start_response)
        response = Response(json.dumps(answer), content_type="application/json")
        return response(environ, start_response)
