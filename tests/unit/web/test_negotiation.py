"""Preferences: pages or JSON, and which language."""

import pytest

from chalicelib.web import negotiation

LANGUAGES = frozenset(("fr", "en", "pt-BR"))


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", True, id="a browser"),
        pytest.param("text/html, text/*;q=0.5, image/*, application/*", True, id="w3m"),
        pytest.param("text/html, text/plain, */*;q=0.01", True, id="lynx"),
        pytest.param("*/*, text/html", True, id="a wildcard and a page"),
        pytest.param("text/html;q=0.5, application/*", True, id="JSON only by a wildcard"),
        pytest.param("text/html", True, id="a page alone"),
        pytest.param("text/*", True, id="text alone"),
        pytest.param("text/html;q=0.9, application/json;q=0.8", True, id="both, a page first"),
        pytest.param("text/html, application/json", False, id="both alike"),
        pytest.param("text/html;q=0.5, application/json", False, id="both, JSON first"),
        pytest.param("text/html;q=0.5, application/problem+json", False, id="problems first"),
        pytest.param("text/html;q=0, */*", False, id="no page"),
        pytest.param("application/json", False, id="JSON alone"),
        pytest.param("*/*", False, id="anything"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_clients_that_name_html_get_pages(accept: str, html: bool) -> None:
    assert negotiation.prefers_html(accept) is html


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("en_US", "en"),
        ("de,en;q=0.5", "en"),
        ("fr;q=0.4, pt_PT;q=0.7", "pt-BR"),
        ("en;q=0, de", "fr"),
        ("en;q=high, de", "fr"),
        ("*", "fr"),
        ("", "fr"),
        ("de," * 40 + "en", "fr"),
    ],
)
def test_the_preferred_language_is_chosen(header: str, language: str) -> None:
    assert negotiation.language(header, LANGUAGES, "fr") == language
