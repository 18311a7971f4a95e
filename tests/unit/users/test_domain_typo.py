"""Typos: which domain was probably meant."""

import pytest

from chalicelib.users import domain_typo


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("gnail.com", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("outlook.cm", "outlook.com"),
        ("hotmail.om", "hotmail.com"),
        ("protonmail.co", "protonmail.com"),
        ("hotmial.fr", "hotmail.fr"),
        ("hotmal.co.uk", "hotmail.co.uk"),
        ("yahho.com.br", "yahoo.com.br"),
        ("ahoo.it", "yahoo.it"),
        ("outlok.es", "outlook.es"),
        ("iclould.com", "icloud.com"),
        ("lapost.net", "laposte.net"),
        ("t-onlin.de", "t-online.de"),
        ("protnomail.com", "protonmail.com"),
    ],
)
def test_a_typo_suggests_the_domain_that_was_meant(typed: str, meant: str) -> None:
    assert domain_typo.suggest(f"ada+1@{typed}") == f"ada+1@{meant}"


@pytest.mark.parametrize(
    "domain",
    [
        "gmail.com",
        "mail.com",
        "ymail.com",
        "email.com",
        "yahoo.co.jp",
        "hotmail.be",
        "gmx.de",
        "web.de",
        "example.org",
        "mail.gmail.com",
        "gmxail.org",
        "gmialx.com",
        "xn--gmil-6na.com",
        "verizon.co",
        "orange.cm",
        "com",
        "",
    ],
)
def test_other_domains_suggest_nothing(domain: str) -> None:
    assert domain_typo.suggest(f"ada@{domain}") == ""


def test_what_is_suggested_is_a_big_domain() -> None:
    assert set(domain_typo._TABLE.values()) <= domain_typo._BIG
    assert not set(domain_typo._TABLE) & (domain_typo._BIG | domain_typo._REAL)
    assert len(domain_typo._BIG) >= 38
