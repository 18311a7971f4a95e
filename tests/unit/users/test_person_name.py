"""Names: everybody's are taken, and none of them can carry a message."""

# ruff: noqa: RUF001 - characters that look like others are what some of these tests are about

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.users import person_name
from chalicelib.users.person_name import NameRefused

# Text that is mostly what people type, with enough of what they should not.
like_names = st.text(
    st.one_of(
        st.sampled_from("aZé '-.·@:/w_1\u3002\u0301\u200f\u2028\n\x00"),
        st.characters(codec="utf-8"),
    ),
    max_size=70,
)


@pytest.mark.parametrize(
    "name",
    [
        "Alexis",
        "GÜNST HORN",
        "J. R. R. Tolkien",
        "J.R.R. Tolkien",
        "Jean-Luc, Ph.D",
        "Ada ...Lovelace",
        "O'Brien",
        "Conan O’Brien",
        "Martin Luther King, Jr.",
        "d'Ormesson",
        "X Æ A-12",
        "Bob1984",
        "Louis XIV",
        "毛泽东",
        "José‑María",
        "محمد",
        "नरेन्द्र",
        "עדי שטרן",
        "Nguyễn Thị Minh Khai",
        "\U0001f469\u200d\U0001f680 Ada",
        "$name",
        "${link}",
        "<b>",
        "=?utf-8?q?x?=",
        "n" * 64,
    ],
)
def test_a_name_is_taken_as_it_is_typed(name: str) -> None:
    assert person_name.clean(name) == name


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        pytest.param("  Alexis\t\n", "Alexis", id="spaces around it"),
        pytest.param("Gu\u0308nst", "Günst", id="decomposed"),
        pytest.param("", "", id="nothing"),
        pytest.param(" \u00a0\u3000 ", "", id="spaces alone"),
        pytest.param("e\u0301" * 64, "é" * 64, id="64 once composed"),
        pytest.param(" " * 100 + "n", "n", id="64 once trimmed"),
    ],
)
def test_a_name_is_trimmed_and_composed(typed: str, stored: str) -> None:
    assert person_name.clean(typed) == stored


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("n" * 65, "name_too_long", id="65 characters"),
        pytest.param("\U0001f600" * 65, "name_too_long", id="65 emoji"),
        pytest.param("n" * 10_000_000, "name_too_long", id="10 MB"),
        pytest.param("Ale\nxis", "name_control_character", id="a line break"),
        pytest.param("Ale\r\nBcc: a", "name_control_character", id="a header"),
        pytest.param("Ale\x00xis", "name_control_character", id="NUL"),
        pytest.param("Ale\x1b[2Jxis", "name_control_character", id="an escape"),
        pytest.param("Ale\x85xis", "name_control_character", id="a C1 control"),
        pytest.param("Ale\u2028xis", "name_control_character", id="a line separator"),
        pytest.param("Ale\u2029xis", "name_control_character", id="a paragraph separator"),
        pytest.param("Ale\ud800xis", "name_control_character", id="half a character"),
        pytest.param("\u202esixelA", "name_control_character", id="an override of direction"),
        pytest.param("\u2066Alexis", "name_control_character", id="an open isolate"),
        pytest.param("http://evil", "name_link", id="a URL"),
        pytest.param("hTTps://evil.example/x", "name_link", id="a URL in mixed case"),
        pytest.param("evil.example", "name_link", id="a host"),
        pytest.param("Win at EVIL.CO now", "name_link", id="a host in a sentence"),
        pytest.param("www.x", "name_link", id="www"),
        pytest.param("WWW. x", "name_link", id="WWW"),
        pytest.param("me@evil", "name_link", id="an address"),
        pytest.param("me＠evil", "name_link", id="a full-width @"),
        pytest.param("ｅｖｉｌ．ｃｏｍ", "name_link", id="full width"),
        pytest.param("evil。com", "name_link", id="an ideographic full stop"),
        pytest.param("evil｡com", "name_link", id="half an ideographic full stop"),
        pytest.param("evil․com", "name_link", id="a one dot leader"),
        pytest.param("evil⒈com", "name_link", id="a digit with a full stop"),
        pytest.param("зло.рф", "name_link", id="a host of another script"),
        pytest.param("evil.xn--p1ai", "name_link", id="a host in punycode"),
        pytest.param("कंपनी.भारत", "name_link", id="a host with vowel signs"),
        pytest.param("evilx\u0323.com", "name_link", id="a host with a mark before its dot"),
        pytest.param("i❤\ufe0f.ws", "name_link", id="a host that ends in a sign"),
        pytest.param("\U0001f4a9.la", "name_link", id="a host of nothing but a sign"),
        pytest.param("evil-.com", "name_link", id="a host that ends in a hyphen"),
        pytest.param("evil\u200b.com", "name_link", id="nothing to be seen before the dot"),
        pytest.param("evil.\u00adcom", "name_link", id="nothing to be seen after the dot"),
        pytest.param("Call 0800 123 456", "name_phone_number", id="a telephone number"),
        pytest.param("1-2-3-4-5", "name_phone_number", id="five digits"),
        pytest.param("Ring ٠١٢٣٤٥٦", "name_phone_number", id="digits of another script"),
        pytest.param("①②③④⑤", "name_phone_number", id="digits in circles"),
        pytest.param("⑩⑪⑫", "name_phone_number", id="two digits in a circle"),
    ],
)
def test_a_name_is_refused_with_its_reason(name: str, code: str) -> None:
    with pytest.raises(NameRefused) as refusal:
        person_name.clean(name)
    assert refusal.value.code == code
    assert person_name.safe(name) == ""


def test_no_letter_could_be_part_of_a_link_or_of_a_number() -> None:
    """Which is why a name of nothing else is taken without a closer look."""
    letters = filter(str.isalpha, map(chr, range(sys.maxunicode + 1)))
    for character in [*letters, *" -'’"]:
        assert unicodedata.category(character)[0] in "LZP"
        read = person_name._bare(character)
        assert not re.search(r"[.:/@\u3002]", read)
        assert not any(map(str.isdigit, read))


@given(like_names)
def test_a_name_that_is_taken_is_final_and_stands_on_one_line(typed: str) -> None:
    try:
        name = person_name.clean(typed)
    except NameRefused:
        return
    assert person_name.clean(name) == name == person_name.safe(typed)
    assert len(name) <= 64
    assert name == name.strip()
    assert unicodedata.is_normalized("NFC", name)
    assert len(name.splitlines()) <= 1
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    assert not re.search(r"://|@|[a-z0-9]\.[a-z]{2,}|\bwww\.", name.casefold())


@given(st.text(st.characters(), max_size=100))
def test_any_text_is_a_name_or_left_out(text: str) -> None:
    assert person_name.safe(text) in ("", unicodedata.normalize("NFC", text).strip())


@pytest.mark.parametrize(
    ("prenom", "nom", "whole"),
    [("Ada", "Lovelace", "Ada Lovelace"), ("Bob", "", "Bob"), ("", "1984", "1984"), ("", "", "")],
)
def test_two_names_are_one_in_a_greeting(prenom: str, nom: str, whole: str) -> None:
    assert person_name.whole(prenom, nom) == whole


@pytest.mark.parametrize(("prenom", "nom"), [("0800", "1"), ("Call 08", "00 1"), ("①②③", "⑩")])
def test_two_halves_of_a_telephone_number_are_one(prenom: str, nom: str) -> None:
    assert (person_name.clean(prenom), person_name.clean(nom)) == (prenom, nom)
    with pytest.raises(NameRefused, match="name_phone_number"):
        person_name.whole(prenom, nom)
