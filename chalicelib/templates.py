"""The words of mails and pages: files under templates/, a folder a language, filled with values. A
stage may have some of the files otherwise."""

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from string import Template

ROOT = Path(__file__).parent / "templates"
PACKAGE = Path(__file__).parent.parent

_preferred: list[Path] = []


class TemplateError(Exception):
    """A stage's own template cannot be filled; the message names it."""


class Html(str):
    """Markup that is safe as it stands; any other text is escaped on its way into a page."""

    __slots__ = ()


@cache
def languages() -> frozenset[str]:
    """The languages that there is a folder for."""
    return frozenset(folder.name for folder in (ROOT / "mail").iterdir() if folder.is_dir())


def prefer(folder: str) -> None:
    """From now on take each file from ``folder``, where that has one of the same name.

    Of texts.json, the texts that it has. ``folder`` is a path beside app.py; empty, there is none.
    """
    _preferred[:] = [PACKAGE / folder] if folder else []
    for cached in (read, texts, _template):
        cached.cache_clear()


def unusable(folder: str) -> str:
    """Why ``folder`` cannot be preferred; nothing if it can, or is empty."""
    if not folder:
        return ""
    path = (PACKAGE / folder).resolve()
    if not path.is_relative_to((PACKAGE / "chalicelib").resolve()) or not path.is_dir():
        return "must be a folder in chalicelib/, such as chalicelib/brands/acme"
    files = sorted(file.relative_to(path) for file in path.rglob("*") if file.is_file())
    strays = [file.as_posix() for file in files if not (ROOT / file).is_file()]
    return f"has {', '.join(strays)}, but there is no such template" if strays else ""


def fill_text(name: str, /, **values: str) -> str:
    """The text template ``name`` with its ``$values``. Raises TemplateError."""
    try:
        return _template(name).substitute(values)
    except KeyError as error:
        raise TemplateError(f"{name} has ${error.args[0]}, which stands for nothing") from error
    except ValueError as error:
        raise TemplateError(f"{name} has a $ that stands for nothing: {error}") from error


def fill_html(name: str, /, **values: str) -> Html:
    """The HTML template ``name`` with its ``$values``, escaped unless they are Html already.
    Raises TemplateError."""
    return Html(fill_text(name, **{key: _markup(value) for key, value in values.items()}))


@cache
def texts(lang: str) -> Mapping[str, str]:
    """Short texts that pages and JSON answers share, by their name. Raises TemplateError."""
    name = f"pages/{lang}/texts.json"
    loaded: dict[str, str] = {}
    for folder in (ROOT, *_preferred):
        if (folder / name).is_file():
            try:
                loaded.update(json.loads((folder / name).read_text(encoding="utf-8")))
            except ValueError as error:
                raise TemplateError(f"{name} is not JSON: {error}") from error
    return loaded


@cache
def read(name: str) -> str:
    """The file ``name`` under templates/, or the one that is preferred to it, as it is."""
    found = [folder / name for folder in _preferred if (folder / name).is_file()]
    return (found or [ROOT / name])[0].read_text(encoding="utf-8")


@cache
def _template(name: str) -> Template:
    return Template(read(name))


def _markup(value: str) -> Html:
    return value if isinstance(value, Html) else Html(escape(value))
