"""The OpenAPI description of a stage with fields or languages of its own.

Only such stages load this module.
"""

from collections.abc import Collection, Mapping
from typing import Any

from chalicelib.own_fields import CHOICE, CONSENT, MAX_SOURCE, TEXT, OwnField, OwnFields, digest
from chalicelib.users.field_values import NO, YES

Schema = dict[str, Any]

_SIGN_UPS = ("SignUp", "SignUpForm")
_EXAMPLES = ("alexis", "ada", "plato")
_NO_CONTROL = r"^[^\u0000-\u001f\u007f-\u009f]*$"


def with_languages(document: Schema, languages: Collection[str]) -> Schema:
    """Return the description with the languages of a stage, which it changes in place."""
    document["components"]["headers"]["Content-Language"]["schema"]["enum"] = sorted(languages)
    return document


def with_own_fields(document: Schema, own: OwnFields) -> Schema:
    """Return the description with the fields of a stage, which it changes in place."""
    schemas, examples = document["components"]["schemas"], document["components"]["examples"]
    required = [field.name for field in own.fields if field.is_required]
    for name in _SIGN_UPS:
        schema = schemas[name]
        in_json = name == "SignUp"
        for field in own.fields:
            schema["properties"][field.name] = _schema(field, in_json=in_json)
        for source in own.sources:
            schema["properties"][source] = _source()
        schema["required"] = [*schema["required"], *required]
    for field in own.fields:
        schemas["Typed"]["properties"][field.name] = {"description": _label(field)}
    for name in _EXAMPLES:
        examples[name]["value"] |= own.required_samples
    return document


def _schema(field: OwnField, *, in_json: bool) -> Schema:
    if field.type == TEXT:
        schema: Schema = {
            "type": "string" if field.is_required or not in_json else ["string", "null"],
            "description": f"{_label(field)}. {_RULES[field.takes_links]}",
            "minLength": int(field.is_required),
            "maxLength": field.max_length,
            "pattern": _NO_CONTROL,
            "examples": [field.sample],
        }
        return schema
    values: list[Any] = [*field.choices] if field.type == CHOICE else [*_yes(field)]
    if field.is_box and in_json:
        values.append(True)
    if not field.is_required:
        values += [*NO, ""] if field.is_box else [""]
        values += [None] if in_json else []
        values += [False] if in_json and field.is_box else []
    description = _label(field)
    if field.type == CONSENT:
        shown = "\n".join(
            f"- `{digest(text)}` ({tag}): {text}" for tag, text in _shown(field).items()
        )
        description += (
            ". Send the hash of the text that was shown, or `true` for the text in the language of "
            f"the request:\n\n{shown}"
        )
    return {"enum": values, "description": description}


_RULES = {
    False: "One line of text without links. Spaces around it are dropped.",
    True: "One line of text. Spaces around it are dropped.",
}


def _yes(field: OwnField) -> list[str]:
    hashes = [digest(text) for text in _shown(field).values()] if field.type == CONSENT else []
    return [*YES, *hashes]


def _shown(field: OwnField) -> Mapping[str, str]:
    """Return each text that the field may show, by its language."""
    return {lang: field.shown(lang)[1] for lang in field.label.by_language}


def _source() -> Schema:
    return {
        "description": f"Where the sign-up comes from: text, cut to {MAX_SOURCE} characters. What "
        "is no text, or has a link, is dropped.",
        "examples": ["newsletter"],
    }


def _label(field: OwnField) -> str:
    return field.label.best("en")[1]
