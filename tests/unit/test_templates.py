"""Templates: filled and escaped, with words that are complete in every language."""

import json
from pathlib import Path

import pytest

from chalicelib import language_tag, templates
from chalicelib.templates import Html, TemplateError, Templates

OURS = Templates()
LANGUAGES = list(OURS.language_names)


def test_there_are_french_and_english() -> None:
    assert {"fr", "en"} <= OURS.languages


def test_each_language_in_the_menu_has_words_and_no_other() -> None:
    files = {path.stem for path in (templates.ROOT / "words").iterdir()}
    assert files == OURS.languages
    for lang, name in OURS.language_names.items():
        assert OURS.words(lang)["language_name"] == name


# Filling


def test_text_is_filled_in_as_it_is() -> None:
    filled = OURS.word("mail_greeting", "fr", name="<Ada> & $name")
    assert filled == "Bienvenue <Ada> & $name !"


def test_html_is_filled_in_escaped() -> None:
    filled = OURS.word_html("mail_greeting", "fr", name="<b>\"Ada' &")
    assert filled == "Bienvenue &lt;b&gt;&quot;Ada&#x27; &amp;\xa0!"


def test_markup_of_our_own_stays_markup() -> None:
    filled = OURS.word_html("mail_greeting", "fr", name=Html("<b>Ada</b>"))
    assert filled == "Bienvenue <b>Ada</b>\xa0!"
    assert isinstance(filled, Html)


def test_words_do_not_break_at_a_hyphen_but_values_do() -> None:
    filled = OURS.html("pages/refuse.html", "fr", **_PAGE, email="jean-luc@example.org")
    assert "plus d\u2019e\u2011mail à" in filled
    assert "jean-luc@example.org" in filled


def test_a_word_is_filled_with_the_values_of_its_template() -> None:
    filled = OURS.html("pages/refuse.html", "en", **_PAGE, email="a@example.org")
    assert "Someone signed up for A&amp;B with this address." in filled


@pytest.mark.parametrize("fill", [OURS.text, OURS.html])
def test_a_value_that_is_not_given_is_named(fill: object) -> None:
    assert callable(fill)
    with pytest.raises(
        TemplateError, match=r"mail/support.txt has \$support_address, which stands"
    ):
        fill("mail/support.txt", "fr")


def test_a_file_is_read_as_it_is() -> None:
    assert OURS.read("mail/refuse.txt") == "\n$not_me\n$refuse_link\n"


_PAGE = {"product": "A&B", "refuse_action": "", "key": "", "token": ""}


# A stage's own folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stage's empty folder of templates."""
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    folder = tmp_path / "chalicelib/acme"
    folder.mkdir(parents=True)
    return folder


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def test_a_stages_own_file_replaces_ours_and_the_rest_stays(folder: Path) -> None:
    write(folder / "mail/refuse.txt", "No: $refuse_link")
    stage = Templates("chalicelib/acme")
    assert stage.text("mail/refuse.txt", "fr", refuse_link="x") == "No: x"
    assert stage.read("mail/link.txt") == OURS.read("mail/link.txt")


def test_a_file_may_be_replaced_in_one_language_alone(folder: Path) -> None:
    write(folder / "mail/fr/refuse.txt", "Non : $refuse_link")
    stage = Templates("chalicelib/acme")
    assert stage.text("mail/refuse.txt", "fr", refuse_link="x") == "Non : x"
    assert stage.text("mail/refuse.txt", "en", refuse_link="x").startswith(
        "\nThis wasn\u2019t me\n"
    )


def test_a_stages_own_words_replace_ours_one_by_one(folder: Path) -> None:
    write(folder / "words/fr.json", {"not_me": "Pas moi"})
    assert Templates("chalicelib/acme").words("fr") == {**OURS.words("fr"), "not_me": "Pas moi"}


def test_a_stage_chooses_its_languages(folder: Path) -> None:
    write(folder / "languages.json", {"fr": "Français", "eo": "Esperanto"})
    write(folder / "words/eo.json", {"sign_up_title": "Registriĝo"})
    stage = Templates("chalicelib/acme")
    assert templates.find_problem("chalicelib/acme") == ""
    assert list(stage.language_names) == ["fr", "eo"]
    assert stage.word("sign_up_title", "eo") == "Registriĝo"


POLISH = {
    "problem_name_too_long_detail.one": "Najwyżej $n znak.",
    "problem_name_too_long_detail.few": "Najwyżej $n znaki.",
    "problem_name_too_long_detail.many": "Najwyżej $n znaków.",
    "problem_name_too_long_detail.other": "Najwyżej $n znaku.",
}


@pytest.mark.parametrize(
    ("number", "said"), [("1", "znak"), ("2", "znaki"), ("5", "znaków"), ("22", "znaki")]
)
def test_a_word_may_have_a_variant_for_each_plural(folder: Path, number: str, said: str) -> None:
    write(folder / "words/pl.json", POLISH)
    stage = Templates("chalicelib/acme")
    name = "problem_name_too_long_detail"
    assert stage.word(name, "pl", n=number) == f"Najwyżej {number} {said}."
    assert stage.word_html(name, "pl", n=number) == f"Najwyżej {number} {said}."


