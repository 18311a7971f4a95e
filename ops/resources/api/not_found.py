"""The page for paths that the API does not have, which API Gateway answers itself.

Without it AWS says "Missing Authentication Token" in JSON. The page is in the stage's language,
since a gateway response cannot look at the request.
"""

from collections.abc import Mapping

from chalicelib import settings
from chalicelib.templates import Templates
from chalicelib.web.pages import Pages
from ops.resources.api.cors import GATEWAY_RESPONSES, Swagger

KIND = "MISSING_AUTHENTICATION_TOKEN"
_POLICY = "gatewayresponse.header.Content-Security-Policy"


def page(environment: Mapping[str, str]) -> str:
    """Return the page in the language of the stage with this ``environment``.

    It has its security policy inside, as the header of a gateway response can hold no quotation
    marks. ``frame-ancestors`` works in a header only: X-Frame-Options stands for it.
    """
    stage = settings.read(environment)
    pages = Pages(stage.base_url, Templates(stage.templates_folder), stage.brand)
    html = pages.problem(stage.default_lang, "not_found")
    policy, _, _ = pages.security_policy.partition("; frame-ancestors")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return html.replace("<head>", f"<head>\n{meta}", 1)


def add(swagger: Swagger, html: str) -> None:
    """Add the page to what API Gateway answers itself, with the headers of all 4XX.

    API Gateway takes the template for JSON, whatever the request accepts. The header says what it
    is. A ``$`` would begin one of its variables.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """
    responses = swagger.setdefault(GATEWAY_RESPONSES, {})
    shared = responses.get("DEFAULT_4XX", {}).get("responseParameters", {})
    headers = {name: value for name, value in shared.items() if name != _POLICY}
    headers["gatewayresponse.header.Content-Type"] = "'text/html; charset=utf-8'"
    responses[KIND] = {
        "statusCode": "404",
        "responseParameters": headers,
        "responseTemplates": {"application/json": html.replace("$", "&#36;")},
    }
