"""The stage's REST API and its throttle, made before the functions.

Chalice would make it last, and its address would take a second deploy to get into the mails. What
is recorded as deployed it only fills (chalice/deploy/planner.py: _plan_restapi).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.session import Session

from ops.stage.project import Project
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient
    from types_boto3_lambda import LambdaClient

NAME = "rest_api"  # what Chalice records it under
TAG = "bienvenue-stage"
EVERY_METHOD = "*/*"
_ENDPOINT, _OFF = "x-amazon-apigateway-endpoint-configuration", "disableExecuteApiEndpoint"
_CALLER = re.compile(r":execute-api:[^:]*:\d*:(\w+)/")
_Limits = tuple[float | None, float | None]  # a rate and a burst


@dataclass(frozen=True)
class Throttle:
    """The number of requests that each method of each route takes; others are answered 429.

    ``rate`` is for a second, lasting; ``burst`` at once. ``sign_up_rate`` and ``sign_up_burst``
    are those of the two routes that have mail sent. None is as it was before.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
    """

    rate: float | None = None
    burst: int | None = None
    sign_up_rate: float | None = None
    sign_up_burst: int | None = None


AS_IT_WAS = Throttle()
FIRST_RATE = 50.0  # four million a day, and a bound on what abuse can cost
FIRST_BURST = 100
FIRST_SIGN_UP_RATE = 5.0  # at 50 a second, a quota of 50,000 mails is gone in 17 minutes
FIRST_SIGN_UP_BURST = 20
SIGN_UP_METHODS = ("~1users/POST", "~1resend/POST")
"""The methods that have mail sent, as a patch of an API's stage spells them (RFC 6901)."""


def ensure(gateway: "APIGatewayClient", project: Project, say: Say) -> str:
    """Return the id of the stage's REST API, which is made if there is none."""
    api_id = find(gateway, project)
    if api_id is None:
        api_id = gateway.create_rest_api(
            name=project.app_name,
            endpointConfiguration={"types": ["REGIONAL"]},
            tags={TAG: project.full_name},
        )["id"]
        say(f"{api_id}, new")
    elif api_id == _recorded_id(project):
        say(f"{api_id}, as before")
    else:
        say(f"{api_id}, made on another machine")
    return api_id


def find(gateway: "APIGatewayClient", project: Project) -> str | None:
    """Return the id of the stage's REST API, if there is one.

    The API with the stage's tag wins: mailed links lead to it. Chalice tags none, so an API that a
    `chalice deploy` made is the stage's only if there is no other.
    """
    return _own(_apis(gateway), project)


def find_doubles(
    gateway: "APIGatewayClient", lambda_: "LambdaClient", project: Project
) -> list[str]:
    """Return the ids of the other REST APIs that serve the stage.

    A `chalice deploy` without Chalice's record makes one. The function's policy names it.
    """
    try:
        policy = lambda_.get_policy(FunctionName=project.function("api_handler"))["Policy"]
    except lambda_.exceptions.ResourceNotFoundException:
        policy = ""
    called_by = set(_CALLER.findall(policy))
    apis = _apis(gateway)
    own = _own(apis, project)
    return [
        api_id
        for api_id, api in apis.items()
        if api_id != own
        and (_is_tagged(api, project) or (api_id in called_by and api["name"] == project.app_name))
    ]


def _own(apis: Mapping[str, Any], project: Project) -> str | None:
    tagged = [api_id for api_id, api in apis.items() if _is_tagged(api, project)]
    recorded = _recorded_id(project)
    if recorded in tagged or (recorded in apis and not tagged):
        return recorded
    return next(iter(tagged), None)


def _apis(gateway: "APIGatewayClient") -> dict[str, Any]:
    pages = gateway.get_paginator("get_rest_apis").paginate()
    return {api["id"]: api for page in pages for api in page["items"]}


def _is_tagged(api: Any, project: Project) -> bool:
    return bool(api.get("tags", {}).get(TAG) == project.full_name)


