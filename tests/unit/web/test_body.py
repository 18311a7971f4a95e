"""Bodies: JSON and both kinds of form become fields, or a code says why not."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.web import body
from chalicelib.web.body import FORM, JSON, MULTIPART, REPEATED, BodyError

BOUNDARY = "----WebKitFormBoundary7MA4YWxk"
TYPE = f"{MULTIPART}; boundary={BOUNDARY}"


def multipart(*parts: tuple[str, str], boundary: str = BOUNDARY) -> bytes:
    """Return a form as browsers send it; each part has its disposition and its content."""
    lines = [
        f"--{boundary}\r\nContent-Disposition: form-data; {said}\r\n\r\n{content}\r\n"
        for said, content in parts
    ]
    return f"{''.join(lines)}--{boundary}--\r\n".encode()


def in_charset(name: str) -> bytes:
    """Return a form whose part says what its text is encoded in."""
    return multipart((f'name="a"\r\nContent-Type: text/plain; charset={name}', "b"))


def test_a_multipart_form_is_read_like_any_other() -> None:
    raw = multipart(('name="email"', "zoë@example.org"), ('name="nom"', "Horn\r\nHorn"))
    assert body.fields(TYPE, raw) == {"email": "zoë@example.org", "nom": "Horn\r\nHorn"}
    assert body.fields(f'{MULTIPART}; boundary="{BOUNDARY}"', raw)["email"] == "zoë@example.org"


def test_a_part_that_comes_twice_has_no_value() -> None:
    raw = multipart(('name="nom"', "a"), ('name="nom"', "b"))
    assert body.fields(TYPE, raw) == {"nom": REPEATED}


def test_a_file_counts_by_its_name() -> None:
    raw = multipart(('name="cv"; filename="cv.pdf"\r\nContent-Type: application/pdf', "%PDF"))
    assert body.fields(TYPE, raw) == {"cv": "cv.pdf"}


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        pytest.param(MULTIPART, multipart(('name="a"', "b")), id="no boundary"),
        pytest.param(TYPE, b"", id="nothing"),
        pytest.param(TYPE, multipart(('name="a"', "b"))[:-9], id="cut off"),
        pytest.param(TYPE, multipart(('name="a"', "b"), boundary="x"), id="another boundary"),
        pytest.param(TYPE, multipart(("", "b")), id="no name"),
        pytest.param(TYPE, multipart(('name="a"', "b")).replace(b"b", b"\xff"), id="not UTF-8"),
        pytest.param(TYPE, multipart(*[('name="a"', "b")] * 200), id="200 parts"),
        pytest.param(TYPE, in_charset("no-such-charset"), id="an unknown charset"),
        pytest.param(TYPE, in_charset("base64"), id="a charset that is none"),
    ],
)
def test_a_multipart_form_that_cannot_be_read_is_malformed(content_type: str, raw: bytes) -> None:
    with pytest.raises(BodyError, match="body_malformed"):
        body.fields(content_type, raw)


@given(st.text(max_size=80))
def test_any_part_of_a_form_is_read_or_refused(headers: str) -> None:
    for said in (headers, f'name="a"\r\nContent-Type: text/plain; charset={headers}'):
        with suppress(BodyError):
            assert isinstance(body.fields(TYPE, multipart((said, "b"))), dict)


@given(st.binary(max_size=300), st.sampled_from([JSON, FORM, TYPE, MULTIPART, ""]))
def test_any_body_is_read_or_refused(raw: bytes, content_type: str) -> None:
    with suppress(BodyError):
        assert isinstance(body.fields(content_type, raw), dict)


@given(st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=40)), max_size=4))
def test_any_parts_are_read_or_refused(parts: list[tuple[bytes, bytes]]) -> None:
    raw = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (BOUNDARY.encode(), *part)
        for part in parts
    )
    with suppress(BodyError):
        read = body.fields(TYPE, raw + f"--{BOUNDARY}--".encode())
        assert all(isinstance(name, str) for name in read)


def test_the_parser_of_multipart_forms_is_loaded_only_for_them() -> None:
    code = "import sys, chalicelib.web.body; sys.exit('multipart' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
