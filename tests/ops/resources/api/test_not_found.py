"""The page for unknown paths that a deploy adds to Chalice's document."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

from ops.resources.api import not_found
from ops.stage import samples

STAGE = {
    **samples._TO_COME,
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


def test_the_page_holds_its_own_security_policy() -> None:
    html = not_found.page(STAGE)
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', html)
    (style,) = re.findall("<style>(.*?)</style>", html)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "frame-ancestors" not in policy  # browsers warn of it there
    assert html.index(policy) < html.index("<style>")
