"""Values of a stage's own fields: what is stored of each, and what is refused."""

from __future__ import annotations

import time

import pytest

from chalicelib.own_fields import OwnField, Texts, digest
from chalicelib.users import field_values
from chalicelib.users.field_values import ValueRefused, clean
from chalicelib.users.people import Consent

LABEL = Texts({"en": "I agree.", "fr": "Je suis d'accord."}, ("en",))
NONE = Texts({}, ())
TEXT = OwnField("company", "text", LABEL, NONE, max_length=10)
SITE = OwnField("site", "text", LABEL, NONE, takes_links=True)
PLAN = OwnField("plan", "choice", LABEL, NONE, choices={"pro": LABEL, "free": LABEL})
BETA = OwnField("beta", "checkbox", LABEL, NONE)
NEWS = OwnField("news", "consent", LABEL, NONE)


@pytest.mark.parametrize(
    ("field", "sent", "stored"),
    [
        (TEXT, "  Acme\u200b ", "Acme"),
        (TEXT, "\u2066Acme\u2069", "Acme"),
        (TEXT, "Zoe\u0308", "Zoë"),
        (TEXT, " \u3164", ""),
        (TEXT, "07 12 34 5", "07 12 34 5"),
        (SITE, "https://acme.example", "https://acme.example"),
        (PLAN, "pro", "pro"),
        (PLAN, "", ""),
        (BETA, True, True),
        (BETA, "on", True),
        (BETA, False, False),
        (BETA, "off", False),
        (NEWS, "true", Consent("I agree.", "en")),
        (NEWS, digest("Je suis d'accord."), Consent("Je suis d'accord.", "fr")),
        (NEWS, "no", False),
    ],
)
def test_a_value_is_stored_in_its_canonical_form(
    field: OwnField, sent: object, stored: object
) -> None:
    assert clean(field, sent, "de") == stored


@pytest.mark.parametrize(
    ("field", "sent", "code"),
    [
        (TEXT, 7, "field_not_text"),
        (TEXT, ["x"], "field_not_text"),
        (TEXT, "x" * 11, "value_too_long"),
        (TEXT, "a\nb", "value_control_character"),
        (TEXT, "a\u202eb", "value_control_character"),
        (TEXT, "evil.com", "value_link"),
        (TEXT, "a@b.org", "value_link"),
        (SITE, "https://a\x00", "value_control_character"),
        (PLAN, "gold", "choice_unknown"),
        (PLAN, {}, "field_not_text"),
        (BETA, "maybe", "box_unclear"),
        (BETA, 1, "box_unclear"),
        (BETA, ["on"], "box_unclear"),
        (NEWS, "x" * 64, "consent_changed"),
        (NEWS, digest("An older text."), "consent_changed"),
        (NEWS, None, "box_unclear"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused(field: OwnField, sent: object, code: str) -> None:
    with pytest.raises(ValueRefused) as refusal:
        clean(field, sent, "en")
    assert refusal.value.code == code


def test_a_refused_length_is_named() -> None:
    with pytest.raises(ValueRefused) as refusal:
        clean(TEXT, "x" * 11, "en")
    assert refusal.value.limit == 10


def test_a_long_text_is_refused_before_any_unicode_work() -> None:
    start = time.perf_counter()
    with pytest.raises(ValueRefused):
        clean(TEXT, "\u0344" * 100_000, "en")
    assert time.perf_counter() - start < 0.05


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (" spring ", "spring"),
        ("x" * 200, "x" * 128),
        ("https://evil.example", ""),
        ("a\nb", ""),
        (7, ""),
        (None, ""),
    ],
)
def test_a_source_never_costs_a_sign_up(sent: object, stored: str) -> None:
    assert field_values.source(sent) == stored
