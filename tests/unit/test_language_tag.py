"""Language tags: which language each one asks for."""

import time

import pytest

from chalicelib import language_tag

LANGUAGES = frozenset(("fr", "en", "pt-BR", "zh-Hant", "zh-Hans", "de", "de-x-formal"))


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("en", "en"),
        ("EN", "en"),
        (" en ", "en"),
        ("en-NZ", "en"),
        ("en_ZA", "en"),
        ("en_ZA.UTF-8", "en"),
        ("fr_BE@euro", "fr"),
        ("en-Latn-GB-oxendict", "en"),
        ("pt_BR", "pt-BR"),
        ("pt-br.ISO8859-1", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("pt", "pt-BR"),
        ("zh-Hant-HK", "zh-Hant"),
        ("ZH_HANT_MO", "zh-Hant"),
        ("zh-SG", "zh-Hans"),
        ("de-AT", "de"),
        ("de-x-formal", "de-x-formal"),
        ("tlh", ""),
        ("e", ""),
        ("english", ""),
        ("C.UTF-8", ""),
        ("POSIX", ""),
        ("", ""),
        (" ", ""),
        ("-", ""),
        ("_", ""),
        ("*", ""),
    ],
)
def test_a_tag_asks_for_a_language(tag: str, language: str) -> None:
    assert language_tag.match(tag, LANGUAGES) == language


def test_a_tag_of_400_kilobytes_asks_for_none() -> None:
    started = time.process_time()
    assert language_tag.match("en-" * 130_000, LANGUAGES) == ""
    assert time.process_time() - started < 0.01
