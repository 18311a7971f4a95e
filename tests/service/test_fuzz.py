"""The app against its own description: schemathesis makes good and bad requests.

``FUZZ_EXAMPLES`` says how many each operation gets.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from hypothesis import strategies as st

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

DESCRIBED = deepcopy(DESCRIPTION)
DESCRIBED["components"]["schemas"]["Name"] |= {
    "format": "name",
    "pattern": r"^[^\x00-\x1f\x7f-\x9f@.:0-9]*$",  # where the tool knows patterns alone
}
for item in DESCRIBED["paths"].values():
    # The tool makes multipart bodies against their own schema. test_body.py fuzzes such bodies.
    content = item.get("post", {}).get("requestBody", {}).get("content", {})
    content.pop(MULTIPART, None)
SCHEMA = schemathesis.openapi.from_dict(DESCRIBED, config=CONFIG)


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
    for accept in (JSON, BROWSER):
        case.call_and_validate(app=application, headers={"Accept": accept})
