"""Plural categories, beside the samples that Unicode's CLDR has of each.

https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html
"""

from __future__ import annotations

import pytest

from chalicelib import plurals
from chalicelib.templates import Templates

ONE_AND_OTHER = {"one": (1,), "other": (0, 2, 16, 100, 1000, 1_000_000)}
WITH_MILLIONS = {**ONE_AND_OTHER, "other": (0, 2, 16, 100, 1000), "many": (1_000_000, 2_000_000)}
ALWAYS_OTHER = {"other": (0, 1, 2, 15, 100, 1_000_000)}
ALSO_NONE = {"one": (0, 1), "other": (2, 17, 100, 1000), "many": (1_000_000, 2_000_000)}
SAMPLES = {
    **dict.fromkeys(("de", "en", "nl", "sv", "tr"), ONE_AND_OTHER),
    **dict.fromkeys(("es", "it", "pt"), WITH_MILLIONS),
    **dict.fromkeys(("fr", "pt-BR"), ALSO_NONE),
    **dict.fromkeys(("ja", "zh-Hans"), ALWAYS_OTHER),
    "pl": {
        "one": (1,),
        "few": (2, 3, 4, 22, 24, 62, 102, 1002),
        "many": (0, 5, 11, 12, 14, 19, 21, 100, 112, 1000, 1_000_000),
    },
    "ar": {
        "zero": (0,),
        "one": (1,),
        "two": (2,),
        "few": (3, 10, 103, 110, 1003),
        "many": (11, 26, 99, 111, 1011),
        "other": (100, 102, 200, 202, 1000, 1_000_000),
    },
}


def test_every_language_has_samples() -> None:
    assert set(SAMPLES) == Templates().languages


@pytest.mark.parametrize("lang", SAMPLES)
def test_categories_are_those_of_cldr(lang: str) -> None:
    for category, numbers in SAMPLES[lang].items():
        found = {number: plurals.category(lang, number) for number in numbers}
        assert found == dict.fromkeys(numbers, category)


def test_a_variant_counts_as_its_language_does() -> None:
    assert plurals.category("pl-x-formal", 3) == "few"
    assert plurals.category("eo", 3) == "other"
