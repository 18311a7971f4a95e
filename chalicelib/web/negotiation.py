"""What a client prefers, by its Accept and Accept-Language headers (RFC 9110 §12.5)."""

from collections.abc import Iterator
from functools import lru_cache

MAX_PREFERENCES = 32  # of one header; browsers send six at the most
REMEMBERED = 64  # headers: a few browsers send almost all of them


@lru_cache(REMEMBERED)
def prefers_html(accept: str) -> bool:
    """Whether a page is liked better than JSON. Who has no preference gets JSON."""
    liked = dict(_preferences(accept))

    def quality(*media_ranges: str) -> float:
        """That of the most specific range that was named."""
        return next((liked[name] for name in media_ranges if name in liked), 0.0)

    html = quality("text/html", "text/*", "*/*")
    json = max(
        quality(name, "application/*", "*/*")
        for name in ("application/json", "application/problem+json")
    )
    return html > json


@lru_cache(REMEMBERED)
def language(accept_language: str, languages: frozenset[str], default: str) -> str:
    """The best liked of ``languages``, of equals the first named; ``default`` where none is."""
    liked = [
        (quality, lang)
        for tag, quality in _preferences(accept_language)
        if quality > 0 and (lang := primary_language(tag)) in languages
    ]
    return max(liked, key=lambda choice: choice[0])[1] if liked else default


def primary_language(tag: str) -> str:
    """The language that a tag such as ``fr-CA`` asks for (RFC 5646: the primary subtag)."""
    return tag.strip().lower().partition("-")[0]


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
    """A weight between 0 and 1 (RFC 9110 §12.4.2); one that cannot be read counts for nothing."""
    plain = text.replace(".", "", 1)
    return min(float(text), 1.0) if plain.isascii() and plain.isdigit() else 0.0
