"""Links: what is in one when it is mailed is there when it is opened."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.users import links, tokens
from chalicelib.users.links import Link

TOKEN = "-" * 21 + "_" * 22
BASE_URL = "https://example.org/api"

keys = st.text(min_size=1, max_size=100).filter(lambda text: text.isprintable() or text.isascii())


@pytest.mark.parametrize(
    ("email", "query"),
    [
        pytest.param("alexis@example.org", "email=alexis@example.org", id="plain"),
        pytest.param("a+b@example.org", "email=a%2Bb@example.org", id="a plus"),
        pytest.param("Alexis@Example.org", "email=Alexis@Example.org", id="mixed case"),
        pytest.param("a@xn--bcher-kva.example", "email=a@xn--bcher-kva.example", id="punycode"),
        pytest.param("a@bücher.example", "email=a@b%C3%BCcher.example", id="an IDN as it was put"),
        pytest.param("a&token=x@example.org", "email=a%26token%3Dx@example.org", id="a query"),
        pytest.param("a/../b?#@example.org", "email=a%2F..%2Fb%3F%23@example.org", id="a path"),
        pytest.param('"><b>@example.org', "email=%22%3E%3Cb%3E@example.org", id="markup"),
    ],
)
def test_a_link_carries_the_address_and_the_token(email: str, query: str) -> None:
    assert Link(email, TOKEN).url(BASE_URL) == f"{BASE_URL}/validate?{query}&token={TOKEN}"


@given(keys)
def test_any_key_survives_the_way_through_a_mail(email: str) -> None:
    link = Link(email, TOKEN)
    opened = urlsplit(link.url(BASE_URL))
    assert opened._replace(query="").geturl() == f"{BASE_URL}/validate"
    fields = parse_qs(opened.query, keep_blank_values=True, strict_parsing=True)
    assert fields == {"email": [email], "token": [TOKEN]}
    assert links.read({name: values[0] for name, values in fields.items()}) == link


@given(keys)
def test_a_link_is_one_word_that_needs_no_quoting(email: str) -> None:
    url = Link(email, TOKEN).url(BASE_URL)
    assert url.isascii()
    assert not set(url) & set(" \t\r\n<>\"'()[]{}|\\^`,;")


def test_the_store_knows_a_link_by_its_hash() -> None:
    assert Link("alexis@example.org", TOKEN).token_hash == tokens.digest(TOKEN)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"token": TOKEN}, id="no address"),
        pytest.param({"email": "a@example.org"}, id="no token"),
        pytest.param({"email": "", "token": TOKEN}, id="an empty address"),
        pytest.param({"email": "a" * 2049, "token": TOKEN}, id="an address that is no key"),
        pytest.param({"email": "a\ud800", "token": TOKEN}, id="half a character"),
        pytest.param({"email": "a@example.org", "token": TOKEN + " "}, id="a token and a space"),
        pytest.param({"email": "a@example.org", "token": "x"}, id="no token of ours"),
        pytest.param({"email": 1, "token": TOKEN}, id="a number"),
        pytest.param({"email": "a@example.org", "token": [TOKEN]}, id="a list"),
    ],
)
def test_what_is_no_link_of_ours_is_not_read_as_one(fields: dict[str, object]) -> None:
    assert links.read(fields) is None


def test_what_else_a_mail_program_adds_to_a_link_is_left_unread() -> None:
    fields = {"email": "a@example.org", "token": TOKEN, "utm_source": "mail"}
    assert links.read(fields) == Link("a@example.org", TOKEN)
