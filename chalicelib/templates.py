"""The words and shades of mails and pages: files under templates/, a folder a language, filled with
values. A stage may have some of the files otherwise."""

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from string import Template

ROOT = Path(__file__).parent / "templates"
PACKAGE = Path(__file__).parent.parent

_SURFACE = "#f4f2ec"  # what style.css draws lines on: the darker of its light ones
_DARK_SURFACE = "#1a1e1d"  # and the lighter of its dark ones
_OWN_SHADES = {
    "accent": "#0a5f4d",
    "on_accent": "#ffffff",
    "accent_line": "#0a5f4d",
    "dark_accent": "#63cfae",
    "dark_on_accent": "#06241c",
    "dark_accent_line": "#63cfae",
}

_preferred: list[Path] = []


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
    """The text template ``name`` with its ``$values``. Raises KeyError for one not given."""
    return _template(name).substitute(values)


def fill_html(name: str, /, **values: str) -> Html:
    """The HTML template ``name`` with its ``$values``, escaped unless they are Html already."""
    return Html(_template(name).substitute({key: _markup(value) for key, value in values.items()}))


@cache
def texts(lang: str) -> Mapping[str, str]:
    """Short texts that pages and JSON answers share, by their name."""
    name = f"pages/{lang}/texts.json"
    loaded: dict[str, str] = {}
    for folder in (ROOT, *_preferred):
        if (folder / name).is_file():
            loaded.update(json.loads((folder / name).read_text(encoding="utf-8")))
    return loaded


@cache
def read(name: str) -> str:
    """The file ``name`` under templates/, or the one that is preferred to it, as it is."""
    found = [folder / name for folder in _preferred if (folder / name).is_file()]
    return (found or [ROOT / name])[0].read_text(encoding="utf-8")


@cache
def shades(accent: str) -> Mapping[str, str]:
    """The values by which templates colour: ``accent``, ``on_accent`` for what is written on it and
    ``accent_line``; with ``dark_`` before them, those of a dark scheme.

    Text on the accent has a contrast of 4.5 at least (WCAG 2.2, 1.4.3), and a line 3 (1.4.11): with
    any ``accent``, which is a colour such as ``#0a5f4d``, or empty for our own.
    """
    if not accent:
        return _OWN_SHADES
    light = _rgb(accent)
    dark = _towards(light, _rgb("#fff"), _rgb(_DARK_SURFACE))
    return {
        "accent": _hex(light),
        "on_accent": _on(light),
        "accent_line": _hex(_towards(light, _rgb("#000"), _rgb(_SURFACE))),
        "dark_accent": _hex(dark),
        "dark_on_accent": _on(dark),
        "dark_accent_line": _hex(dark),
    }


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Between two colours, from 1 to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: tuple[int, ...]) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def _on(colour: tuple[int, ...]) -> str:
    """White if it can be read on ``colour``; else black, which then can."""
    return "#ffffff" if contrast(colour, _rgb("#fff")) >= 4.5 else "#000000"


def _towards(
    colour: tuple[int, ...], end: tuple[int, ...], surface: tuple[int, ...]
) -> tuple[int, ...]:
    """``colour`` mixed with as much of ``end`` as it takes to be seen on ``surface``."""
    mixes = (
        tuple(round(a + (b - a) * step / 50) for a, b in zip(colour, end, strict=True))
        for step in range(51)
    )
    return next(mix for mix in mixes if contrast(mix, surface) >= 3)


def _rgb(colour: str) -> tuple[int, ...]:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    return tuple(bytes.fromhex(digits))


def _hex(colour: tuple[int, ...]) -> str:
    return f"#{bytes(colour).hex()}"


@cache
def _template(name: str) -> Template:
    return Template(read(name))


def _markup(value: str) -> Html:
    return value if isinstance(value, Html) else Html(escape(value))
