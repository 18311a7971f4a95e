"""The stage's REST API, made before its functions so that its address is known to them.

Chalice would make it last, and its address would take a second deploy to get into the mails. What
is recorded as deployed it only fills (chalice/deploy/planner.py: _plan_restapi).
"""

from typing import TYPE_CHECKING

from ops.progress import Say
from ops.project import Project

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient

NAME = "rest_api"  # what Chalice records it under
TAG = "bienvenue-stage"


def provide(gateway: "APIGatewayClient", project: Project, say: Say) -> str:
    """The id of the stage's REST API, which is made if there is none.

    Chalice's record is not kept in git, so an API that another machine made is found by its tag.
    """
    tag = f"{project.app_name}-{project.stage}"
    existing = {
        api["id"]: api.get("tags", {})
        for page in gateway.get_paginator("get_rest_apis").paginate()
        for api in page["items"]
    }
    recorded = (project.resource(NAME) or {}).get("rest_api_id")
    if recorded in existing:
        say(f"{recorded}, as before")
        return str(recorded)
    api_id = next((found for found, tags in existing.items() if tags.get(TAG) == tag), None)
    if api_id:
        say(f"{api_id}, made on another machine")
    else:
        api_id = gateway.create_rest_api(
            name=project.app_name,
            endpointConfiguration={"types": ["REGIONAL"]},
            tags={TAG: tag},
        )["id"]
        say(f"{api_id}, new")
    return api_id


def record(project: Project, api_id: str, address: str) -> None:
    """Have Chalice fill that API rather than make another."""
    project.keep(
        {
            "name": NAME,
            "resource_type": "rest_api",
            "rest_api_id": api_id,
            "rest_api_url": f"{address}/",
        }
    )
