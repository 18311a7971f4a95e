"""Answers that API Gateway gives itself: preflights and errors.

Chalice knows few of them. So this completes the Swagger document that Chalice sends to API Gateway,
by botocore's public events.
"""

import json
from collections.abc import Mapping
from typing import Any

from botocore.session import Session

from chalicelib.web.site import SECURITY_HEADERS
from ops.resources.api import cors, not_found
from ops.resources.api.cors import GATEWAY_RESPONSES, Swagger

# A quotation mark may end the value of a header, so the policy has none. A sandbox runs no script.
_HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": "sandbox",
    "X-Frame-Options": "DENY",
}


def add_on_upload(session: Session, environment: Mapping[str, str]) -> None:
    """Have each document that ``session`` sends to API Gateway contain the answers of a stage."""

    def complete_body(**event: Any) -> None:
        params = event["params"]
        swagger = json.loads(params["body"])
        add(swagger, environment)
        params["body"] = json.dumps(swagger)

    session.register("provide-client-params.apigateway.PutRestApi", complete_body)


def add(swagger: Swagger, environment: Mapping[str, str]) -> None:
    """Add the answers of the stage with this ``environment`` to its Swagger document."""
    secure(swagger)
    if origins := environment.get("ALLOWED_ORIGINS", "").lower().split():
        cors.allow(swagger, origins)
    not_found.add(swagger, not_found.page(environment))


def secure(swagger: Swagger) -> None:
    """Give the errors the headers that the app's own answers have.

    A value in single quotes is a constant, and these names are none of those that API Gateway keeps
    for itself.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
    """
    parameters = {
        f"gatewayresponse.header.{name}": f"'{value}'" for name, value in _HEADERS.items()
    }
    for kind in ("DEFAULT_4XX", "DEFAULT_5XX"):
        swagger.setdefault(GATEWAY_RESPONSES, {})[kind] = {"responseParameters": dict(parameters)}
