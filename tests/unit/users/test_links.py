"""Links: what is in one when it is mailed is there when it is opened."""

from timeit import repeat
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.users import links, tokens
from chalicelib.users.links import Link

TOKEN = "-" * 21 + "_" * 22
BASE_URL = "https://example.org/api"

# Keys of ordinary characters stand in a link as they are.
keys = st.builds(
    "{}@{}".format, *[st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), max_size=50)] * 2
)


@pytest.mark.parametrize(
    ("email", "query"),
    [
        pytest.param("alexis@example.org", "email=alexis%40example.org", id="plain"),
        pytest.param("a+b@example.org", "email=a%2Bb%40example.org", id="a plus"),
        pytest.param("Alexis@Example.org", "email=Alexis%40Example.org", id="mixed case"),
        pytest.param("a@xn--bcher-kva.example", "email=a%40xn--bcher-kva.example", id="punycode"),
        pytest.param(
            "a@bücher.example", "email=a%40b%C3%BCcher.example", id="an IDN as it was put"
        ),
        pytest.param("a&token=x@example.org", "email=a%26token%3Dx%40example.org", id="a query"),
        pytest.param("a/../b?#@example.org", "email=a%2F..%2Fb%3F%23%40example.org", id="a path"),
        pytest.param('"><b>@example.org', "email=%22%3E%3Cb%3E%40example.org", id="markup"),
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


@given(st.one_of(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), keys))
@example("mailto:ada@example.org")
@example("mailto:ada%40example.org")
@example("\u200bada\uff20example.org\n")
@example("%40")
@example("a b@example.org")
def test_any_key_comes_back_from_a_link_and_a_form(email: str) -> None:
    link = Link(email, TOKEN)
    assert links.read({"email": link.address, "token": TOKEN}) == link


def test_the_longest_key_comes_back_from_a_link() -> None:
    link = Link("\u3000" * 682 + "@", TOKEN)
    assert links.read({"email": link.address, "token": TOKEN}) == link


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
        pytest.param({"email": "a@example.org", "token": TOKEN[1:]}, id="half a token"),
        pytest.param({"email": "a@example.org", "token": TOKEN + "x"}, id="a longer token"),
        pytest.param({"email": "a@example.org", "token": "." + TOKEN}, id="a dot before it"),
        pytest.param({"email": "a" * 400_000, "token": TOKEN}, id="an address of 400 KB"),
        pytest.param({"email": "a@example.org", "token": "\n" * 400_000}, id="a token of 400 KB"),
        pytest.param({"email": "a@example.org", "token": "x"}, id="no token of ours"),
        pytest.param({"email": 1, "token": TOKEN}, id="a number"),
        pytest.param({"email": "a@example.org", "token": [TOKEN]}, id="a list"),
    ],
)
def test_what_is_no_link_is_not_read(fields: dict[str, object]) -> None:
    assert links.read(fields) is None


@pytest.mark.parametrize("filler", [" ", "a", "%", "=", "\r", "\u200b", "\uff20", "mailto:"])
def test_a_long_address_is_read_in_a_millisecond(filler: str) -> None:
    email = (filler * 6144)[:6143] + "."

    def read() -> None:
        links.read({"email": email, "token": TOKEN})

    assert min(repeat(read, number=1, repeat=5)) < 0.005


def test_parameters_that_mail_programs_add_are_ignored() -> None:
    fields = {"email": "a@example.org", "token": TOKEN, "utm_source": "mail"}
    assert links.read(fields) == Link("a@example.org", TOKEN)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(f"email=ada%2Bx@example.org&token={TOKEN}", id="a bare @"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN}", id="an encoded @"),
        pytest.param(f"email=ada%252Bx%2540example.org&token={TOKEN}", id="encoded twice"),
        pytest.param(f"email=ada+x%40example.org&token={TOKEN}", id="a lost plus"),
        pytest.param(f"email=ada%2Bx%40example.org&amp;token={TOKEN}", id="markup"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN}.", id="a full stop"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN})", id="a bracket"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN}>,", id="two signs"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN}%22", id="a quotation mark"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN}&gt;", id="markup at the end"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN}%20", id="a space"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN}-", id="a hyphen"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN[:9]}%0D%0A{TOKEN[9:]}", id="lines"),
        pytest.param(f"email=ada%2Bx%40example.org&token={TOKEN[:9]}%3D%0A{TOKEN[9:]}", id="MIME"),
        pytest.param(f"email=ada%2Bx%40exam%0A%20ple.org&token={TOKEN}", id="a broken address"),
        pytest.param(f"email=ada%2Bx%40exam%3D%0Aple.org&token={TOKEN}", id="MIME in an address"),
        pytest.param(f"email=mailto:ada%2Bx%40example.org&token={TOKEN}", id="mailto:"),
        pytest.param(f"email=ada%2Bx%EF%BC%A0example.org&token={TOKEN}", id="a full-width @"),
        pytest.param(f"email=%E2%80%8Bada%2Bx%40example.org%E2%80%8F&token={TOKEN}", id="unseen"),
    ],
)
def test_a_damaged_link_is_read(query: str) -> None:
    pairs = parse_qs(query, keep_blank_values=True)
    fields = {name: values[0] for name, values in pairs.items()}
    assert links.read(fields) == Link("ada+x@example.org", TOKEN)
