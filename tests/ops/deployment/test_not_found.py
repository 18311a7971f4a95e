"""The page for unknown paths that a deploy adds to Chalice's document."""

from __future__ import annotations

from typing import Any

import botocore.session

from ops.deployment import cors, not_found
from ops.preview import gallery
from tests.support.swagger import sent_document

STAGE = {
    **gallery._TO_COME,
    "DEFAULT_LANG": "en",
    "PRODUCT_NAME": "A$AP & Co",
    "BASE_URL": "https://hello.example.org/api",
}
GATEWAY_RESPONSES = "x-amazon-apigateway-gateway-responses"


def test_the_page_speaks_the_stages_language() -> None:
    html = not_found.page(STAGE)
    assert '<html lang="en"' in html
    assert "<h1>This page does not exist</h1>" in html
    assert 'href="https://hello.example.org/api/?lang=en"' in html
    assert 'href="https://hello.example.org/api/?lang=fr"' in html


def test_the_gateway_response_is_a_page_with_the_right_status() -> None:
    swagger: dict[str, Any] = {"paths": {}}
    not_found.add(swagger, not_found.page(STAGE))
    response = swagger[GATEWAY_RESPONSES]["MISSING_AUTHENTICATION_TOKEN"]
    assert response["statusCode"] == "404"
    template = response["responseTemplates"]["application/json"]
    assert template.startswith("<!doctype html>")
    assert "$" not in template
    assert "A&#36;AP &amp; Co" in template
    parameters = response["responseParameters"]
    assert parameters["gatewayresponse.header.Content-Type"] == "'text/html; charset=utf-8'"
    assert all(value.count("'") == 2 for value in parameters.values())


def test_the_page_and_the_origins_of_others_go_together() -> None:
    session = botocore.session.Session()
    cors.prepare(session, ["https://shop.example"])
    not_found.prepare(session, STAGE)
    responses = sent_document(session)[GATEWAY_RESPONSES]
    assert set(responses) == {"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN"}
    origin = "gatewayresponse.header.Access-Control-Allow-Origin"
    assert origin in responses["MISSING_AUTHENTICATION_TOKEN"]["responseParameters"]
