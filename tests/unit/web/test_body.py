"""Bodies: JSON and forms as fields, or the code of what is wrong."""

import pytest

from chalicelib.web import body
from chalicelib.web.body import FORM, JSON, REPEATED, BodyError


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        ("a=b&", {"a": "b"}),
        ("&&a=b&&", {"a": "b"}),
        ("a", {"a": ""}),
        ("a=b&c", {"a": "b", "c": ""}),
        ("a=", {"a": ""}),
        ("=b", {"": "b"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=b;c=d", {"a": "b;c=d"}),
        ("a=b+c%2Bd", {"a": "b c+d"}),
        ("a=50%&b=%zz", {"a": "50%", "b": "%zz"}),
        ("pr%C3%A9nom=Zo%C3%AB", {"prénom": "Zoë"}),
        ("a=1&a=2", {"a": REPEATED}),
    ],
)
def test_a_form_is_read_as_browsers_read_it(text: str, fields: dict[str, object]) -> None:
    assert body.fields(FORM, text.encode()) == fields


@pytest.mark.parametrize(
    ("content_type", "raw", "code"),
    [
        pytest.param(FORM, b"a=%E9", "body_malformed", id="a form in Latin-1"),
        pytest.param(JSON, b"", "body_malformed", id="no JSON"),
        pytest.param(JSON, b"[]", "body_malformed", id="a list"),
        pytest.param(JSON, b'{"a": "\xe9"}', "body_malformed", id="JSON in Latin-1"),
        pytest.param(JSON, b"[" * 10_000, "body_malformed", id="deep JSON"),
        pytest.param(JSON, b" " * (body.MAX_BYTES + 1), "body_too_large", id="too large"),
        pytest.param("text/plain", b"{}", "content_type_unsupported", id="text"),
    ],
)
def test_a_body_is_refused_with_its_reason(content_type: str, raw: bytes, code: str) -> None:
    with pytest.raises(BodyError) as refusal:
        body.fields(content_type, raw)
    assert refusal.value.code == code


def test_json_needs_no_type_and_may_have_a_byte_order_mark() -> None:
    assert body.fields("", b'\xef\xbb\xbf{"a": 1, "b": [2], "b": 3}') == {"a": 1, "b": REPEATED}
    assert body.fields("Application/JSON; charset=utf-8", b"{}") == {}
