"""The app against its own description: schemathesis makes good and bad requests.

``FUZZ_EXAMPLES`` says how many each operation gets.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from chalicelib.users import invisible
from chalicelib.web.body import MULTIPART
from tests.support.description import DESCRIPTION, mail_link
from tests.support.service import BROWSER, JSON, running
from tests.support.wsgi import wsgi

REFUSALS = [400, 405, 413, 415, 422]
CONFIG = schemathesis.Config.from_dict(
    {
        "seed": 1,
        "base-url": "http://localhost",
        "generation": {
            "deterministic": True,
            "max-examples": int(os.environ.get("FUZZ_EXAMPLES", "30")),
        },
        "phases": {
            "coverage": {
                "generate-duplicate-query-parameters": True,
                # Not OPTIONS: API Gateway answers it, and so does Chalice's stand-in for it.
                "unexpected-methods": ["get", "put", "post", "delete", "patch", "trace", "query"],
            },
        },
        "checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}},
        "operations": [
            {
                "include-path": path,
                # A token that is made up is no user's, and such a link gets the one 400 of all.
                "checks": {"positive_data_acceptance": {"expected-statuses": [200, 400]}},
            }
            for path in ("/validate", "/refuse")
        ],
    }
)
# No schema can say which domains are kept for other uses, nor what mail programs take for a link or
# a telephone number.
DOMAINS = ["example.org", "a.b.c.example.com", "bücher.example", "例え.jp", "xn--bcher-kva.example"]
LETTERS = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")).filter(
    lambda letter: (
        not any(
            plain in ".。:@" or plain.isdigit() for plain in unicodedata.normalize("NFKC", letter)
        )
    )
)
schemathesis.openapi.format("idn-email", st.emails(domains=st.sampled_from(DOMAINS)))
schemathesis.openapi.format(
    "name",
    st.text(LETTERS).filter(lambda name: not name or any(map(invisible.is_visible, name))),
)


def for_the_tool(description: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a description that says what the tool needs to make good requests."""
    described = deepcopy(description)
    schemas = described["components"]["schemas"]
    schemas["Name"] |= {
        "format": "name",
        "pattern": r"^[^\x00-\x1f\x7f-\x9f@.:0-9]*$",  # where the tool knows patterns alone
    }
    # The same bound. At a `maxLength` the tool looks for long addresses for 15 s, and finds none.
    email = schemas["Email"]
    email["not"] = {"minLength": email.pop("maxLength") + 1}
    for item in described["paths"].values():
        # The tool makes multipart bodies against their own schema. test_body.py fuzzes such bodies.
        content = item.get("post", {}).get("requestBody", {}).get("content", {})
        content.pop(MULTIPART, None)
    return described


SCHEMA = schemathesis.openapi.from_dict(for_the_tool(DESCRIPTION), config=CONFIG)


@pytest.fixture(scope="module")
def application() -> Iterator[Any]:
    """A service that mailed the link of the description's examples."""
    with running() as service:
        mail_link(service)
        yield wsgi(service.app.app)


@SCHEMA.parametrize()
def test_answers_are_as_described_and_bad_requests_refused(
    case: schemathesis.Case, application: Any
) -> None:
    call(case, application)


def call(case: schemathesis.Case, application: Any) -> None:
    """Check the answers to a case.

    The tool now and then means a body to be wrong that is right: null for a name, say.
    """
    excluded = [schemathesis.checks.negative_data_rejection] if has_right_body(case) else []
    for accept in (JSON, BROWSER):
        case.call_and_validate(
            app=application, headers={"Accept": accept}, excluded_checks=excluded
        )


def has_right_body(case: schemathesis.Case) -> bool:
    """Return True if the description allows the JSON that the case sends."""
    operation, document = case.operation, case.operation.schema.raw_schema
    content = operation.definition.raw.get("requestBody", {}).get("content", {})
    if case.media_type != JSON or JSON not in content:
        return False
    schema = {**content[JSON]["schema"], "components": document["components"]}
    return Draft202012Validator(schema, format_checker=FORMATS).is_valid(case.body)


FORMATS = FormatChecker(())


@FORMATS.checks("idn-email")
def is_address(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value))


def test_a_null_name_is_a_right_body() -> None:
    operation = SCHEMA["/users"]["POST"]
    sent = {"email": "ada@example.org", "nom": None, "last_name": "Horn"}
    assert has_right_body(operation.Case(body=sent, media_type=JSON))
    for wrong in ({"nom": "Horn"}, {"email": "ada"}, {"nom": 7}):
        assert not has_right_body(operation.Case(body={**sent, **wrong}, media_type=JSON))
