"""Request bodies: JSON or a form, made into fields. What the fields mean is not known here."""

import json
from typing import Any
from urllib.parse import parse_qsl

MAX_BYTES = 16 * 1024  # ten times what the longest honest sign-up needs
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TYPES = (JSON, FORM)

REPEATED = object()
"""Stands for the value of a field that was sent twice: which of them counts, nobody can tell."""


class BodyError(ValueError):
    """No fields can be read. ``code`` says why: ``body_malformed``, ``body_too_large`` or
    ``content_type_unsupported``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def media_type(content_type: str) -> str:
    """The type that a Content-Type header names, in lower case and without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def fields(content_type: str, raw: bytes) -> dict[str, object]:
    """The fields of a body; no Content-Type means JSON. Raises BodyError."""
    kind = media_type(content_type) or JSON
    if kind not in TYPES:
        raise BodyError("content_type_unsupported")
    if len(raw) > MAX_BYTES:
        raise BodyError("body_too_large")
    try:
        text = raw.decode("utf-8-sig")
        # RecursionError: some thousand brackets are enough for Python's parser.
        return _form(text) if kind == FORM else _json(text)
    except (ValueError, RecursionError) as error:
        raise BodyError("body_malformed") from error


def once(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    """``pairs`` as a mapping in which a name that comes twice is REPEATED."""
    found: dict[str, object] = {}
    for name, value in pairs:
        found[name] = REPEATED if name in found else value
    return found


def _form(text: str) -> dict[str, object]:
    if not text:
        return {}
    return once(parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict"))


def _json(text: str) -> dict[str, object]:
    parsed = json.loads(text, object_pairs_hook=once)
    if not isinstance(parsed, dict):
        raise BodyError("body_malformed")
    return parsed
