"""A sign-up's values for the stage's own fields.

Only stages with own fields load this module.
"""

from collections.abc import Callable
from typing import Any

from chalicelib.own_fields import OwnField, OwnFields
from chalicelib.users import field_values
from chalicelib.users.field_values import ValueRefused
from chalicelib.users.people import Consent
from chalicelib.web.body import REPEATED

Refuse = Callable[[str, str, int], None]
"""Takes a problem: its code, its field and its limit."""


def read(
    own: OwnFields, sent: dict[str, object], lang: str, refuse: Refuse
) -> tuple[dict[str, Any], dict[str, Consent]]:
    """Return the fields and the consents in ``sent``, which has no empty values."""
    values: dict[str, Any] = {}
    consents: dict[str, Consent] = {}
    for field in own.fields:
        try:
            value = _value(field, sent, lang)
        except ValueRefused as error:
            refuse(error.code, field.name, error.limit)
            continue
        if isinstance(value, Consent):
            consents[field.name] = value
        elif value:
            values[field.name] = value
    sources = {name: field_values.source(sent.get(name)) for name in own.sources}
    return values | {name: text for name, text in sources.items() if text}, consents


def _value(field: OwnField, sent: dict[str, object], lang: str) -> str | bool | Consent:
    value = sent.get(field.name)
    if value is REPEATED:
        raise ValueRefused("field_repeated")
    cleaned = False if value is None else field_values.clean(field, value, lang)
    if field.is_required and not cleaned:
        raise field_values.missing(field)
    return cleaned
