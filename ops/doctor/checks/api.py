"""The address that links lead to: whether it answers, and as this app."""

import json

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
            "Links lead there: look at its DNS, its certificate and what is in front of the API; "
            "or have them lead elsewhere by deploying with BASE_URL.",
        )
    ours = json.loads((facts.checkout / "chalicelib" / "openapi.json").read_text(encoding="utf-8"))
    theirs = answer.json()
    said = f"{base_url} answers in {answer.seconds * 1000:.0f} ms"
    if answer.status == 200 and theirs == ours:
        return green(said)
    if answer.status == 200 and _title(theirs) == _title(ours):
        return amber(f"{said}, as another version than this checkout", *facts.deploy_again)
    return red(
        f"{base_url} answers {answer.status}, and not as this app",
        "Links lead there: look at what is in front of the API, and at the setting BASE_URL.",
    )


def _title(description: object) -> object:
    """Whose description of an API it is; nobody's if it is none."""
    info = description.get("info") if isinstance(description, dict) else None
    return info.get("title") if isinstance(info, dict) else None


CHECKS = (Check("API", "Answer", (), _answers),)
