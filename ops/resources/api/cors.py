"""Cross-origin requests as API Gateway answers them itself, without a function.

Chalice's own CORS settings know one origin and no gateway responses.
"""

from collections.abc import Sequence
from typing import Any

from chalicelib.web import cors
from chalicelib.web.site import SECURITY_HEADERS

Swagger = dict[str, Any]
GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"


def allow(swagger: Swagger, origins: Sequence[str]) -> None:
    """Add the preflights and the gateway responses for ``origins``, of which there is one or more.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html
    """
    for path, operations in swagger["paths"].items():
        if path in cors.METHODS:
            operations["options"] = _preflight(path, origins)
    # These can hold a request's header, but cannot look it up. They say nothing that is secret.
    origin = f"'{origins[0]}'" if len(origins) == 1 else "method.request.header.Origin"
    headers = {"Access-Control-Allow-Origin": origin, "Vary": "'Origin'"}
    if cors.ANY_ORIGIN not in origins:
        headers["Access-Control-Allow-Credentials"] = "'true'"
    parameters = {f"gatewayresponse.header.{name}": value for name, value in headers.items()}
    for kind in ("DEFAULT_4XX", "DEFAULT_5XX"):
        response = swagger.setdefault(GATEWAY_RESPONSES, {}).setdefault(kind, {})
        response.setdefault("responseParameters", {}).update(parameters)


def _preflight(path: str, origins: Sequence[str]) -> Swagger:
    headers = {**SECURITY_HEADERS, **cors.preflight_headers(path, origins[0])}
    response: Swagger = {
        "statusCode": "200",
        "responseParameters": {
            f"method.response.header.{name}": f"'{value}'" for name, value in headers.items()
        },
        "responseTemplates": {"application/json": _choose(origins[1:])},
    }
    return {
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "responses": {
            "200": {
                "description": "The headers that another origin may send.",
                "headers": {name: {"type": "string"} for name in headers},
            }
        },
        "x-amazon-apigateway-integration": {
            "type": "mock",
            "passthroughBehavior": "when_no_match",
            "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": response},
        },
    }


def _choose(others: Sequence[str]) -> str:
    """Return a template that puts the request's origin in place of the first, if it is allowed.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-override-request-response-parameters.html
    """
    if not others:
        return ""
    header = "$context.responseOverride.header.Access-Control-Allow-Origin"
    known = " || ".join(f'$origin == "{other}"' for other in others)
    lines = [
        '#set($origin = $input.params().header.get("Origin"))',
        '#if(!$origin)#set($origin = $input.params().header.get("origin"))#end',  # over HTTP/2
        f"#if({known})#set({header} = $origin)#end",
    ]
    return "\n".join(lines)
