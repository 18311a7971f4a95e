"""The call PutRestApi for the local cloud, which does not have it.

The Swagger document that Chalice sends is replayed as the single calls that ministack does have. It
covers what Chalice writes for an app without authorizers and API keys. AWS is never given this.
"""

import json
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.session import Session


def prepare(session: Session) -> None:
    """Have every API Gateway client of ``session`` answer PutRestApi by itself."""

    def put_rest_api(**call: Any) -> Any:
        params = call["params"]
        api_id = params["url_path"].rpartition("/")[2]
        _replay(session.create_client("apigateway"), api_id, json.loads(params["body"]))
        return AWSResponse(params["url_path"], 200, HTTPHeaders(), None), {"id": api_id}

    session.register("before-call.apigateway.PutRestApi", put_rest_api)


def _replay(client: Any, api_id: str, swagger: dict[str, Any]) -> None:
    """Make the API's resources and methods those of ``swagger``, and no others."""
    pages = client.get_paginator("get_resources").paginate(restApiId=api_id, embed=["methods"])
    existing = {route["path"]: route for page in pages for route in page["items"]}
    ids = {path: route["id"] for path, route in existing.items()}
    paths = swagger["paths"]
    for path in sorted(set(paths)):
        resource_id = _resource(client, api_id, path, ids)
        for method, operation in paths[path].items():
            integration = operation["x-amazon-apigateway-integration"]
            route = {"restApiId": api_id, "resourceId": resource_id, "httpMethod": method.upper()}
            client.put_method(**route, authorizationType="NONE")
            if integration["type"] == "mock":
                _put_mock(client, route, integration)
                continue
            client.put_integration(
                **route,
                type=integration["type"].upper(),
                integrationHttpMethod=integration["httpMethod"],
                uri=integration["uri"],
            )
    for path, resource in sorted(existing.items(), reverse=True):  # children before their parents
        route = {"restApiId": api_id, "resourceId": resource["id"]}
        wanted = {method.upper() for method in paths.get(path, {})}
        for method in set(resource.get("resourceMethods", {})) - wanted:
            client.delete_method(**route, httpMethod=method)
        if path != "/" and not any(f"{other}/".startswith(f"{path}/") for other in paths):
            client.delete_resource(**route)
    _put_gateway_responses(client, api_id, swagger)


def _put_mock(client: Any, method: dict[str, str], integration: dict[str, Any]) -> None:
    """Have API Gateway answer ``method`` itself.

    The local cloud fills in no response templates: its preflights allow the first origin alone.
    """
    client.put_integration(**method, type="MOCK", requestTemplates=integration["requestTemplates"])
    for response in integration["responses"].values():
        parameters = response["responseParameters"]
        client.put_method_response(
            **method,
            statusCode=response["statusCode"],
            responseParameters=dict.fromkeys(parameters, False),
        )
        client.put_integration_response(
            **method, statusCode=response["statusCode"], responseParameters=parameters
        )


def _put_gateway_responses(client: Any, api_id: str, swagger: dict[str, Any]) -> None:
    """Make the API's own answers to errors those of ``swagger``, and no others."""
    wanted = swagger.get("x-amazon-apigateway-gateway-responses", {})
    for response in client.get_gateway_responses(restApiId=api_id)["items"]:
        kind = response["responseType"]
        if not response.get("defaultResponse") and kind not in wanted:
            client.delete_gateway_response(restApiId=api_id, responseType=kind)
    for kind, response in wanted.items():
        client.put_gateway_response(restApiId=api_id, responseType=kind, **response)


def _resource(client: Any, api_id: str, path: str, ids: dict[str, str]) -> str:
    """Return the id of the resource at ``path``. Make missing resources on the way."""
    if path not in ids:
        parent, _, part = path.rpartition("/")
        parent_id = _resource(client, api_id, parent or "/", ids)
        made = client.create_resource(restApiId=api_id, parentId=parent_id, pathPart=part)
        ids[path] = made["id"]
    return ids[path]
