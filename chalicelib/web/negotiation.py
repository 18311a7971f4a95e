"""A client's preferences, by Accept and Accept-Language (RFC 9110 §12.5)."""

from collections.abc import Iterator
from functools import lru_cache

from chalicelib import language_tag

MAX_PREFERENCES = 32  # of one header; browsers send at most six
REMEMBERED = 64  # headers: a few browsers send almost all requests

_JSON = ("application/json", "application/problem+json")


@lru_cache(REMEMBERED)
def prefers_html(accept: str) -> bool:
    """Return True if the client prefers a page to JSON. Clients without a preference get JSON.

    A browser names ``text/html``, and may accept JSON only by a wildcard: ``application/*`` (w3m).
    """
    qualities = dict(_preferences(accept))
    if qualities.get("text/html", 0.0) > 0 and not any(name in qualities for name in _JSON):
        return True

    def quality(*media_ranges: str) -> float:
        return next((qualities[name] for name in media_ranges if name in qualities), 0.0)

    html = quality("text/html", "text/*", "*/*")
    return html > max(quality(name, "application/*", "*/*") for name in _JSON)


@lru_cache(REMEMBERED)
def names_json(accept: str) -> bool:
    """Return True if the client names JSON, and does not only accept it with all other types."""
    return any(
        quality > 0 and name in ("application/json", "application/problem+json")
        for name, quality in _preferences(accept)
    )


@lru_cache(REMEMBERED)
def language(accept_language: str, languages: frozenset[str], default: str) -> str:
    """Return the preferred one of ``languages``, the first of equals; ``default`` if none is."""
    wanted = [
        (quality, lang)
        for tag, quality in _preferences(accept_language)
        if quality > 0 and (lang := language_tag.match(tag, languages))
    ]
    return max(wanted, key=lambda choice: choice[0])[1] if wanted else default


def _preferences(header: str) -> Iterator[tuple[str, float]]:
    for part in header.lower().split(",")[:MAX_PREFERENCES]:
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = _quality(value.strip())
        if name:
            yield name, quality


def _quality(text: str) -> float:
    """Return a weight between 0 and 1 (RFC 9110 §12.4.2); 0 if the text is none."""
    plain = text.replace(".", "", 1)
    return min(float(text), 1.0) if plain.isascii() and plain.isdigit() else 0.0
