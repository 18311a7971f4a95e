"""Addresses: which are taken, and their one spelling."""

# ruff: noqa: RUF001 - full-width characters are what some of these tests are about

import unicodedata

import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.provisional import domains

from chalicelib.users import email_address
from chalicelib.users.email_address import AddressError

DOMAIN_OF_189 = ".".join(["d" * 63, "d" * 63, "d" * 57, "org"])

local_parts = st.from_regex(r"[A-Za-z0-9+_-]{1,30}(\.[A-Za-z0-9+_-]{1,30})?", fullmatch=True)
addresses = st.builds(
    "{}@{}".format,
    local_parts,
    st.one_of(
        domains(),
        st.sampled_from(["Example.ORG", "Bücher.Example", "日本語.jp", "xn--bcher-kva.de"]),
    ),
)
like_addresses = st.builds(
    "{}{}@{}{}".format, st.text(max_size=4), local_parts, domains(), st.text(max_size=4)
)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        pytest.param("alexis@example.org", "alexis@example.org", id="as it is"),
        pytest.param("  alexis@example.org\n", "alexis@example.org", id="spaces around it"),
        pytest.param("Alexis@Example.ORG", "alexis@example.org", id="mixed case"),
        pytest.param("a+welcome@example.org", "a+welcome@example.org", id="a plus"),
        pytest.param("o'neil@example.org", "o'neil@example.org", id="an apostrophe"),
        pytest.param("!#$%&'*/=?^_`{|}~@example.org", "!#$%&'*/=?^_`{|}~@example.org", id="odd"),
        pytest.param("a@Bücher.example", "a@xn--bcher-kva.example", id="an IDN"),
        pytest.param("a@XN--Bcher-kva.example", "a@xn--bcher-kva.example", id="punycode"),
        pytest.param("a@bücher.example", "a@xn--bcher-kva.example", id="decomposed"),
        pytest.param("a@例え.jp", "a@xn--r8jz45g.jp", id="another script"),
        pytest.param("a@example。org", "a@example.org", id="an ideographic full stop"),
        pytest.param(
            "\u200balexis@example.org\u200b", "alexis@example.org", id="zero width spaces"
        ),
        pytest.param("\u202aalexis@example.org\u202c", "alexis@example.org", id="an embedding"),
        pytest.param("\u2068alexis@example.org\u2069", "alexis@example.org", id="an isolate"),
        pytest.param(" \u200f alexis@example.org\ufeff ", "alexis@example.org", id="marks"),
        pytest.param("\u202ealexis@example.org", "alexis@example.org", id="turned round"),
        pytest.param("mailto:alexis@example.org", "alexis@example.org", id="mailto"),
        pytest.param("MailTo: Alexis@example.org", "alexis@example.org", id="mailto and a space"),
        pytest.param("mailto:a%2Bb@example.org?subject=Hi", "a+b@example.org", id="a mailto URL"),
        pytest.param("alexis＠example.org", "alexis@example.org", id="a full-width @"),
        pytest.param(
            "Ａｌｅｘｉｓ＋１＠ｅｘａｍｐｌｅ．ｏｒｇ", "alexis+1@example.org", id="full width"
        ),
        pytest.param("a@example.museum", "a@example.museum", id="a long top-level domain"),
        pytest.param("a@почта.рф", "a@xn--80a1acny.xn--p1ai", id="one of another script"),
        pytest.param("l" * 64 + "@example.org", "l" * 64 + "@example.org", id="local part of 64"),
        pytest.param("l" * 64 + "@" + DOMAIN_OF_189, "l" * 64 + "@" + DOMAIN_OF_189, id="254"),
    ],
)
def test_an_address_has_one_spelling(typed: str, stored: str) -> None:
    assert email_address.canonical(typed) == stored


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        pytest.param("", "address_invalid", id="nothing"),
        pytest.param(" ", "address_invalid", id="a space"),
        pytest.param("alexis", "address_invalid", id="no domain"),
        pytest.param("@example.org", "address_invalid", id="no local part"),
        pytest.param("alexis@", "address_invalid", id="no domain after the @"),
        pytest.param("alexis@example", "address_invalid", id="a domain of one label"),
        pytest.param("alexis@localhost", "address_invalid", id="this machine"),
        pytest.param("alexis@[192.0.2.1]", "address_invalid", id="an address literal"),
        pytest.param("a@b@example.org", "address_invalid", id="two @"),
        pytest.param(".alexis@example.org", "address_invalid", id="a dot in front"),
        pytest.param("a..b@example.org", "address_invalid", id="two dots"),
        pytest.param("alexis@-example.org", "address_invalid", id="a hyphen in front"),
        pytest.param("alexis@example.org.", "address_invalid", id="a dot at the end"),
        pytest.param("a b@example.org", "address_invalid", id="a space inside"),
        pytest.param('"a b"@example.org', "address_invalid", id="quoted"),
        pytest.param("Alexis <alexis@example.org>", "address_invalid", id="a display name"),
        pytest.param("a@example.org,b@example.org", "address_invalid", id="two addresses"),
        pytest.param("a@example.org\r\nBcc: b@example.org", "address_invalid", id="a header"),
        pytest.param("alexis\x00@example.org", "address_invalid", id="NUL"),
        pytest.param("alexis@exa\x00mple.org", "address_invalid", id="NUL in the domain"),
        pytest.param("alexis@exam\ud800ple.org", "address_invalid", id="half a character"),
        pytest.param("alexis@" + "d" * 64 + ".org", "address_invalid", id="a label over 63"),
        pytest.param("élan@example.org", "address_not_ascii", id="letters SES cannot deliver to"),
        pytest.param("al\u200bexis@example.org", "address_invisible_character", id="zero width"),
        pytest.param("alexis@exam\u00adple.org", "address_invisible_character", id="soft hyphen"),
        pytest.param("alexis\u2060@example.org", "address_invisible_character", id="a joiner"),
        pytest.param("al\u202eexis@example.org", "address_invisible_character", id="turned inside"),
        pytest.param("alexis@\u3164.example.org", "address_invisible_character", id="a filler"),
        pytest.param("alexis@example.c", "address_domain_unknown", id="a letter is missing"),
        pytest.param("alexis@example.con", "address_domain_unknown", id="a typo"),
        pytest.param("alexis@example.orgg", "address_domain_unknown", id="a letter too many"),
        pytest.param("alexis@bücher.nope", "address_domain_unknown", id="beyond ASCII"),
        pytest.param("mailto:", "address_invalid", id="mailto alone"),
        pytest.param("l" * 65 + "@example.org", "address_too_long", id="local part over 64"),
        pytest.param("l" * 64 + "@x." + DOMAIN_OF_189, "address_too_long", id="over 254"),
        pytest.param("a@" + "日本語." * 30 + "jp", "address_invalid", id="over 254 in punycode"),
        pytest.param("a@" + "b" * 10_000_000, "address_too_long", id="10 MB"),
        pytest.param("\u200b" * 400_000, "address_too_long", id="400 KB of nothing"),
    ],
)
def test_an_address_is_refused_with_its_reason(typed: str, code: str) -> None:
    with pytest.raises(AddressError) as refusal:
        email_address.canonical(typed)
    assert refusal.value.code == code