def test_a_missing_plural_is_the_one_for_other(folder: Path) -> None:
    write(folder / "words/en.json", {"seats.one": "$n seat", "seats.other": "$n seats"})
    stage = Templates("chalicelib/acme")
    assert [stage.word("seats", "en", n=n) for n in ("1", "3")] == ["1 seat", "3 seats"]


def test_german_may_be_formal_or_not(folder: Path) -> None:
    languages = {"de": "Deutsch", "de-x-formal": "Deutsch (Sie)"}
    write(folder / "languages.json", languages)
    write(folder / "words/de.json", {"sent_title": "Sieh in deinem Postfach nach"})
    write(folder / "words/de-x-formal.json", {"sent_title": "Sehen Sie in Ihrem Postfach nach"})
    stage = Templates("chalicelib/acme")
    assert stage.word("sent_title", "de") == "Sieh in deinem Postfach nach"
    assert stage.word("sent_title", "de-x-formal") == "Sehen Sie in Ihrem Postfach nach"
    assert stage.word("not_me", "de-x-formal") == OURS.word("not_me", "de")
    assert language_tag.match("de-x-formal", stage.languages) == "de-x-formal"
    assert language_tag.match("de-AT", stage.languages) == "de"


def test_a_language_that_lacks_a_word_borrows_the_english_one(folder: Path) -> None:
    write(folder / "languages.json", {"eo": "Esperanto"})
    write(folder / "words/eo.json", {"not_me": "Ne mi"})
    stage = Templates("chalicelib/acme")
    assert stage.word("sign_up_title", "eo") == "Sign up"
    with pytest.raises(KeyError):
        stage.words("eo")["no_such_word"]


def test_a_variant_takes_what_it_lacks_from_its_language(folder: Path) -> None:
    write(folder / "languages.json", {"fr": "Français", "fr-x-formal": "Français (vous)"})
    write(folder / "words/fr.json", {"not_me": "Pas moi", "sent_title": "Ton courrier"})
    write(folder / "words/fr-x-formal.json", {"sent_title": "Votre courrier"})
    stage = Templates("chalicelib/acme")
    assert templates.find_problem("chalicelib/acme") == ""
    formal = {**OURS.words("fr"), "not_me": "Pas moi", "sent_title": "Votre courrier"}
    assert stage.words("fr-x-formal") == formal


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("Salut $nom !", r"mail_greeting has \$nom, which stands for nothing"),
        ("5 $ de moins", r"mail_greeting has a \$ that stands for nothing: .*"),
        ("Salut $sent_title", r"mail_greeting has \$sent_title, which stands for nothing"),
    ],
)
def test_a_word_that_cannot_be_filled_is_named(folder: Path, content: str, problem: str) -> None:
    write(folder / "words/fr.json", {"mail_greeting": content})
    with pytest.raises(TemplateError, match=problem):
        Templates("chalicelib/acme").word("mail_greeting", "fr", name="")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"sign_up_title": }', r"words/fr\.json is not JSON: .* 19"),
        ('["sign_up_title"]', r"words/fr\.json must be one JSON object of texts"),
        ('{"sign_up_title": 1}', r"words/fr\.json must be one JSON object of texts"),
    ],
)
def test_words_that_cannot_be_read_are_named(folder: Path, content: str, problem: str) -> None:
    write(folder / "words/fr.json", content)
    with pytest.raises(TemplateError, match=problem):
        Templates("chalicelib/acme").words("fr")


@pytest.mark.parametrize("folder_name", ["", "chalicelib/templates"])
def test_no_folder_and_our_own_are_fine(folder_name: str) -> None:
    assert templates.find_problem(folder_name) == ""


@pytest.mark.parametrize(
    "folder_name",
    ["chalicelib/nowhere", "tests", "/", "chalicelib/../tests", "chalicelib/settings.py"],
)
def test_only_a_folder_in_the_package_can_be_used(folder_name: str) -> None:
    problem = templates.find_problem(folder_name)
    assert problem.startswith("must be a folder in chalicelib/")


@pytest.mark.parametrize(
    "name",
    [
        "mail/fr/subject.txt",
        "mail/eo/link.txt",
        "mail/fr/fr/link.txt",
        "words/eo.json",
        "words/fr/fr.json",
        "words/fr.txt",
        "pages/fr/texts.json",
        "README",
    ],
)
def test_a_file_that_replaces_nothing_is_named(folder: Path, name: str) -> None:
    write(folder / name, "")
    problem = templates.find_problem("chalicelib/acme")
    assert problem == f"has {name}, but there is no such template"


def test_languages_that_cannot_be_read_are_a_problem(folder: Path) -> None:
    write(folder / "languages.json", "fr, en")
    problem = templates.find_problem("chalicelib/acme")
    assert problem.startswith("languages.json is not JSON")
