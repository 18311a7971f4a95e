"""Names: real ones are taken, and none of them can carry a message."""

# ruff: noqa: RUF001 - characters that look like others are what some of these tests are about

import re
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.users import invisible, person_name
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
        "R.Sundaram",
        "K.V.Natarajan",
        "Mr.Bean",
        "Md.Rahim",
        "St.Pierre",
        "R．Murugan",
        "ดร.สมชาย",
        "Ма.Тереза",
        "K.Noël",
        "Dr.med. Ute",
        "Dr.med.dent. Ute",
        "Ute Roth, M.Sc.",
        "J.Kim",
        "Dr.Fox",
        "R.de Silva",
        "डॉ.भारती",
        "Sita @ Kala",
        "മോഹന്\u200d",
        "葛\U000e0100城",
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
        pytest.param("\u200b \u200eAda\ufeff", "Ada", id="invisible characters around it"),
        pytest.param("\u2068Ana\u2069", "Ana", id="an isolate, as a telephone copies it"),
        pytest.param("\u2068Ana\u2069 \u2068Lua\u2069", "Ana Lua", id="two isolates"),
        pytest.param("\u2067\u2068علي\u2069\u2069", "علي", id="an isolate in another"),
        pytest.param("\u202bعلي\u202c ", "علي", id="an embedding"),
        pytest.param("\ufa11山e\u0301", "\ufa11山é", id="a compatibility ideograph stays"),
        pytest.param("\U0002f81aA\u030a", "\U0002f81aÅ", id="so does a rare one"),
        pytest.param("\u3164", "", id="a filler alone"),
        pytest.param("\u200b\u2060\u2800", "", id="nothing that can be seen"),
        pytest.param("\u200d\u115f\u200d", "", id="a filler between joiners"),
        pytest.param("\u0301\ufe0f", "", id="marks alone"),
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
        pytest.param("e\u0301" * 129, "name_too_long", id="too long before Unicode work"),
        pytest.param("\u202aAlexis", "name_control_character", id="an open embedding"),
        pytest.param("Al\u202aex\u2069is", "name_control_character", id="crossed directions"),
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


def test_no_letter_is_part_of_a_link_or_number() -> None:
    """So a name of letters alone is taken without the rules."""
    letters = filter(str.isalpha, map(chr, range(sys.maxunicode + 1)))
    for character in [*letters, *" -'’"]:
        assert unicodedata.category(character)[0] in "LZP"
        read = person_name._as_read(character)
        assert not re.search(r"[.:/@\u3002]", read)
        assert not any(map(str.isdigit, read))


def test_no_format_character_hides_a_link() -> None:
    formats = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) == "Cf"]
    assert [c for c in formats if person_name._as_read(f"é{c}") != "é"] == []


@given(like_names)
def test_a_taken_name_stays_and_is_one_line(typed: str) -> None:
    try:
        name = person_name.clean(typed)
    except NameRefused:
        return
    assert person_name.clean(name) == name == person_name.safe(typed)
    assert len(name) <= 64
    assert name == name.strip()
    without_ideographs = re.sub("[\uf900-\ufaff\U0002f800-\U0002fa1f]", "山", name)
    assert unicodedata.is_normalized("NFC", without_ideographs)
    assert len(name.splitlines()) <= 1
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    assert not re.search(r"://|\S@|@\S|[a-z0-9]{2}\.(com|org|ru|fr)\b|\bwww\.", name.casefold())


@given(st.text(st.characters(), max_size=100))
def test_any_text_is_a_name_or_left_out(text: str) -> None:
    name = person_name.safe(text)
    assert set(name) <= set(unicodedata.normalize("NFC", text) + text)


@pytest.mark.parametrize("filling", ["n", " ", "\u3164", "e\u0301", "a.b", "\u2068", "\u0301"])
def test_400_kilobytes_cost_under_10_milliseconds(filling: str) -> None:
    text = filling * (400_000 // len(filling.encode()))
    started = time.process_time()
    assert person_name.safe(text) == ""
    assert time.process_time() - started < 0.01


def test_every_rule_says_what_it_refuses_and_why() -> None:
    for rule in person_name.RULES:
        assert rule.code.startswith("name_")
        assert rule.refuses
        assert rule.because


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("Alexis GÜNST HORN", True),
        ("Ana María de la Cruz", True),
        ("n" * 48, True),
        ("n" * 49, False),
        ("YOU WON reply to this mail", False),
    ],
)
def test_a_subject_takes_five_words_and_48_characters(name: str, fits: bool) -> None:
    assert person_name.fits_subject(name) is fits


@pytest.mark.parametrize(
    ("prenom", "nom", "whole"),
    [("Ada", "Lovelace", "Ada Lovelace"), ("Bob", "", "Bob"), ("", "1984", "1984"), ("", "", "")],
)
def test_a_greeting_joins_two_names(prenom: str, nom: str, whole: str) -> None:
    assert person_name.whole(prenom, nom) == whole


@pytest.mark.parametrize(("prenom", "nom"), [("0800", "1"), ("Call 08", "00 1"), ("①②③", "⑩")])
def test_two_halves_of_a_telephone_number_are_refused(prenom: str, nom: str) -> None:
    assert (person_name.clean(prenom), person_name.clean(nom)) == (prenom, nom)
    with pytest.raises(NameRefused, match="name_phone_number"):
        person_name.whole(prenom, nom)


def test_what_is_taken_for_tidy_latin_is_tidy() -> None:
    latin = [one for one in map(chr, range(0x400)) if person_name.LATIN.fullmatch(one)]
    assert "a" in latin
    assert "Ü" in latin
    assert "ё" not in latin
    for one in latin:
        assert one.isprintable()
        assert unicodedata.normalize("NFC", one) == one
        assert not unicodedata.combining(one)
        assert one == " " or (one not in invisible.EDGES and invisible.is_visible(one)), ascii(one)
