"""Templates: filled, escaped, and complete in every language."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import templates
from chalicelib.templates import Html

LANGUAGES = sorted(templates.languages())


def test_there_are_french_and_english() -> None:
    assert {"fr", "en"} <= templates.languages()


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("kind", ["mail", "pages"])
def test_no_language_lacks_a_file_that_french_has(kind: str, lang: str) -> None:
    def files(folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir()}

    assert files(templates.ROOT / kind / lang) == files(templates.ROOT / kind / "fr")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_language_lacks_a_text_that_french_has(lang: str) -> None:
    assert templates.texts(lang).keys() == templates.texts("fr").keys()
    assert all(isinstance(text, str) and text for text in templates.texts(lang).values())


def test_text_is_filled_in_as_it_is() -> None:
    filled = templates.fill_text("mail/fr/subject.txt", name=" <Ada> & $name")
    assert filled == "Bienvenue <Ada> & $name !\n"


def test_html_is_filled_in_escaped() -> None:
    filled = templates.fill_html("mail/fr/subject.txt", name=" <b>\"Ada' &")
    assert filled == "Bienvenue &lt;b&gt;&quot;Ada&#x27; &amp; !\n"


def test_markup_of_our_own_stays_markup() -> None:
    filled = templates.fill_html("mail/fr/subject.txt", name=Html(" <b>Ada</b>"))
    assert filled == "Bienvenue <b>Ada</b> !\n"
    assert isinstance(filled, Html)


@pytest.mark.parametrize("fill", [templates.fill_text, templates.fill_html])
def test_a_value_that_is_not_given_is_a_mistake_of_ours(fill: object) -> None:
    assert callable(fill)
    with pytest.raises(templates.TemplateError, match=r"subject.txt has \$name, which stands for"):
        fill("mail/fr/subject.txt", link="x")


def test_a_file_is_read_as_it_is() -> None:
    assert templates.read("mail/en/subject.txt") == "Welcome$name!\n"


# A stage's own templates


@pytest.fixture
def brand(tmp_path: Path) -> Iterator[Path]:
    """A folder whose templates are preferred."""
    (tmp_path / "mail/fr").mkdir(parents=True)
    (tmp_path / "mail/fr/subject.txt").write_text("Salut$name !\n")
    (tmp_path / "pages/fr").mkdir(parents=True)
    (tmp_path / "pages/fr/texts.json").write_text('{"language_name": "Franc-comtois"}')
    # Read before, and so remembered: what is preferred must count all the same.
    templates.fill_text("mail/fr/subject.txt", name="")
    templates.texts("fr")
    templates.prefer(str(tmp_path))
    yield tmp_path
    templates.prefer("")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Salut $nom !", r"mail/fr/subject\.txt has \$nom, which stands for nothing"),
        ("5 $ de moins", r"mail/fr/subject\.txt has a \$ that stands for nothing: .*"),
    ],
)
def test_a_template_that_cannot_be_filled_is_named_with_its_mistake(
    brand: Path, content: str, words: str
) -> None:
    (brand / "mail/fr/subject.txt").write_text(content)
    templates.prefer(str(brand))
    with pytest.raises(templates.TemplateError, match=words):
        templates.fill_text("mail/fr/subject.txt", name="")


def test_texts_that_are_no_json_are_named_with_their_mistake(brand: Path) -> None:
    (brand / "pages/fr/texts.json").write_text('{"sign_up_title": }')
    templates.prefer(str(brand))
    with pytest.raises(templates.TemplateError, match=r"pages/fr/texts\.json is not JSON: .* 19"):
        templates.texts("fr")


@pytest.mark.usefixtures("brand")
def test_a_stages_own_file_is_preferred_and_the_rest_stays() -> None:
    assert templates.fill_text("mail/fr/subject.txt", name=" Ada") == "Salut Ada !\n"
    assert templates.fill_text("mail/en/subject.txt", name=" Ada") == "Welcome Ada!\n"


@pytest.mark.usefixtures("brand")
def test_a_stages_own_texts_are_preferred_one_by_one() -> None:
    own = json.loads((templates.ROOT / "pages/fr/texts.json").read_text())
    assert templates.texts("fr") == {**own, "language_name": "Franc-comtois"}


def test_a_stage_may_prefer_nothing_again(brand: Path) -> None:
    assert templates.read("mail/fr/subject.txt") == (brand / "mail/fr/subject.txt").read_text()
    templates.prefer("")
    assert templates.read("mail/fr/subject.txt") == "Bienvenue$name !\n"


def test_a_stage_may_have_no_texts_of_its_own(brand: Path) -> None:
    (brand / "pages/fr/texts.json").unlink()
    templates.prefer(str(brand))
    own = json.loads((templates.ROOT / "pages/fr/texts.json").read_text())
    assert templates.texts("fr") == own


@pytest.mark.parametrize("folder", ["", "chalicelib/templates"])
def test_a_folder_of_templates_can_be_preferred(folder: str) -> None:
    assert templates.unusable(folder) == ""


@pytest.mark.parametrize(
    "folder",
    ["chalicelib/nowhere", "tests", "/", "chalicelib/../tests", "chalicelib/settings.py"],
)
def test_what_is_no_folder_in_the_package_cannot_be_preferred(folder: str) -> None:
    assert templates.unusable(folder).startswith("must be a folder in chalicelib/")


def test_a_file_that_overrides_nothing_is_told() -> None:
    told = templates.unusable("chalicelib/templates/mail/fr")
    assert told == "has body.html, body.txt, subject.txt, but there is no such template"
