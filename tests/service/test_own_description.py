"""The OpenAPI description of a stage with own fields: valid, true, and fuzzed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from chalicelib.own_fields import digest
from chalicelib.web.description import with_own_fields
from tests.service import test_fuzz
from tests.support import own_fields
from tests.support.description import DESCRIPTION, mail_link
from tests.support.own_fields import ANSWERS, DEFINITION
from tests.support.service import ALEXIS, Service
from tests.support.wsgi import wsgi


def described(sources: str = own_fields.SOURCES) -> dict[str, Any]:
    document = json.loads(json.dumps(DESCRIPTION))
    return with_own_fields(document, own_fields.read(sources))


def errors(schema: str, value: object) -> list[str]:
    document = described()
    whole = {**document["components"]["schemas"][schema], "components": document["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def for_the_tool() -> dict[str, Any]:
    """Return the description of /users, with what no schema can say: see test_fuzz.py."""
    document = test_fuzz.for_the_tool(described("ref"))
    document["paths"] = {"/users": document["paths"]["/users"]}
    schemas = document["components"]["schemas"]
    for name in ("SignUp", "SignUpForm"):
        for field in ("company", "website"):
            schemas[name]["properties"][field]["format"] = "name"
    return document


SCHEMA = schemathesis.openapi.from_dict(for_the_tool(), config=test_fuzz.CONFIG)


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with own_fields.serving(tmp_path_factory.mktemp("package")) as service:
        mail_link(service)
        yield service


@pytest.fixture(scope="module")
def application(shared_service: Service) -> Any:
    return wsgi(shared_service.app.app)


def test_a_stages_description_is_valid_and_has_its_fields() -> None:
    document = described()
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    properties = document["components"]["schemas"]["SignUp"]["properties"]
    assert {*DEFINITION, "utm_source", "ref"} <= {*properties}
    for example in ("alexis", "ada", "plato"):
        assert errors("SignUp", document["components"]["examples"][example]["value"]) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"company": None},
        {"company": "x" * 41},
        {"terms": False},
        {"terms": digest("Another text.")},
        {"plan": "gold"},
        {"beta": 1},
        {"gclid": "1"},
    ],
    ids=str,
)
def test_what_the_app_refuses_is_not_described(
    shared_service: Service, wrong: dict[str, object]
) -> None:
    sent = {**ALEXIS, **ANSWERS, **wrong}
    assert shared_service.post_json("/users", sent).status_code == 422
    assert errors("SignUp", sent) != []


def test_the_stage_serves_its_own_description(shared_service: Service) -> None:
    served = shared_service.get("/openapi.json").json_body
    assert served == described()
    terms = served["components"]["schemas"]["SignUp"]["properties"]["terms"]
    english = DEFINITION["terms"]["label"]["en"]
    assert f"`{digest(english)}` (en): {english}" in terms["description"]


@SCHEMA.parametrize()
def test_a_stage_with_fields_answers_as_it_describes(
    case: schemathesis.Case, application: Any
) -> None:
    test_fuzz.call(case, application)
