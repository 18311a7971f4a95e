"""A stage's own fields: what a definition says, and each mistake in a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib import own_fields
from chalicelib.own_fields import MAX_FIELDS, OwnField, digest, pieces
from chalicelib.web import forms

LANGUAGES = ("fr", "en", "pt-BR", "de", "de-x-formal")
LABEL = {"en": "Company", "fr": "Entreprise"}
TEXT = {"type": "text", "label": LABEL}


def mistakes(definition: object, sources: str = "") -> list[str]:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return own_fields.read(text, sources, LANGUAGES, "fr")[1]


def field(**entry: Any) -> OwnField:
    own, wrong = own_fields.read(json.dumps({"it": entry}), "", LANGUAGES, "fr")
    assert wrong == []
    return own.fields[0]


@pytest.mark.parametrize("name", [*forms.FIELDS, forms.TRAP, forms.SOLUTION, forms.MOMENT])
def test_what_a_form_sends_for_us_is_no_field_of_a_stage(name: str) -> None:
    assert "cannot be a name" in mistakes({name: TEXT})[0]
    assert f"SOURCE_FIELDS has {name!r}" in mistakes({}, name)[0]


def test_fields_are_in_the_order_of_the_file() -> None:
    definition = dict.fromkeys(("zoo", "company", "beta"), TEXT)
    own, wrong = own_fields.read(json.dumps(definition), "ref", LANGUAGES, "fr")
    assert wrong == []
    assert own.names == ("zoo", "company", "beta", "ref")


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ("{", "fields.json is not JSON: "),
        ("[]", "fields.json must be one JSON object, with a name for each field"),
        ('{"a": {}, "a": {}}', "fields.json is not JSON: 'a' is there twice"),
        ({f"f{n}": TEXT for n in range(MAX_FIELDS + 1)}, "may have at most 12 fields"),
        ({"email": TEXT}, "'email' cannot be a name"),
        ({"Company": TEXT}, "'Company' cannot be a name"),
        ({"a" * 33: TEXT}, "cannot be a name"),
        ({"a": {"type": "txt"}}, "'a' needs a type: text, choice, checkbox, consent"),
        ({"a": "text"}, "'a' needs a type"),
        ({"a": {**TEXT, "choices": {}}}, "'a' has 'choices', which a text does not have"),
        ({"a": {"type": "checkbox", "label": LABEL, "max": 3}}, "which a checkbox does not have"),
        ({"a": {"type": "text"}}, "'a' needs a label: a text, or an object"),
        ({"a": {**TEXT, "label": {"tlh": "x"}}}, "a label in 'tlh', which is no language of"),
        ({"a": {**TEXT, "label": {"de": "Firma"}}}, "'a' needs a label in en or fr"),
        ({"a": {**TEXT, "label": {"en": " "}}}, "that is not one line of text"),
        ({"a": {**TEXT, "label": {"en": "a\nb"}}}, "that is not one line of text"),
        ({"a": {**TEXT, "label": "x" * 301}}, "of more than 300 characters"),
        ({"a": {**TEXT, "hint": 1}}, "'a' needs a hint"),
        ({"a": {**TEXT, "label": "[x](javascript:alert)"}}, "does not start with https://"),
        ({"a": {**TEXT, "max": 501}}, "'max', which must be a whole number from 1 to 500"),
        ({"a": {**TEXT, "max": True}}, "must be a whole number"),
        ({"a": {**TEXT, "required": "yes"}}, "'required', which must be true or false"),
        ({"a": {**TEXT, "autocomplete": "firm"}}, "an autocomplete that browsers do not know"),
        ({"a": {**TEXT, "autocomplete": ["off"]}}, "an autocomplete that browsers do not know"),
        ({"a": {"type": ["text"]}}, "'a' needs a type"),
        ({"a": {"type": "choice", "label": LABEL}}, "needs choices: an object of 2 to 50"),
        ({"a": {"type": "choice", "label": LABEL, "choices": {"b": "B"}}}, "needs choices"),
        (
            {"a": {"type": "choice", "label": LABEL, "choices": {"b": "B", "c d": "C"}}},
            "has the choice 'c d'",
        ),
        (
            {"a": {"type": "choice", "label": LABEL, "choices": {"b": "B", "c": {"de": "C"}}}},
            "needs a choice c in en or fr",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named_in_a_sentence(definition: object, told: str) -> None:
    (mistake,) = mistakes(definition)
    assert told in mistake


def test_all_mistakes_are_named() -> None:
    assert len(mistakes({"a": {}, "b": {}}, "EMAIL")) == 3


@pytest.mark.parametrize("sources", ["Ref", "email", "utm_", "a-b", "it", "ref*"])
def test_a_source_that_cannot_be_one_is_named(sources: str) -> None:
    wrong = mistakes({"it": TEXT}, sources)
    assert (wrong == []) is (sources == "utm_")


def test_utm_stands_for_the_names_that_analytics_know() -> None:
    own, wrong = own_fields.read("", "utm_* ref ref", LANGUAGES, "fr")
    assert wrong == []
    assert {"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"} < {*own.sources}
    assert own.sources[-1] == "ref"
    assert len(own.sources) == len({*own.sources})


@pytest.mark.parametrize(
    ("lang", "tag", "text"),
    [
        ("en", "en", "Company"),
        ("fr", "fr", "Entreprise"),
        ("de", "de", "Firma"),
        ("de-x-formal", "de", "Firma"),
        ("pt-BR", "en", "Company"),
    ],
)
def test_a_label_falls_back_as_words_do(lang: str, tag: str, text: str) -> None:
    assert field(**{**TEXT, "label": {**LABEL, "de": "Firma"}}).label.best(lang) == (tag, text)


def test_a_label_without_english_is_in_the_stages_language() -> None:
    assert field(**{**TEXT, "label": "Société"}).label.best("de") == ("fr", "Société")


def test_what_was_shown_is_known_by_its_hash_in_every_language() -> None:
    consent = field(
        type="consent",
        label={"en": "I agree.", "fr": "Je suis d'accord."},
        hint={"en": "At any time.", "de": "Jederzeit."},
    )
    for lang, shown in {
        "en": ("en", "I agree.\nAt any time."),
        "fr": ("fr", "Je suis d'accord.\nAt any time."),
        "de": ("en", "I agree.\nJederzeit."),
    }.items():
        assert consent.shown(lang) == shown
        assert consent.by_hash(digest(shown[1])) == shown
    assert consent.by_hash("0" * 64) is None


def test_a_label_may_have_links() -> None:
    text = "I agree to the [terms](https://a.example/t) and [rules](https://a.example/r)."
    assert [*pieces(text)] == [
        ("I agree to the ", ""),
        ("terms", "https://a.example/t"),
        (" and ", ""),
        ("rules", "https://a.example/r"),
        (".", ""),
    ]
