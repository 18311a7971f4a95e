"""Any fields through every door of a stage with gates: JSON, forms, multipart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.web.body import FORM, JSON, MULTIPART
from chalicelib.web.forms import FIELDS, MOMENT, SOLUTION, TRAP
from tests.support import own_fields
from tests.support.own_fields import ANSWERS, DEFINITION
from tests.support.service import ALEXIS, BROWSER, Service

GATES = {
    "ALLOWED_ORIGINS": "https://shop.example",
    "RETURN_URLS": "https://shop.example/ myapp://validated",
    "REFUSED_DOMAINS": "refused.example",
    "DISPOSABLE": "refuse",
    "NAMES": "required",
    "CONSENT_ADDRESS": "truncated",
    "CONSENT_USER_AGENT": "true",
}
PATHS = ("/users", "/resend", "/validate", "/refuse", "/", "/challenge")
NAMES = (
    *(*FIELDS, TRAP, SOLUTION, MOMENT, "ticket", "token", "code", "show", "utm_source", "x"),
    *DEFINITION,
)
texts = st.sampled_from(
    [
        *("", "a@example.org", "a@gmial.com", "a@yopmail.com", "a@refused.example", "a@ex..org"),
        *("true", "off", "pro", "0" * 64, "t" * 43, "123456", "en_US", "https://shop.example/a"),
        *("https://evil.example", "myapp://validated", "\x00", "a\r\nb", "<b>", "é" * 300, "🎉"),
    ]
)
values = st.one_of(
    texts, st.text(max_size=20), st.none(), st.booleans(), st.floats(), st.just([]), st.just({})
)
charsets = st.sampled_from(["utf-8", "utf-16", "latin-1", "no-such-charset", "base64"])


@pytest.fixture(scope="module", params=["off", "altcha"])
def gated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    chosen = {**GATES, "CHALLENGE": request.param}
    with own_fields.serving(tmp_path_factory.mktemp("package"), **chosen) as service:
        yield service


def as_multipart(fields: dict[str, Any], charset: str) -> bytes:
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n'
        f"Content-Type: text/plain; charset={charset}\r\n\r\n{value}\r\n"
        for name, value in fields.items()
    )
    return f"{parts}--b--\r\n".encode(errors="surrogatepass")


@settings(max_examples=400)
@given(
    path=st.sampled_from(PATHS),
    chosen=st.dictionaries(st.sampled_from(NAMES), values, max_size=6),
    is_nearly_right=st.booleans(),
    charset=charsets,
    accept=st.sampled_from(["", BROWSER]),
)
def test_any_fields_are_taken_or_refused_by_every_door(
    gated: Service,
    path: str,
    chosen: dict[str, Any],
    is_nearly_right: bool,
    charset: str,
    accept: str,
) -> None:
    fields = {**ALEXIS, **ANSWERS, **chosen} if is_nearly_right else chosen
    bodies = (
        (json.dumps(fields).encode(errors="surrogatepass"), JSON),
        (urlencode(fields, errors="surrogatepass").encode(), FORM),
        (as_multipart(fields, charset), f"{MULTIPART}; boundary=b"),
    )
    for raw, content_type in bodies:
        answer = gated.request("POST", path, raw, content_type, accept=accept)
        assert answer.status_code < 500
        assert "https://evil.example" not in answer.headers.get("Location", "")
