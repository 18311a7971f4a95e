"""Request bodies: JSON or a form, read into fields."""

import json
from collections import Counter
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

MAX_BYTES = 16 * 1024  # ten times what the longest honest sign-up needs
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
FORMS = (FORM, MULTIPART)
TYPES = (JSON, *FORMS)
BYTE_ORDER_MARK = "\ufeff"

REPEATED = object()
"""Stands for the value of a field that was sent twice: the sender may have meant either."""


class BodyError(ValueError):
    """The body has no fields that can be read. ``code`` says why: ``body_malformed``,
    ``body_too_large`` or ``content_type_unsupported``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def media_type(content_type: str) -> str:
    """Return the type that a Content-Type header names, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def fields(content_type: str, raw: bytes) -> dict[str, object]:
    """Return the fields of a body. Without a Content-Type it is JSON. Raise BodyError."""
    kind = media_type(content_type) or JSON
    if kind not in TYPES:
        raise BodyError("content_type_unsupported")
    if len(raw) > MAX_BYTES:
        raise BodyError("body_too_large")
    try:
        if kind == MULTIPART:
            return _multipart(content_type, raw)
        text = raw.decode().removeprefix(BYTE_ORDER_MARK)
        # RecursionError: a few thousand brackets are enough for Python's parser. LookupError: a
        # part of a form may name a charset that there is not.
        return _form(text) if kind == FORM else _json(text)
    except (ValueError, LookupError, RecursionError) as error:
        raise BodyError("body_malformed") from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    """Return ``pairs`` as a mapping. The value of a name that comes twice is REPEATED."""
    values: dict[str, object] = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        values.update((name, REPEATED) for name, count in counts.items() if count > 1)
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=once)


def _form(text: str) -> dict[str, object]:
    """Return a form's fields, read as browsers do (URL Standard, "urlencoded parsing").

    Nothing is between two ``&``, and a name needs no ``=``. One difference: bytes that are not
    UTF-8 are refused. The standard replaces them, and a name would be stored damaged.
    """
    return once(parse_qsl(text, keep_blank_values=True, errors="strict"))


def _multipart(content_type: str, raw: bytes) -> dict[str, object]:
    """Return the fields of a multipart form (RFC 7578). A file's part has its name as its value."""
    import multipart  # few forms are multipart, and a cold start need not pay for it

    _, options = multipart.parse_options_header(content_type)
    parser = multipart.MultipartParser(
        BytesIO(raw), options.get("boundary", ""), strict=True, memory_limit=MAX_BYTES
    )
    try:
        parts = parser.parts()
        return once([(part.name, part.filename or part.value) for part in parts])
    except multipart.MultipartError as error:
        raise BodyError("body_malformed") from error


def _json(text: str) -> dict[str, object]:
    parsed = _DECODER.decode(text)
    if not isinstance(parsed, dict):
        raise BodyError("body_malformed")
    return parsed