@given(st.one_of(st.text(), addresses, like_addresses))
def test_any_text_is_refused_or_has_one_canonical_form(typed: str) -> None:
    try:
        stored = email_address.canonical(typed)
    except AddressError:
        return
    assert stored.isascii()
    assert stored == stored.strip().lower()
    assert len(stored) <= 254
    assert email_address.canonical(stored) == stored
    assert email_address.deliverable(stored) == stored
    assert email_address.stored(stored) == stored


@given(addresses)
def test_case_and_spaces_make_no_second_user(typed: str) -> None:
    try:
        stored = email_address.canonical(typed)
    except AddressError:
        with pytest.raises(AddressError):
            email_address.canonical(f" {typed.swapcase()} ")
        return
    assert email_address.canonical(f" {typed.swapcase()} ") == stored


@pytest.mark.parametrize(
    ("key", "to"),
    [
        pytest.param("Alexis@Example.org", "Alexis@Example.org", id="its case is the program's"),
        pytest.param("a+b@example.org", "a+b@example.org", id="a plus"),
        pytest.param("Alexis@Bücher.example", "Alexis@xn--bcher-kva.example", id="an IDN"),
        pytest.param("alexis@localhost", "alexis@localhost", id="a host of the program's own"),
        pytest.param("Alexis@example.org\n", "Alexis@example.org", id="a line break after it"),
        pytest.param("\xa0Alexis@example.org", "Alexis@example.org", id="a blank before it"),
        pytest.param("\u200bAlexis@example.org\u200f", "Alexis@example.org", id="unseen signs"),
        pytest.param("mailto:Alexis@example.org", "Alexis@example.org", id="mailto:"),
        pytest.param("Mailto:Al%2Bx@example.org?subject=a", "Al+x@example.org", id="all of mailto"),
        pytest.param("Ａｌexis＠example．org", "Alexis@example.org", id="full-width"),
    ],
)
def test_mail_for_another_programs_key_goes_to(key: str, to: str) -> None:
    assert email_address.deliverable(key) == to


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("alexis", id="no address"),
        pytest.param("élan@example.org", id="letters SES cannot deliver to"),
        pytest.param("Alexis <alexis@example.org>", id="a display name"),
        pytest.param("a@example.org,b@example.org", id="two addresses"),
        pytest.param("l" * 65 + "@example.org", id="local part over 64"),
        pytest.param("l" * 64 + "@x." + DOMAIN_OF_189, id="over 254"),
        pytest.param("a" * 2048, id="the longest key"),
        pytest.param("a" * 400_000, id="400 KB"),
        pytest.param("al\u200bexis@example.org", id="an invisible character inside"),
        pytest.param("mailto:", id="mailto: alone"),
        pytest.param("alexis@example.comm", id="no such top-level domain"),
    ],
)
def test_no_mail_goes_to_what_is_no_address(key: str) -> None:
    with pytest.raises(AddressError):
        email_address.deliverable(key)


