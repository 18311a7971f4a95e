"""What tests of the challenge share: its solver, and what a form is told."""

import re

import altcha
from chalice.test import HTTPResponse

from tests.support.service import ALEXIS, BROWSER, Service

EMAIL = ALEXIS["email"]


def solve(service: Service, email: str = EMAIL, **changes: object) -> str:
    """Return the solution of a challenge, as any program finds it; ``changes`` are a cheat's."""
    asked = service.post_json("/challenge", {"email": email})
    assert asked.status_code == 200
    challenge = altcha.Challenge.from_dict(asked.json_body)
    for name, value in changes.items():
        setattr(challenge.parameters, name, value)
    solution = altcha.solve_challenge(challenge)
    assert solution
    return str(altcha.Payload(challenge, solution).to_base64())


def codes(answer: HTTPResponse) -> list[str]:
    assert answer.status_code == 422, answer.body
    return [cause["code"] for cause in answer.json_body["errors"]]


def post_form(service: Service, **fields: str) -> HTTPResponse:
    return service.post_form("/users", {**ALEXIS, **fields}, accept=BROWSER)


def moment_in(page: HTTPResponse) -> str:
    found = re.search(r'name="moment" value="([^"]*)"', page.body.decode())
    assert found
    return found[1]
