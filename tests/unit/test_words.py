"""The words of each language: complete, same placeholders, fitting length."""

import json
import re
import unicodedata

import pytest

from chalicelib import templates
from chalicelib.templates import Templates

OURS = Templates()
ENGLISH = OURS.words("en")
LANGUAGES = list(OURS.language_names)
NO_BREAK = "\u00a0\u202f"

MAX_LENGTHS = {
    r".*_button|not_me|refused_link|problem_link|sent_open": 32,
    r".*_title": 60,
    r"mail_subject": 60,
    r"mail_preheader.*": 110,
    r".*_label|.*_typo_link|(privacy|terms)_link|language_name": 50,
}
"""At most so many characters, with an empty value for each placeholder."""


def read(lang: str) -> dict[str, str]:
    """Return what the file of ``lang`` itself says."""
    path = templates.ROOT / "words" / f"{lang}.json"
    words: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return words


def placeholders(word: str) -> set[str]:
    return set(re.findall(r"\$(\w+)", word))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_language_lacks_a_word_or_has_one_too_many(lang: str) -> None:
    assert list(read(lang)) == list(ENGLISH)
    assert [name for name, word in read(lang).items() if not word.strip()] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_word_has_the_placeholders_of_the_english_one(lang: str) -> None:
    differing = {
        name: word
        for name, word in read(lang).items()
        if name != "mail_subject" and placeholders(word) != placeholders(ENGLISH[name])
    }
    assert differing == {}
    # A subject says whose service it is, or greets.
    assert placeholders(OURS.words(lang)["mail_subject"]) in ({"product"}, {"greeting"})


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_word_is_longer_than_its_place(lang: str) -> None:
    for pattern, most in MAX_LENGTHS.items():
        lengths = {
            name: len(re.sub(r"\$\w+", "", word))
            for name, word in read(lang).items()
            if re.fullmatch(pattern, name)
        }
        assert lengths
        assert {name: size for name, size in lengths.items() if size > most} == {}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_words_are_typeset(lang: str) -> None:
    """No straight quotation marks, no blank too many, no character that cannot be seen."""
    for name, word in read(lang).items():
        assert not set("\"'") & set(word), name
        assert word == word.strip(), name
        assert "  " not in word, name
        hidden = [c for c in word if unicodedata.category(c)[0] == "C"]
        assert hidden == [], name
        if lang not in ("ja", "zh-Hans"):  # these may break anywhere
            assert not re.search(r"(?<!-)\b\d+ [^\W\d]", word), name


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_direction_is_that_of_the_script(lang: str) -> None:
    scripts = {unicodedata.bidirectional(c) for c in OURS.words(lang)["sign_up_title"]}
    assert OURS.words(lang)["direction"] == ("rtl" if scripts & {"R", "AL"} else "ltr")


def test_french_words_have_no_break_spaces_before_marks() -> None:
    by_the_article = ("mail_greeting", "mail_greeting_no_name", "mail_link")
    for name, word in read("fr").items():
        if name not in by_the_article:
            plain = word.replace("://", "")
            assert not re.search(rf"[^{NO_BREAK}][!?;:]", plain), name


# What the mail promised those who ignore it. With REMIND_AFTER a reminder follows.
NOTHING_HAPPENS = re.compile(
    "nothing will|passiert nichts|no pasará nada|passera rien|non succederà|gebeurt niets"
    "|nic się nie|nada vai acontecer|não vai acontecer|ingenting händer|hiçbir şey olmaz"
    "|لن يحدث شيء|任何影响"
)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_mail_promises_no_silence(lang: str) -> None:
    mails = {name: word for name, word in read(lang).items() if name.startswith("mail_")}
    assert not [name for name, word in mails.items() if NOTHING_HAPPENS.search(word)]


def test_the_articles_words_are_the_articles() -> None:
    french = OURS.words("fr")
    assert french["mail_greeting"] == "Bienvenue $name !"
    assert french["mail_link"] == "Merci de valider votre e-mail:"
    assert french["mail_subject"] == "$greeting"
