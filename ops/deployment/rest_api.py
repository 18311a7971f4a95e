"""The stage's REST API, made before its functions so that they know its address; its throttle.

Chalice would make it last, and its address would take a second deploy to get into the mails. What
is recorded as deployed it only fills (chalice/deploy/planner.py: _plan_restapi).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.stage.project import Project
from ops.terminal.progress import Say

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient

NAME = "rest_api"  # what Chalice records it under
TAG = "bienvenue-stage"
EVERY_METHOD = "*/*"


@dataclass(frozen=True)
class Throttle:
    """How many requests each method of each route takes; the others are answered 429.

    ``rate`` is for a second, lasting; ``burst`` at once. None is as it was before.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
    """

    rate: float | None = None
    burst: int | None = None


AS_IT_WAS = Throttle()
FIRST_RATE = 50.0  # four million a day, and a bound on what abuse can cost
FIRST_BURST = 100


def provide(gateway: "APIGatewayClient", project: Project, say: Say) -> str:
    """The id of the stage's REST API, which is made if there is none."""
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
    """The id of the stage's REST API, if there is one.

    Chalice's record is not kept in git, so an API that another machine made is found by its tag.
    """
    existing = {
        api["id"]: api.get("tags", {})
        for page in gateway.get_paginator("get_rest_apis").paginate()
        for api in page["items"]
    }
    if (api_id := _recorded_id(project)) in existing:
        return api_id
    return next(
        (found for found, tags in existing.items() if tags.get(TAG) == project.full_name), None
    )


def record(project: Project, api_id: str, address: str) -> None:
    """Have Chalice fill that API rather than make another."""
    project.keep(recorded(api_id, address))


def recorded(api_id: str, address: str) -> dict[str, str]:
    """The API as Chalice records it."""
    return {
        "name": NAME,
        "resource_type": "rest_api",
        "rest_api_id": api_id,
        "rest_api_url": f"{address}/",
    }


def _recorded_id(project: Project) -> str:
    return str((project.resource(NAME) or {}).get("rest_api_id", ""))


def throttle(
    gateway: "APIGatewayClient", api_id: str, api_stage: str, wanted: Throttle, say: Say
) -> None:
    """Throttle the deployed API. What was once set, by whomever, stays unless ``wanted`` says so:
    the API's stage is where it is remembered, and no deployment of Chalice's touches it."""
    stage = gateway.get_stage(restApiId=api_id, stageName=api_stage)
    current = stage.get("methodSettings", {}).get(EVERY_METHOD, {})
    before = (current.get("throttlingRateLimit"), current.get("throttlingBurstLimit"))
    rate = _limit(wanted.rate, before[0], FIRST_RATE)
    burst = _limit(wanted.burst, before[1], FIRST_BURST)
    limits = {"rateLimit": f"{rate:.9g}", "burstLimit": f"{burst:.9g}"}
    said = f"{limits['rateLimit']} a second, {limits['burstLimit']} at once, for each route"
    if before == (rate, burst):
        said = f"nothing to change ({said})"
    else:
        gateway.update_stage(
            restApiId=api_id,
            stageName=api_stage,
            patchOperations=[
                {"op": "replace", "path": f"/{EVERY_METHOD}/throttling/{name}", "value": value}
                for name, value in limits.items()
            ],
        )
    say(said)


def _limit(wanted: float | None, current: float | None, first: float) -> float:
    """The limit to be. Zero counts as set: it is how an operator shuts the API in a hurry. API
    Gateway may say -1 of one that nobody set."""
    if wanted is not None:
        return wanted
    return first if current is None or current < 0 else current
