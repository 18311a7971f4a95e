"""Cross-origin rules: scripts of allowed origins read answers, and no others."""

from __future__ import annotations

from chalicelib.web import cors

SHOP, BLOG = "https://shop.example", "https://blog.example"


def test_an_allowed_origin_is_named_and_may_use_cookies() -> None:
    assert cors.response_headers("/users", SHOP, [BLOG, SHOP]) == {
        "Access-Control-Allow-Origin": SHOP,
        "Access-Control-Allow-Credentials": "true",
    }


def test_another_origin_may_read_nothing() -> None:
    for origin in ("https://evil.example", "null", "", "*"):
        assert cors.response_headers("/users", origin, [SHOP]) == {}


def test_any_origin_may_read_but_not_with_cookies() -> None:
    for origin in (SHOP, "*", ""):
        assert cors.response_headers("/users", origin, ["*"]) == {
            "Access-Control-Allow-Origin": "*"
        }


def test_a_path_that_is_for_our_pages_is_for_no_other_origin() -> None:
    assert cors.response_headers("/refuse", SHOP, [SHOP]) == {}


def test_a_preflight_names_methods_and_headers_and_how_long() -> None:
    assert cors.preflight_headers("/validate", SHOP) == {
        "Access-Control-Allow-Origin": SHOP,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Max-Age": "7200",
        "Vary": "Origin",
    }