@given(st.one_of(st.text(), like_addresses))
def test_no_mail_goes_to_what_could_break_a_header(key: str) -> None:
    try:
        to = email_address.deliverable(key)
    except AddressError:
        return
    assert to.isascii()
    assert to.isprintable()
    assert not set(to) & set(' ,;:<>"()[]\\')
    assert to.count("@") == 1
    assert len(to) <= 254


@pytest.mark.parametrize(
    ("mailed", "keys"),
    [
        pytest.param("Alexis@Example.org", ["Alexis@Example.org"], id="its own spelling"),
        pytest.param(
            "Ada@xn--bcher-kva.example",
            ["Ada@xn--bcher-kva.example", "Ada@bücher.example"],
            id="an IDN in both spellings",
        ),
        pytest.param("a@xn--\x00.example", ["a@xn--\x00.example"], id="an IDN that is none"),
        pytest.param("xn--bcher-kva@example.org", ["xn--bcher-kva@example.org"], id="no IDN"),
        pytest.param("alexis", [], id="no address"),
        pytest.param("@example.org", [], id="nobody"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_mail_to_an_address_was_for_one_of_its_keys(mailed: str, keys: list[str]) -> None:
    assert email_address.keys(mailed) == keys


@given(st.one_of(addresses, like_addresses, st.text()))
def test_the_key_of_a_mailed_address_is_found(key: str) -> None:
    try:
        mailed = email_address.deliverable(key)
    except AddressError:
        return
    # A domain that another program put in Unicode is found in the form that IDNA gives it.
    is_plain = key == email_address.without_additions(key)
    if is_plain and (key.isascii() or key == key.lower()):
        assert {key, unicodedata.normalize("NFKC", key)} & set(email_address.keys(mailed))


@given(st.text())
def test_any_text_may_be_a_mailed_address(mailed: str) -> None:
    assert all(key == mailed or key.rpartition("@")[0] for key in email_address.keys(mailed))


@pytest.mark.parametrize("text", ["Alexis@Example.org", "no address", " ", "\n", "é" * 1024])
def test_a_link_may_carry_any_key_that_dynamodb_takes(text: str) -> None:
    assert email_address.stored(text) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("a" * 2049, id="over 2048 bytes"),
        pytest.param("é" * 1025, id="over 2048 bytes in fewer characters"),
        pytest.param("a\ud800", id="half a character"),
    ],
)
def test_a_link_cannot_carry_what_is_no_key(text: str) -> None:
    with pytest.raises(AddressError) as refusal:
        email_address.stored(text)
    assert refusal.value.code == "address_invalid"


@given(st.one_of(addresses, like_addresses, st.from_regex(email_address._CERTAIN, fullmatch=True)))
@example("a--b@example.org")
@example("a@xn--bcher-kva.example")
@example("a@ab--c.org")
@example(f"a@{'d' * 63}.org")
@example("a@example.1org")
def test_email_validator_takes_what_is_certain(text: str) -> None:
    """The length and the part before the @ are checked before."""
    local = text.rpartition("@")[0]
    if not email_address._is_certain(text) or len(text) > 254 or len(local) > 64:
        return
    try:
        checked = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise AssertionError(text) from error
    assert checked.normalized.lower() == text.lower()


@pytest.mark.parametrize("domain", SPECIAL_USE_DOMAIN_NAMES)
def test_no_mailbox_is_in_a_domain_of_special_use(domain: str) -> None:
    for special in (f"a@{domain}", f"a@mail.{domain}", f"a@mail.{domain.upper()}"):
        with pytest.raises(AddressError):
            email_address.canonical(special)


def test_an_ordinary_address_is_certain() -> None:
    """Importing email-validator adds about 10 % to a cold start."""
    for ordinary in ("alexis@example.org", "a.b+welcome@mail.Example.co.uk", "o'neil@x-y.fr"):
        assert email_address._is_certain(ordinary)
