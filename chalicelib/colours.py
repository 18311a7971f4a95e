"""The shades of an accent, each readable where the templates put it."""

from collections.abc import Mapping
from functools import cache

_SURFACE = "#f4f2ec"  # style.css draws lines on these: the darker of its light colours
_DARK_SURFACE = "#1a1e1d"  # and the lighter of its dark colours
_OWN_SHADES = {
    "accent": "#0a5f4d",
    "on_accent": "#ffffff",
    "accent_line": "#0a5f4d",
    "dark_accent": "#63cfae",
    "dark_on_accent": "#06241c",
    "dark_accent_line": "#63cfae",
}


@cache
def shades(accent: str) -> Mapping[str, str]:
    """Return the colours that templates use, by name.

    ``accent``, ``on_accent`` for text on it, and ``accent_line``. The same names with ``dark_``
    are the colours of the dark look.

    ``accent`` is a colour such as ``#0a5f4d``, or empty for our own. With any accent, text on it
    has a contrast of at least 4.5 (WCAG 2.2, 1.4.3), and a line of at least 3 (1.4.11).
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


def contrast(colour: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Return the contrast, from 1 to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    darker, lighter = sorted((_luminance(colour), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: tuple[int, ...]) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def _on(colour: tuple[int, ...]) -> str:
    """Return white if it is readable on ``colour``; otherwise black, which then is."""
    return "#ffffff" if contrast(colour, _rgb("#fff")) >= 4.5 else "#000000"


def _towards(
    colour: tuple[int, ...], end: tuple[int, ...], surface: tuple[int, ...]
) -> tuple[int, ...]:
    """Return ``colour``, mixed with just enough of ``end`` to be visible on ``surface``."""
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
