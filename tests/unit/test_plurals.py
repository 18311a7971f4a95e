"""Plural categories, beside those of babel, which has CLDR's own rules."""

from __future__ import annotations

import pytest
from babel import Locale

from chalicelib import plurals
from chalicelib.templates import Templates

NUMBERS = [*range(205), 1000, 1001, 1_000_000, 1_000_001, 2_000_000]
BABELS = {"pt": "pt_PT", "pt-BR": "pt", "zh-Hans": "zh_Hans"}


@pytest.mark.parametrize("lang", sorted(Templates().languages))
def test_categories_are_those_of_cldr(lang: str) -> None:
    rule = Locale.parse(BABELS.get(lang, lang)).plural_form
    ours = {number: plurals.category(lang, number) for number in NUMBERS}
    assert ours == {number: rule(number) for number in NUMBERS}


def test_a_variant_counts_as_its_language_does() -> None:
    assert plurals.category("pl-x-formal", 3) == "few"
    assert plurals.category("eo", 3) == "other"
