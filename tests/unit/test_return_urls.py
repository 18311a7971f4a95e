"""Return addresses: nobody is sent anywhere but under the operator's own prefixes."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib import return_urls
from chalicelib.return_urls import is_allowed, is_prefix, with_result

PREFIXES = ("https://shop.example/account", "http://localhost:3000", "myapp://validated")


@pytest.mark.parametrize(
    "address",
    [
        "https://shop.example/account",
        "https://shop.example/account/",
        "https://shop.example/account/welcome?plan=pro&x=1#top",
        "https://SHOP.example:443/account",
        "http://localhost:3000",
        "http://localhost:3000/a/b",
        "myapp://validated",
    ],
)
def test_an_address_under_a_prefix_is_allowed(address: str) -> None:
    assert is_allowed(address, PREFIXES)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/account",
        "//shop.example/account",
        "https:/shop.example/account",
        "https:shop.example/account",
        "https:///shop.example/account",
        "https://shop.example",
        "https://shop.example/accounts",
        "https://shop.example/account.evil",
        "https://shop.example/Account",
        "https://shop.example/account/../admin",
        "https://shop.example/account/%2e%2E/admin",
        "https://shop.example/account/%2e%2e%2fadmin",
        "https://shop.example/account\\..\\admin",
        "https://shop.example/account/..;/admin",
        "https://shop.example/account/%2e%2e%3ba=b/admin",
        "https://shop.example/account/%5c..%5cadmin",
        "https://shop.example/account//evil.example",
        "https://shop.example.evil.example/account",
        "https://shop.example@evil.example/account",
        "https://user:pass@shop.example/account",
        "https://evil.example/https://shop.example/account",
        "https://evil.example?https://shop.example/account",
        "https://evil.example#https://shop.example/account",
        "https://evil.example\\@shop.example/account",
        "https://shop.example\\.evil.example/account",
        "https://shop.example:8443/account",
        "https://shop.example:/account",
        "https://shop.example:99999/account",
        "https://shop.example:443@evil.example/account",
        "http://shop.example/account",
        "HTTPS://shop.example/account",
        "https://shop.example./account",
        "https://shöp.example/account",
        "https://shop。example/account",
        "https://\uff53hop.example/account",
        "https://shop.example/account\r\nSet-Cookie: a=b",
        "https://shop.example/account\t",
        " https://shop.example/account",
        "https://shop.example/account\x00",
        'https://shop.example/account"onload="x',
        "https://shop.example/account/" + "x" * 1024,
        "javascript:alert(1)//https://shop.example/account",
        "myapp://validated/",
        "myapp://validated?x=1",
        "MYAPP://validated",
        "myapp:validated",
        "http://localhost:30000",
        "http://localhost",
        "http://localhost.evil.example:3000",
    ],
)
def test_an_address_that_is_anywhere_else_is_refused(address: str) -> None:
    assert not is_allowed(address, PREFIXES)


hosts = st.sampled_from(["shop.example", "SHOP.EXAMPLE", "evil.example", "localhost", "", "a"])
odd = st.sampled_from([*"\\/@:#?.%;&=[]", "//", "..", "%2e", "%2f", "%5c", "\t", "\r\n", "é"])
pieces = st.one_of(hosts, odd, st.sampled_from(["https", "http", "account", "443", "3000"]))


@given(st.lists(pieces, max_size=12).map("".join).map(lambda rest: f"https://{rest}"))
@example("https://shop.example/account/x")
def test_whatever_is_allowed_is_where_its_prefix_is(address: str) -> None:
    if is_allowed(address, PREFIXES):
        parts = urlsplit(address)
        assert (parts.hostname, parts.username, parts.port) in [
            ("shop.example", None, None),
            ("shop.example", None, 443),
        ]
        assert parts.path.startswith("/account")
        assert ".." not in parts.path
        assert address.isascii()
        assert address.isprintable()


@given(st.text(max_size=60))
def test_any_text_is_allowed_or_refused(text: str) -> None:
    is_allowed(text, PREFIXES)
    is_prefix(text)


@pytest.mark.parametrize("prefix", [*PREFIXES, "https://shop.example", "com.acme.app://done/now"])
def test_an_operator_may_allow_a_place_or_a_whole_address(prefix: str) -> None:
    assert is_prefix(prefix)
    assert is_allowed(prefix, [prefix])


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "shop.example",
        "http://shop.example",
        "https://",
        "https://*.shop.example",
        "https://shop.example/a?b=c",
        "https://shop.example/#a",
        "https://a@shop.example",
        "https://shop.example/a/../b",
        "javascript://shop.example/%0aalert(1)",
        "data://x",
        "file://x",
        "myapp://",
        "myapp:",
    ],
)
def test_an_operator_cannot_allow_a_place_that_is_unclear(text: str) -> None:
    assert not is_prefix(text)


@pytest.mark.parametrize(
    ("address", "sent_to"),
    [
        ("https://a.example", "https://a.example?bienvenue=sent"),
        ("https://a.example/b?c=d#e", "https://a.example/b?c=d&bienvenue=sent#e"),
        ("https://a.example/b?bienvenue=old", "https://a.example/b?bienvenue=sent"),
        ("myapp://validated", "myapp://validated?bienvenue=sent"),
    ],
)
def test_the_result_is_in_the_query(address: str, sent_to: str) -> None:
    assert with_result(address, "sent") == sent_to


def test_the_codes_of_what_is_wrong_are_in_the_query() -> None:
    fields = "email.address_invalid,last_name.name_link"
    sent_to = with_result("https://a.example", "invalid", fields=fields)
    assert sent_to == f"https://a.example?bienvenue=invalid&fields={fields}"
    assert parse_qs(urlsplit(sent_to).query)["fields"] == [fields]


def test_a_policy_names_an_origin_or_an_apps_scheme() -> None:
    assert [return_urls.origin(prefix) for prefix in PREFIXES] == [
        "https://shop.example",
        "http://localhost:3000",
        "myapp:",
    ]
