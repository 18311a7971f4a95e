"""The templates of a stage: layouts, and the texts of each language to fill them.

A folder of templates holds ``languages.json`` (tags and names, in the order of the menu),
``words/<tag>.json``, ``mail/`` and ``pages/``. A stage's own folder may replace any file, for all
languages (``mail/link.html``) or for one (``mail/fr/link.html``). Its words replace single words.
Its ``fields.json`` defines the stage's own fields.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from string import Template

ROOT = Path(__file__).parent / "templates"
PACKAGE = Path(__file__).parent.parent
LANGUAGES = "languages.json"
FIELDS = "fields.json"
"""The definition of a stage's own fields, which chalicelib/own_fields.py reads."""
LAST_RESORT = "en"
"""The language whose words replace the missing ones of a stage's own language."""

_KINDS = ("mail", "pages")


class TemplateError(Exception):
    """A template or a word cannot be filled. The message names it."""


class Html(str):
    """Markup that is already safe. Any other text is escaped before it enters a page."""

    __slots__ = ()

    @classmethod
    def escaped(cls, text: str) -> "Html":
        """Return ``text`` as markup; unchanged if it is markup already."""
        return text if isinstance(text, Html) else cls(escape(text))


class Templates:
    """The templates of a stage. ``folder`` is the stage's own, a path beside app.py, or empty.

    A file is read when it is first needed, then kept.
    """

    def __init__(self, folder: str = "") -> None:
        self._folders = [PACKAGE / folder, ROOT] if folder else [ROOT]
        self._files: dict[tuple[str, str], tuple[str, Template]] = {}
        self._words: dict[str, Mapping[str, str]] = {}

    @cached_property
    def language_names(self) -> Mapping[str, str]:
        """Each language's own name by its tag, in the order of the menu. Raises TemplateError."""
        return _from_json(self.read(LANGUAGES), LANGUAGES)

    @cached_property
    def languages(self) -> frozenset[str]:
        """The tags of the languages. Raises TemplateError."""
        return frozenset(self.language_names)

    def words(self, lang: str) -> Mapping[str, str]:
        """Return the words of ``lang`` by their names. Raises TemplateError.

        A variant such as ``pt-BR`` or ``de-x-formal`` takes missing words from its language.
        """
        if lang not in self._words:
            self._words[lang] = self._read_words(lang)
        return self._words[lang]

    def text(self, name: str, lang: str, /, **values: str) -> str:
        """Fill the text template ``name`` with ``values`` and with words. Raises TemplateError."""
        return self._fill(name, lang, {"lang": lang, **values}, str)

    def html(self, name: str, lang: str, /, **values: str) -> Html:
        """Fill the HTML template ``name`` with ``values`` and with words. Raises TemplateError.

        Words and values are escaped, unless they are Html already.
        """
        markup = {key: Html.escaped(value) for key, value in values.items()}
        return Html(self._fill(name, lang, {"lang": lang, **markup}, _word_markup))

    def word(self, name: str, lang: str, /, **values: str) -> str:
        """Return one word, filled with ``values``. Raises TemplateError."""
        return _Scope(self.words(lang), {"lang": lang, **values}, str)[name]

    def word_html(self, name: str, lang: str, /, **values: str) -> Html:
        """Return one word as markup, filled with ``values``. Raises TemplateError."""
        markup = {key: Html.escaped(value) for key, value in values.items()}
        return Html(_Scope(self.words(lang), {"lang": lang, **markup}, _word_markup)[name])

    def read(self, name: str) -> str:
        """Return the file ``name`` as it is: the stage's own if there is one, else ours."""
        path = next(path for folder in self._folders if (path := folder / name).is_file())
        return path.read_text(encoding="utf-8")

    def _fill(
        self, name: str, lang: str, values: Mapping[str, str], render: Callable[[str], str]
    ) -> str:
        if (name, lang) not in self._files:
            room, _, rest = name.partition("/")
            in_one_language = f"{room}/{lang}/{rest}"
            own = any((folder / in_one_language).is_file() for folder in self._folders[:-1])
            file = in_one_language if own else name
            self._files[name, lang] = file, Template(self.read(file))
        file, template = self._files[name, lang]
        return _substitute(template, _Scope(self.words(lang), values, render), file)

    def _read_words(self, lang: str) -> Mapping[str, str]:
        words: dict[str, str] = {}
        for tag in from_general(lang):
            name = f"words/{tag}.json"
            for folder in reversed(self._folders):
                if (path := folder / name).is_file():
                    words.update(_from_json(path.read_text(encoding="utf-8"), name))
        return _Words(words, lambda: self.words(LAST_RESORT) if lang != LAST_RESORT else {})


