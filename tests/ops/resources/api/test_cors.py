"""Preflights and gateway responses that a deploy adds to Chalice's document."""

from __future__ import annotations

import json
from typing import Any

from ops.resources.api import cors

SHOP, BLOG = "https://shop.example", "https://blog.example"
PATHS = ("/", "/users", "/resend", "/validate", "/openapi.json")


def allowed(*origins: str) -> dict[str, Any]:
    swagger: dict[str, Any] = {"paths": {path: {"post": {}} for path in PATHS}}
    cors.allow(swagger, origins)
    return swagger


def preflight(swagger: dict[str, Any], path: str) -> dict[str, Any]:
    integration: dict[str, Any] = swagger["paths"][path]["options"][
        "x-amazon-apigateway-integration"
    ]
    assert integration["type"] == "mock"
    response: dict[str, Any] = integration["responses"]["default"]
    return response


def test_only_the_paths_for_other_origins_get_a_preflight() -> None:
    swagger = allowed(SHOP)
    with_one = {path for path, methods in swagger["paths"].items() if "options" in methods}
    assert with_one == {"/users", "/resend", "/validate"}


def test_one_origin_is_a_constant_in_every_header() -> None:
    swagger = allowed(SHOP)
    response = preflight(swagger, "/users")
    name = "method.response.header.Access-Control-Allow-Origin"
    assert response["responseParameters"][name] == f"'{SHOP}'"
    assert response["responseTemplates"] == {"application/json": ""}
    errors = swagger["x-amazon-apigateway-gateway-responses"]
    for kind in ("DEFAULT_4XX", "DEFAULT_5XX"):
        assert errors[kind]["responseParameters"] == {
            "gatewayresponse.header.Access-Control-Allow-Origin": f"'{SHOP}'",
            "gatewayresponse.header.Access-Control-Allow-Credentials": "'true'",
            "gatewayresponse.header.Vary": "'Origin'",
        }


def test_one_of_many_origins_is_chosen_by_a_template() -> None:
    template = preflight(allowed(SHOP, BLOG), "/users")["responseTemplates"]["application/json"]
    assert f'#if($origin == "{BLOG}")' in template
    assert SHOP not in template


def test_any_origin_may_send_no_cookies() -> None:
    swagger = allowed("*")
    assert "Credentials" not in json.dumps(swagger)
    assert "'*'" in json.dumps(swagger)
