"""The page for paths that the API does not have, which API Gateway answers itself.

Without it AWS says "Missing Authentication Token" in JSON. The page is in the stage's language,
since a gateway response cannot look at the request.
"""

import json
from collections.abc import Mapping
from typing import Any

from botocore.session import Session

from chalicelib import settings
from chalicelib.templates import Templates
from chalicelib.web.pages import Pages
from ops.deployment.cors import GATEWAY_RESPONSES, Swagger

KIND = "MISSING_AUTHENTICATION_TOKEN"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Type": "text/html; charset=utf-8",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # a Content-Security-Policy has quotes, which no mapping takes
}


def prepare(session: Session, environment: Mapping[str, str]) -> None:
    """Have each document that ``session`` sends to API Gateway contain the page of a stage."""

    def complete(**event: Any) -> None:
        params = event["params"]
        swagger = json.loads(params["body"])
        add(swagger, page(environment))
        params["body"] = json.dumps(swagger)

    session.register("provide-client-params.apigateway.PutRestApi", complete)


def page(environment: Mapping[str, str]) -> str:
    """Return the page in the language of the stage with this ``environment``."""
    stage = settings.read(environment)
    pages = Pages(stage.base_url, Templates(stage.templates_folder), stage.brand)
    return str(pages.problem(stage.default_lang, "not_found"))


def add(swagger: Swagger, html: str) -> None:
    """Add the page to what API Gateway answers itself.

    API Gateway takes the template for JSON, whatever the request accepts. The header says what it
    is. A ``$`` would begin one of its variables.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """
    responses = swagger.setdefault(GATEWAY_RESPONSES, {})
    headers = {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in _HEADERS.items()}
    shared = responses.get("DEFAULT_4XX", {}).get("responseParameters", {})
    responses[KIND] = {
        "statusCode": "404",
        "responseParameters": {**shared, **headers},
        "responseTemplates": {"application/json": html.replace("$", "&#36;")},
    }
