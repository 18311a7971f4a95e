"""A whole stage as one CloudFormation template, for SAM, CDK or Terraform.

It is `resources.json`, which every deploy makes, and beside it what a deploy leaves to Chalice: the
functions, what calls them, and the API. All settings come from the modules that a deploy uses, too.
The template needs no transform, so any tool takes it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from chalice.app import Chalice
from chalice.deploy.swagger import CFNSwaggerGenerator

from ops.resources.api import client_limit, gateway_responses
from ops.resources.api.rest_api import (
    EVERY_METHOD,
    FIRST_BURST,
    FIRST_RATE,
    FIRST_SIGN_UP_BURST,
    FIRST_SIGN_UP_RATE,
    SIGN_UP_METHODS,
)
from ops.resources.functions import event_invoke_config, event_source_mapping, function_logs
from ops.resources.stack import stack
from ops.stage.cloud import ABSENT

Template = dict[str, Any]

API = "RestApi"
MAPPING = "StreamToMailer"
_FIRST_LIMITS = {"MailsPerDay": 180, "MailsPerHour": 180}  # 90 % of what SES's sandbox allows
_PARAMETERS: Template = {
    "CodeBucket": {
        "Type": "String",
        "Description": "The S3 bucket, in the stack's region, that holds package.zip.",
    },
    "CodeKey": {"Type": "String", "Description": "The key of package.zip in that bucket."},
    "SecretKey": {
        "Type": "String",
        "NoEcho": True,
        "MinLength": 32,
        "Description": "At least 32 random characters. Keep them: hashes depend on them.",
    },
    "MailersAtOnce": {
        "Type": "Number",
        "Default": 0,
        "Description": "The concurrency reserved for the mailer, which also limits it; 0 for none.",
    },
    "BaseUrl": {
        "Type": "String",
        "Default": "",
        "Description": "Where links lead; empty for the API's own address.",
    },
}
_COMPUTED = {
    "USERS_TABLE": {"Ref": "Users"},
    "USERS_STREAM_ARN": {"Fn::GetAtt": ["Users", "StreamArn"]},
    "LIMITS_TABLE": {"Ref": "Limits"},
    "MAIL_FROM": {"Ref": "MailFrom"},
    "MAIL_FEEDBACK_TOPIC_ARN": {"Ref": "MailFeedback"},
    "MAIL_CONFIGURATION_SET": {
        "Fn::If": ["MakesConfigurationSet", {"Ref": "MailEvents"}, {"Ref": "ConfigurationSet"}]
    },
    "MAILS_PER_DAY": {"Ref": "MailsPerDay"},
    "MAILS_PER_HOUR": {"Ref": "MailsPerHour"},
    "SECRET_KEY": {"Ref": "SecretKey"},
    "EVENT_BUS": {"Fn::If": ["HasEvents", {"Ref": "EventBus"}, {"Ref": "AWS::NoValue"}]},
    "BASE_URL": {
        "Fn::If": [
            "HasBaseUrl",
            {"Ref": "BaseUrl"},
            {
                "Fn::Sub": "https://${RestApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
                "/${ApiStage}"
            },
        ]
    },
}
"""The settings that a deploy finds out; all others are the operator's."""


def make(config: Mapping[str, Any], app: Chalice, runtime: str, own: Mapping[str, str]) -> Template:
    """Return the template of ``app`` as ``config`` configures it.

    ``own`` are the stage's settings. The template computes those that a deploy would compute.
    """
    template: Template = json.loads(stack.TEMPLATE.read_text(encoding="utf-8"))
    template["Resources"]["Dashboard"]["Properties"]["DashboardBody"] = stack.dashboard_body()
    parameters = template["Parameters"]
    for name, value in _FIRST_LIMITS.items():
        parameters[name] = {"Type": "Number", "Default": value, "Description": "See settings.md."}
    parameters |= _PARAMETERS
    parameters["AppName"]["Default"] = config["app_name"]
    parameters["ClientLimitOrigin"]["Default"] = client_limit.origin_of(own)
    for condition, parameter, none in (
        ("HasBaseUrl", "BaseUrl", ""),
        ("BoundsMailer", "MailersAtOnce", "0"),
    ):
        template["Conditions"][condition] = {
            "Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, none]}]
        }
    environment = {name: value for name, value in own.items() if name not in _COMPUTED}
    resources = template["Resources"]
    for name in config["lambda_functions"]:
        resources[logical(name)] = _function(config, name, runtime, {**environment, **_COMPUTED})
    resources[logical(event_source_mapping.FUNCTION)]["Properties"][
        "ReservedConcurrentExecutions"
    ] = {"Fn::If": ["BoundsMailer", {"Ref": "MailersAtOnce"}, {"Ref": "AWS::NoValue"}]}
    for source in app.event_sources:
        resources |= _SOURCES[type(source).__name__](source)
    resources |= _calls()
    resources |= _api(config, app, own)
    template["Outputs"]["ApiUrl"] = {"Value": _COMPUTED["BASE_URL"]}
    return template


def logical(name: str) -> str:
    """Return what the template calls a function: `send_validation_mail` is SendValidationMail."""
    return "".join(part.capitalize() for part in name.split("_"))


def _full_name(name: str) -> Any:
    """Return the name that Chalice gives a function. It refers to no resource, so makes no circle:
    the functions know the API's address."""
    suffix = "" if name == "api_handler" else f"-{name}"
    return {"Fn::Sub": "${AppName}-${Stage}" + suffix}