def recorded(api_id: str, address: str) -> dict[str, str]:
    """Return the API as Chalice records it."""
    return {
        "name": NAME,
        "resource_type": "rest_api",
        "rest_api_id": api_id,
        "rest_api_url": f"{address}/",
    }


def _recorded_id(project: Project) -> str:
    return str((project.resource(NAME) or {}).get("rest_api_id", ""))


def keep_own_address_off(session: Session) -> None:
    """Let each document that ``session`` sends to API Gateway leave the API's own address as it is.

    A document that says nothing of it switches the address on again (PutRestApi, mode overwrite).
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-endpoint-configuration.html
    """

    def complete(**event: Any) -> None:
        params = event["params"]
        gateway: Any = session.create_client("apigateway")
        if gateway.get_rest_api(restApiId=params["restApiId"]).get(_OFF):
            params["body"] = json.dumps({**json.loads(params["body"]), _ENDPOINT: {_OFF: True}})

    session.register("provide-client-params.apigateway.PutRestApi", complete)


def ensure_throttle(
    gateway: "APIGatewayClient", api_id: str, api_stage: str, wanted: Throttle, say: Say
) -> None:
    """Throttle the deployed API. A limit that was set before stays unless ``wanted`` names one.

    The API's stage remembers it, and no deployment of Chalice's changes that.
    """
    stage = gateway.get_stage(restApiId=api_id, stageName=api_stage)
    settings = {
        key.replace("~1", "/").lstrip("/"): value
        for key, value in stage.get("methodSettings", {}).items()
    }
    every = _throttling(settings.get(EVERY_METHOD, {}))
    before = {EVERY_METHOD: every}
    limits = {
        EVERY_METHOD: (
            _limit(wanted.rate, every[0], FIRST_RATE),
            _limit(wanted.burst, every[1], FIRST_BURST),
        )
    }
    first_rate, first_burst = _first_for_sign_ups(every)
    for method in SIGN_UP_METHODS:
        before[method] = _throttling(settings.get(method.removeprefix("~1"), {}))
        limits[method] = (
            _limit(wanted.sign_up_rate, before[method][0], first_rate),
            _limit(wanted.sign_up_burst, before[method][1], first_burst),
        )
    text = (
        f"{_words(limits[SIGN_UP_METHODS[0]])} for sign-ups, "
        f"{_words(limits[EVERY_METHOD])} for each other route"
    )
    if before == limits:
        text = f"nothing to change ({text})"
    else:
        gateway.update_stage(
            restApiId=api_id,
            stageName=api_stage,
            patchOperations=[
                {"op": "replace", "path": f"/{method}/throttling/{name}", "value": f"{value:.9g}"}
                for method, pair in limits.items()
                for name, value in zip(("rateLimit", "burstLimit"), pair, strict=True)
            ],
        )
    say(text)


def _throttling(settings: Mapping[str, Any]) -> _Limits:
    return settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit")


def _first_for_sign_ups(every: _Limits) -> tuple[float, float]:
    """Return the first limits of sign-ups, if each route's were ``every`` so far.

    An operator who chose those keeps them, so that a new version refuses no more than the old one.
    """
    if every[0] in (None, -1, FIRST_RATE) and every[1] in (None, -1, FIRST_BURST):
        return FIRST_SIGN_UP_RATE, FIRST_SIGN_UP_BURST
    return _limit(None, every[0], FIRST_RATE), _limit(None, every[1], FIRST_BURST)


def _words(limits: _Limits) -> str:
    rate, burst = limits
    return f"{rate:.9g} a second and {burst:.9g} at once"


def _limit(wanted: float | None, current: float | None, first: float) -> float:
    """Return the limit to be. Zero counts as set: it is how an operator shuts the API in a hurry.

    API Gateway may say -1 of a limit that was never set.
    """
    if wanted is not None:
        return wanted
    return first if current is None or current < 0 else current
