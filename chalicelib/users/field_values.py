"""Values of a stage's own fields: made canonical, or refused.

Only stages with own fields load this module.
"""

from collections.abc import Mapping

from chalicelib.own_fields import CHOICE, CONSENT, MAX_SOURCE, OwnField
from chalicelib.users import person_name
from chalicelib.users.people import Consent

YES = ("true", "on", "yes", "1")
NO = ("false", "off", "no", "0")
_WORDS: Mapping[object, bool] = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}


class ValueRefused(ValueError):
    """A value is refused. ``code`` names the problem, and ``limit`` is the length in its text."""

    def __init__(self, code: str, limit: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.limit = limit


def clean(field: OwnField, value: object, lang: str) -> str | bool | Consent:
    """Return the value to store for a value that was sent; empty or False if it says nothing.

    ``lang`` is the language of a consent's text, if the value does not name the text. Raise
    ValueRefused.
    """
    if field.type == CONSENT:
        return _consent(field, value, lang)
    if field.is_box:
        return _is_ticked(value)
    if not isinstance(value, str):
        raise ValueRefused("field_not_text")
    if field.type == CHOICE:
        if value and value not in field.choices:
            raise ValueRefused("choice_unknown")
        return value
    return _text(value, field.max_length, takes_links=field.takes_links)


def missing(field: OwnField) -> ValueRefused:
    """Return the problem code of a required field that is empty."""
    return ValueRefused("box_missing" if field.is_box else "value_missing")


def source(value: object) -> str:
    """Return the value to store for a hidden source. A bad value is dropped: no visitor sees it.

    The value is cut to MAX_SOURCE characters.
    """
    try:
        text = value[:MAX_SOURCE] if isinstance(value, str) else ""
        return _text(text, MAX_SOURCE, takes_links=False)
    except ValueRefused:
        return ""


def _text(value: str, max_length: int, *, takes_links: bool) -> str:
    try:
        text = person_name.tidy(value, max_length)
    except person_name.Untidy as error:
        raise ValueRefused(f"value_{error.reason}", max_length) from error
    if text and not takes_links and person_name.has_link(text):
        raise ValueRefused("value_link")
    return text


def _is_ticked(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    raise ValueRefused("box_unclear")


def _consent(field: OwnField, value: object, lang: str) -> Consent | bool:
    """Return the text that the user agreed to: the one whose hash the value names, if any."""
    if isinstance(value, str) and len(value) == 64:
        shown = field.by_hash(value)
        if shown is None:  # the text has changed since the page was shown
            raise ValueRefused("consent_changed")
        return Consent(*reversed(shown))
    return Consent(*reversed(field.shown(lang))) if _is_ticked(value) else False
