"""The address of the API, which links lead to."""

import json

from ops.deployment import rest_api
from ops.doctor import http
from ops.doctor.check import Check, Finding, amber, green, red
from ops.doctor.facts import Facts


def _answers(facts: Facts) -> Finding:
    base_url = facts.stage.base_url
    try:
        answer = http.get(f"{base_url}/openapi.json")
    except http.NoAnswer as error:
        return red(
            str(error).rstrip("."),
            "Links lead there. Check its DNS, its certificate and what is in front of the API, or "
            "deploy with another BASE_URL.",
        )
    expected = json.loads(
        (facts.checkout / "chalicelib" / "openapi.json").read_text(encoding="utf-8")
    )
    answered = answer.json()
    text = f"{base_url} answers in {answer.seconds * 1000:.0f} ms"
    if answer.status == 200 and answered == expected:
        return green(text)
    if answer.status == 200 and _title(answered) == _title(expected):
        return amber(f"{text}, but as another version than this checkout", *facts.deploy_again)
    return red(
        f"{base_url} answers {answer.status}, but not as this app",
        "Links lead there. Check what is in front of the API, and the setting BASE_URL.",
    )


def _title(description: object) -> object:
    """Return the title of an OpenAPI document; None for anything else."""
    info = description.get("info") if isinstance(description, dict) else None
    return info.get("title") if isinstance(info, dict) else None


def _only(facts: Facts) -> Finding:
    doubles = rest_api.find_doubles(
        facts.client("apigateway"), facts.client("lambda"), facts.project
    )
    if not doubles:
        return green("no other API serves the stage")
    return amber(
        f"another API serves the stage: {', '.join(doubles)}",
        "A `chalice deploy` made it, in a checkout without Chalice's record. No mail leads there. "
        "Delete it.",
        facts.stage.cloud.aws(f"apigateway delete-rest-api --rest-api-id {doubles[0]}"),
    )


def _links(facts: Facts) -> Finding:
    setting = facts.project.environment.get("VALIDATE_ON_GET", "")
    if setting.strip() == "true":
        return amber(
            "VALIDATE_ON_GET=true: opening a link validates the address",
            "Mail scanners open links too, so an address may be validated without its owner. Set "
            "VALIDATE_ON_GET to same-browser, then deploy.",
        )
    return green("a button, or the browser that signed up, validates")


CHECKS = (
    Check("API", "Answer", (), _answers),
    Check("API", "Only one", ("apigateway:GET", "lambda:GetPolicy"), _only),
    Check("API", "Links", (), _links),
)
