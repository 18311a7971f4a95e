"""The answers that API Gateway gives itself: as safe as the app's own."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from chalicelib.web.site import SECURITY_HEADERS
from ops.resources.api import gateway_responses
from ops.stage import samples
from tests.support.swagger import sent_document

STAGE = {**samples._TO_COME, "DEFAULT_LANG": "en"}
SHOP, BLOG = "https://shop.example", "https://blog.example"
KINDS = {"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN"}
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
KEPT_BY_API_GATEWAY = {
    *("authorization", "connection", "content-length", "content-md5", "date", "expect", "host"),
    *("max-forwards", "pragma", "proxy-authenticate", "range", "referer", "server", "te"),
    *("transfer-encoding", "trailer", "upgrade", "user-agent", "via", "warn", "www-authenticate"),
}


def document(*origins: str) -> dict[str, Any]:
    session = botocore.session.Session()
    gateway_responses.add_on_upload(session, {**STAGE, "ALLOWED_ORIGINS": " ".join(origins)})
    return sent_document(session)


def errors(*origins: str) -> dict[str, dict[str, str]]:
    """Return the headers of each gateway response."""
    responses = document(*origins)["x-amazon-apigateway-gateway-responses"]
    return {
        kind: {
            name.removeprefix("gatewayresponse.header."): value
            for name, value in response["responseParameters"].items()
        }
        for kind, response in responses.items()
    }


@pytest.mark.parametrize("origins", [(), (SHOP,), (SHOP, BLOG), ("*",)], ids=str)
def test_every_error_has_the_headers_of_the_app(origins: tuple[str, ...]) -> None:
    assert errors(*origins).keys() == KINDS
    for headers in errors(*origins).values():
        assert headers.items() >= {k: f"'{v}'" for k, v in SECURITY_HEADERS.items()}.items()
        assert headers["X-Frame-Options"] == "'DENY'"
        assert ("Access-Control-Allow-Origin" in headers) is bool(origins)
    assert "'max-age=31536000'" in errors()["DEFAULT_5XX"].values()


def test_errors_in_json_run_no_script() -> None:
    policies = {kind: headers.get("Content-Security-Policy") for kind, headers in errors().items()}
    assert policies == {
        "DEFAULT_4XX": "'sandbox'",
        "DEFAULT_5XX": "'sandbox'",
        "MISSING_AUTHENTICATION_TOKEN": None,  # the page holds its own
    }


@pytest.mark.parametrize("origins", [(), (SHOP, BLOG)], ids=["none", "two"])
def test_api_gateway_takes_every_header(origins: tuple[str, ...]) -> None:
    """A value is a constant in single quotes, or a header of the request."""
    for headers in errors(*origins).values():
        for name, value in headers.items():
            assert name.lower() not in KEPT_BY_API_GATEWAY
            is_constant = value.strip("'") and value.count("'") == 2 and value[0] == value[-1]
            assert is_constant or value == "method.request.header.Origin"


@pytest.mark.parametrize("origins", [(), (SHOP,)], ids=["none", "one"])
def test_a_preflight_is_for_other_origins_alone(origins: tuple[str, ...]) -> None:
    paths = document(*origins)["paths"]
    assert ("options" in paths["/users"]) == bool(origins)
    if origins:
        integration = paths["/users"]["options"]["x-amazon-apigateway-integration"]
        headers = integration["responses"]["default"]["responseParameters"]
        for name, value in SECURITY_HEADERS.items():
            assert headers[f"method.response.header.{name}"] == f"'{value}'"