def _function(
    config: Mapping[str, Any], name: str, runtime: str, environment: Mapping[str, Any]
) -> Template:
    own = {**config, **config["lambda_functions"][name]}
    return {
        "Type": "AWS::Lambda::Function",
        "DependsOn": [f"{logical(name)}Logs"],
        "Properties": {
            "FunctionName": _full_name(name),
            "Handler": "app.app" if name == "api_handler" else f"app.{name}",
            "Runtime": runtime,
            "MemorySize": own["lambda_memory_size"],
            "Timeout": own["lambda_timeout"],
            "Role": {"Fn::GetAtt": [f"{logical(name)}Role", "Arn"]},
            "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}},
            "Environment": {"Variables": dict(environment)},
            "LoggingConfig": function_logs.FORMAT,
        },
    }


def _stream(source: Any) -> Template:
    function = logical(source.name)
    return {
        MAPPING: {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": function},
                "EventSourceArn": {"Fn::GetAtt": ["Users", "StreamArn"]},
                "StartingPosition": source.starting_position,
                "BatchSize": source.batch_size,
                **event_source_mapping.SETTINGS,
                "FilterCriteria": event_source_mapping.filters(ABSENT),
                "DestinationConfig": {
                    "OnFailure": {"Destination": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
                },
            },
        }
    }


def _topic(source: Any) -> Template:
    function = logical(source.name)
    return {
        f"{function}Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "Protocol": "lambda",
                "TopicArn": {"Ref": "MailFeedback"},
                "Endpoint": {"Fn::GetAtt": [function, "Arn"]},
            },
        },
        f"{function}Permission": _permission(
            function, "sns.amazonaws.com", {"Ref": "MailFeedback"}
        ),
    }


def _clock(source: Any) -> Template:
    function = logical(source.name)
    return {
        f"{function}Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": {"Fn::Sub": f"${{AppName}}-${{Stage}}-{source.name}-event"},
                "ScheduleExpression": source.schedule_expression.to_string(),
                "Targets": [{"Id": "1", "Arn": {"Fn::GetAtt": [function, "Arn"]}}],
            },
        },
        f"{function}Permission": _permission(
            function, "events.amazonaws.com", {"Fn::GetAtt": [f"{function}Rule", "Arn"]}
        ),
    }


_SOURCES = {
    "DynamoDBEventConfig": _stream,
    "SNSEventConfig": _topic,
    "ScheduledEventConfig": _clock,
}


def _permission(function: str, principal: str, source: Any) -> Template:
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": {"Ref": function},
            "Action": "lambda:InvokeFunction",
            "Principal": principal,
            "SourceArn": source,
        },
    }


def _calls() -> Template:
    queue: Any = {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    return {
        f"{logical(name)}Calls": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": {"Ref": logical(name)},
                "Qualifier": "$LATEST",
                "MaximumEventAgeInSeconds": settings.get("MaximumEventAgeInSeconds", 21600),
                "MaximumRetryAttempts": settings.get("MaximumRetryAttempts", 2),
                **{key: value for key, value in settings.items() if key == "DestinationConfig"},
            },
        }
        for name, settings in event_invoke_config.wanted(queue).items()
    }


def _api(config: Mapping[str, Any], app: Chalice, own: Mapping[str, str]) -> Template:
    swagger = CFNSwaggerGenerator().generate_swagger(app)
    for operations in swagger["paths"].values():
        for operation in operations.values():
            operation["x-amazon-apigateway-integration"]["uri"] = {
                "Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31"
                "/functions/arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
                "${AppName}-${Stage}/invocations"
            }
    gateway_responses.add(swagger, own)
    # A deployment never changes, so each body has one of its own.
    digest = hashlib.sha256(json.dumps(swagger, sort_keys=True).encode()).hexdigest()[:10]
    deployment = f"Deployment{digest}"
    return {
        API: {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {
                "Name": {"Ref": "AppName"},
                "Body": swagger,
                "EndpointConfiguration": {"Types": [config["api_gateway_endpoint_type"]]},
                "MinimumCompressionSize": config["minimum_compression_size"],
                "Tags": [{"Key": "bienvenue-stage", "Value": {"Fn::Sub": "${AppName}-${Stage}"}}],
            },
        },
        deployment: {
            "Type": "AWS::ApiGateway::Deployment",
            "Properties": {"RestApiId": {"Ref": API}},
        },
        "RestApiStage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": {"Ref": API},
                "DeploymentId": {"Ref": deployment},
                "StageName": {"Ref": "ApiStage"},
                "MethodSettings": [
                    _throttle(EVERY_METHOD, FIRST_RATE, FIRST_BURST),
                    *(
                        _throttle(method, FIRST_SIGN_UP_RATE, FIRST_SIGN_UP_BURST)
                        for method in SIGN_UP_METHODS
                    ),
                ],
            },
        },
        "ApiHandlerPermission": _permission(
            "ApiHandler",
            "apigateway.amazonaws.com",
            {
                "Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}"
                ":${RestApi}/*"
            },
        ),
        "ClientLimitOfApi": {
            "Type": "AWS::WAFv2::WebACLAssociation",
            "Condition": "LimitsClients",
            "Properties": {
                "WebACLArn": {"Fn::GetAtt": ["ClientLimit", "Arn"]},
                "ResourceArn": {
                    "Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis"
                    "/${RestApi}/stages/${RestApiStage}"
                },
            },
        },
    }


def _throttle(method: str, rate: float, burst: int) -> Template:
    path, _, verb = method.partition("/")
    return {
        "ResourcePath": "/*" if path == "*" else f"/{path}",  # ~1users stands for /users
        "HttpMethod": verb,
        "ThrottlingRateLimit": rate,
        "ThrottlingBurstLimit": burst,
    }
