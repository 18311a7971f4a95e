"""What the mail asks of mail programs: only what they can do, or can leave out.

The support is caniemail.com's, of commit 6b086a3 (29 June 2026), for Gmail, Outlook for Windows,
Outlook.com, Apple Mail, Yahoo, Samsung and Thunderbird.
"""

from __future__ import annotations

import re

import pytest

from chalicelib.mail import message
from chalicelib.mail.message import Mail
from chalicelib.settings import Brand
from chalicelib.templates import Templates
from chalicelib.users.people import MailKind, User

EVERYWHERE = {
    *("background", "border", "border-top", "color", "display", "font-family", "font-size"),
    *("font-weight", "letter-spacing", "line-height", "margin", "padding", "text-align"),
    *("text-decoration", "vertical-align", "width", "height", "word-break"),
}
"""All of these programs know them. Outlook for Windows takes margins and paddings of tables."""
ADORNMENTS = {
    "border-radius": "Outlook for Windows draws square corners",
    "border-color": "only in the dark, and where a program knows that it is dark",
    "border-top-color": "only in the dark",
    "color-scheme": "a program that does not know it shows the light mail",
    "supported-color-schemes": "the former name of color-scheme, for Apple Mail",
    "max-height": "hides the preheader, which display:none hides as well",
    "overflow": "hides the preheader, which display:none hides as well",
    "max-width": "Outlook for Windows has a table of 544 pixels instead",
    "overflow-wrap": "word-break does the same where it is unknown",
    "-webkit-text-size-adjust": "only iOS makes text larger by itself",
}
"""The mail can be read and acted on without them, and how."""
FOR_OUTLOOK = re.compile(r"mso-[a-z-]+|text-underline-color")
"""Other programs ignore these."""

ACME = Brand(
    product="Acme", logo_url="https://acme.example/a.png", support_address="a@acme.example"
)


def composed(kind: MailKind, brand: Brand = ACME) -> Mail:
    return message.compose(
        User("alexis@example.org", "Alexis", "", "en"),
        "t" * 43,
        "123456" if kind is MailKind.LINK else "",
        kind,
        templates=Templates(),
        base_url="https://example.org",
        default_lang="en",
        brand=brand,
        refuse_url="https://example.org/refuse",
    )


@pytest.mark.parametrize("kind", MailKind)
def test_the_mail_asks_only_for_css_that_it_can_do_without(kind: MailKind) -> None:
    html = composed(kind).html
    inline = " ; ".join(re.findall(r'style="(.*?)"', html))
    rules = " ; ".join(
        re.findall(r"\{([^{}]*)\}", "".join(re.findall(r"<style>.*?</style>", html, re.DOTALL)))
    )
    properties = set(re.findall(r"(?:^|;)\s*([a-z-]+)\s*:", f"{inline};{rules}"))
    unknown = properties - EVERYWHERE - set(ADORNMENTS)
    assert {name for name in unknown if not FOR_OUTLOOK.fullmatch(name)} == set()


@pytest.mark.parametrize("kind", MailKind)
def test_nothing_that_counts_stands_in_the_styles_alone(kind: MailKind) -> None:
    """Gmail drops the whole style element if it does not like a part of it."""
    html = composed(kind).html
    body = html.partition("<body")[2]
    for tag in re.findall(r"<(?:p|h1|a)\b[^>]*>", body):
        assert "style=" in tag, tag
    assert "@import" not in html
    assert "url(" not in html


def test_the_mail_is_small_enough_for_gmail() -> None:
    """Gmail cuts a mail at 102 KB."""
    assert len(composed(MailKind.LINK).html.encode()) < 20_000


@pytest.mark.parametrize("kind", MailKind)
def test_what_is_sent_has_no_comments_but_outlooks(kind: MailKind) -> None:
    html = composed(kind).html
    for comment in re.findall(r"<!--(.*?)-->", html, re.DOTALL):
        assert comment.startswith("[if mso]>")
        assert comment.endswith("<![endif]")
    assert "/*" not in html


def test_the_mail_can_be_acted_on_with_images_off() -> None:
    mail = composed(MailKind.LINK)
    assert re.findall(r"<img [^>]*alt=\"(.*?)\"", mail.html) == ["Acme"]
    for part in (mail.text, mail.html):
        assert "123456" in part
        assert "/validate?email=" in part
