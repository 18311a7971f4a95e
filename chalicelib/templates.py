"""The words of mails and pages: files under templates/, a folder a language, filled with values."""

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from string import Template

ROOT = Path(__file__).parent / "templates"


class Html(str):
    """Markup that is safe as it stands; any other text is escaped on its way into a page."""

    __slots__ = ()


@cache
def languages() -> frozenset[str]:
    """The languages that there is a folder for."""
    return frozenset(folder.name for folder in (ROOT / "mail").iterdir() if folder.is_dir())


def fill_text(name: str, /, **values: str) -> str:
    """The text template ``name`` with its ``$values``. Raises KeyError for one not given."""
    return _template(name).substitute(values)


def fill_html(name: str, /, **values: str) -> Html:
    """The HTML template ``name`` with its ``$values``, escaped unless they are Html already."""
    return Html(_template(name).substitute({key: _markup(value) for key, value in values.items()}))


@cache
def texts(lang: str) -> Mapping[str, str]:
    """Short texts that pages and JSON answers share, by their name."""
    loaded: dict[str, str] = json.loads(read(f"pages/{lang}/texts.json"))
    return loaded


@cache
def read(name: str) -> str:
    """The file ``name`` under templates/, as it is."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def _template(name: str) -> Template:
    return Template(read(name))


def _markup(value: str) -> Html:
    return value if isinstance(value, Html) else Html(escape(value))