def from_general(lang: str) -> Iterator[str]:
    """Yield the tags from the most general to ``lang`` (RFC 4647, 3.4): pt, pt-BR."""
    parts = lang.split("-")
    for count in range(1, len(parts) + 1):
        if len(parts[count - 1]) > 1:  # no tag ends in a singleton such as the x in de-x-formal
            yield "-".join(parts[:count])


def own_file(folder: str, name: str) -> str:
    """Return the text of a file in the stage's own ``folder``; empty if there is none."""
    path = PACKAGE / folder / name
    return path.read_text(encoding="utf-8") if folder and path.is_file() else ""


def find_problem(folder: str) -> str:
    """Return why a stage cannot use ``folder``; nothing if it can, or if it is empty."""
    if not folder:
        return ""
    path = (PACKAGE / folder).resolve()
    if not path.is_relative_to((PACKAGE / "chalicelib").resolve()) or not path.is_dir():
        return "must be a folder in chalicelib/, such as chalicelib/brands/acme"
    try:
        languages = Templates(folder).languages
    except TemplateError as error:
        return str(error)
    strays = [name for name in _files(path) if not _is_used(name, languages)]
    return f"has {', '.join(strays)}, but there is no such template" if strays else ""


class _Words(dict[str, str]):
    """The words of a language. A missing word comes from another language, loaded only then."""

    def __init__(self, words: Mapping[str, str], others: Callable[[], Mapping[str, str]]) -> None:
        super().__init__(words)
        self._others = others

    def __missing__(self, name: str) -> str:
        return self._others()[name]


class _Scope(dict[str, str]):
    """The values of one template. Any other name is a word, rendered and filled in turn."""

    def __init__(
        self, words: Mapping[str, str], values: Mapping[str, str], render: Callable[[str], str]
    ) -> None:
        super().__init__(values)
        self._words = words
        self._values = values
        self._render = render

    def __missing__(self, name: str) -> str:
        is_counted = f"{name}.other" in self._words
        word = self._render(self._words[self._counted(name) if is_counted else name])
        return _substitute(Template(word), self._values, name) if "$" in word else word

    def _counted(self, name: str) -> str:
        """Return the variant of a word for the number in it, such as ``hours_left.few``."""
        from chalicelib import plurals  # only words with variants need the rules

        placeholders = Template.pattern.finditer(self._words[f"{name}.other"])
        values = (
            self._values.get(placeholder["named"] or placeholder["braced"] or "", "")
            for placeholder in placeholders
        )
        number = next((int(value) for value in values if value.isdecimal()), 0)
        category = plurals.category(self._values.get("lang", ""), number)
        variant = f"{name}.{category}"
        return variant if variant in self._words else f"{name}.other"


def _substitute(template: Template, values: Mapping[str, str], name: str) -> str:
    try:
        return template.substitute(values)
    except KeyError as error:
        raise TemplateError(f"{name} has ${error.args[0]}, which stands for nothing") from error
    except ValueError as error:
        raise TemplateError(f"{name} has a $ that stands for nothing: {error}") from error


def _from_json(text: str, name: str) -> dict[str, str]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise TemplateError(f"{name} is not JSON: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise TemplateError(f"{name} must be one JSON object of texts")
    return content


def _files(folder: Path) -> Iterator[str]:
    return (p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_file())


def _is_used(name: str, languages: frozenset[str]) -> bool:
    """Return True if a file of this name in a stage's folder replaces or adds something."""
    room, *middle, file = name.split("/") if "/" in name else ("", name)
    if room == "words" and not middle:
        generals = {tag for lang in languages for tag in from_general(lang)}
        return file.endswith(".json") and file.removesuffix(".json") in generals
    if room in _KINDS and (not middle or (len(middle) == 1 and middle[0] in languages)):
        return (ROOT / room / file).is_file()
    return name in (LANGUAGES, FIELDS)


def _word_markup(word: str) -> Html:
    """Return ``word`` as markup in which no line breaks at a hyphen or before a French mark."""
    word = escape(word).replace("-", "\u2011")
    for mark in "!?:;":  # not in "://", which no blank follows
        word = f"{word} ".replace(f" {mark} ", f"\u00a0{mark} ")[:-1]
    return Html(word)
