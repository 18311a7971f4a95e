"""The pages: small, complete in every language, under one policy."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.settings import Brand
from chalicelib.templates import Templates
from chalicelib.users.links import Link
from chalicelib.web.forms import Problem
from chalicelib.web.pages import Pages
from ops.stage import samples
from ops.stage.samples import Specimen

TEMPLATES = Templates()
BASE_URL = "https://hello.example.org/api"
BRAND = Brand(
    product="A product with a name as long as it may be & more than one word",
    accent="#ffd500",
    logo_url="https://cdn.example.org/logo.svg?v=1&w=2",
    support_address="help+us@example.org",
    privacy_url="https://example.org/privacy",
    terms_url="https://example.org/terms",
    continue_url="https://app.example.org/",
)
OUTSIDE = (BRAND.privacy_url, BRAND.terms_url, BRAND.continue_url)
STAGE = samples.read(
    {
        "BASE_URL": BASE_URL,
        "PRODUCT_NAME": BRAND.product,
        "ACCENT_COLOUR": BRAND.accent,
        "LOGO_URL": BRAND.logo_url,
        "SUPPORT_ADDRESS": BRAND.support_address,
        "PRIVACY_URL": BRAND.privacy_url,
        "TERMS_URL": BRAND.terms_url,
        "CONTINUE_URL": BRAND.continue_url,
    }
)
SPECIMENS = list(samples.specimens(STAGE))
PAGES = [specimen for specimen in SPECIMENS if not specimen.text]
MAILS = [specimen for specimen in SPECIMENS if specimen.text]
TYPED = {"email": "zoe+x@example.org", "prenom": "Zoë", "nom": '"><b>'}
LINK = Link("zoe+x@example.org", "t" * 43)


class Parsed(HTMLParser):
    """A page's elements, each a tag and its attributes, in order; and the text of its title."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.title = ""
        self._tag = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._tag = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  # HTMLParser's signature
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "title":
            self.title += data

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        wanted = attributes.items()
        return [found for name, found in self.elements if name == tag and wanted <= found.items()]

    def values(self, attribute: str) -> list[str]:
        return [found[attribute] or "" for _, found in self.elements if attribute in found]


def name_of(specimen: object) -> str:
    assert isinstance(specimen, Specimen)
    return f"{specimen.name}-{specimen.lang}"


def test_there_is_every_page_and_mail_in_every_language() -> None:
    languages = TEMPLATES.languages
    for kind in (PAGES, MAILS):
        names = {specimen.name for specimen in kind}
        assert {(specimen.name, specimen.lang) for specimen in kind} == {
            (name, lang) for name in names for lang in languages
        }
    assert len(PAGES) == 28 * len(languages)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_small_with_all_that_a_stage_can_add(page: Specimen) -> None:
    assert len(page.html.encode()) < 11_500


@pytest.mark.parametrize("mail", MAILS, ids=name_of)
def test_a_mail_is_small_with_all_that_a_stage_can_add(mail: Specimen) -> None:
    assert len(mail.html.encode()) + len(mail.text.encode()) < 15_000


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_is_whole(page: Specimen) -> None:
    parsed = Parsed(page.html)
    direction = "rtl" if page.lang == "ar" else "ltr"
    assert parsed.all("html") == [{"lang": page.lang, "dir": direction}]
    assert len(parsed.all("h1")) == len(parsed.all("main")) == 1
    assert parsed.title.endswith(f" \u2013 {BRAND.product}")
    assert "$" not in page.html
    assert not parsed.all("script")

    ids = parsed.values("id")
    assert len(ids) == len(set(ids))
    for attribute in ("for", "form", "aria-describedby", "aria-labelledby"):
        assert set(" ".join(parsed.values(attribute)).split()) <= set(ids)
    for link in parsed.values("href"):
        ours = link.startswith((f"{BASE_URL}/", "mailto:", "data:image/svg+xml,"))
        assert ours or link in OUTSIDE or link.removeprefix("#") in ids
    assert all(action.startswith(f"{BASE_URL}/") for action in parsed.values("action"))
    assert parsed.values("src") == [BRAND.logo_url]


@pytest.mark.parametrize("specimen", PAGES + MAILS, ids=name_of)
def test_a_stages_accent_takes_the_place_of_our_own(specimen: Specimen) -> None:
    assert "#ffd500" in specimen.html
    for ours in ("#0a5f4d", "#63cfae", "#06241c"):
        assert ours not in specimen.html


# Security policy


@pytest.mark.parametrize("brand", [Brand(), BRAND], ids=["ours", "a stage's"])
def test_the_policy_allows_the_one_style_that_a_page_has(brand: Brand) -> None:
    pages = Pages(BASE_URL, TEMPLATES, brand)
    (style,) = re.findall(r"<style>(.*)</style>", pages.sign_up("fr", {}), re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in pages.security_policy
    assert 'style="' not in pages.sign_up("fr", {})


def test_the_policy_allows_no_image_but_the_icon_and_the_logo() -> None:
    assert "img-src data:;" in Pages(BASE_URL, TEMPLATES).security_policy
    assert (
        "img-src data: https://cdn.example.org;"
        in Pages(BASE_URL, TEMPLATES, BRAND).security_policy
    )


def test_forms_go_to_the_service_and_to_where_it_sends_people_on() -> None:
    policy = Pages(BASE_URL, TEMPLATES).security_policy
    assert "form-action https://hello.example.org;" in policy
    policy = Pages(
        BASE_URL, TEMPLATES, after_validation_url="https://app.example:8443/in"
    ).security_policy
    assert "form-action https://hello.example.org https://app.example:8443;" in policy


# Languages


# A page that answers the refusal's POST cannot be asked for again.
TRANSLATED = [page for page in PAGES if page.name != "refuse-done"]


@pytest.mark.parametrize("page", TRANSLATED, ids=name_of)
def test_every_page_can_be_had_in_every_other_language(page: Specimen) -> None:
    parsed = Parsed(page.html)
    links = [link["hreflang"] for link in parsed.all("a") if "hreflang" in link]
    buttons = [
        button["value"]
        for button in parsed.all("button", name="lang")
        if button["value"] != page.lang
    ]
    assert links + buttons == [tag for tag in TEMPLATES.language_names if tag != page.lang]


def test_another_language_keeps_the_link_that_was_opened() -> None:
    parsed = Parsed(Pages(BASE_URL, TEMPLATES).link("expired", "fr", LINK))
    (link,) = parsed.all("a", hreflang="en")
    url = urlsplit(link["href"] or "")
    assert url.path == "/api/validate"
    assert parse_qs(url.query) == {"email": [LINK.email], "token": [LINK.token], "lang": ["en"]}


@pytest.mark.parametrize("name", ["sent", "sign_up"])
def test_what_was_typed_goes_along_by_a_form_and_never_in_a_url(name: str) -> None:
    pages = Pages(BASE_URL, TEMPLATES)
    problem = Problem("name_link", "nom")
    page = pages.sent("fr", TYPED["email"], TYPED)
    parsed = Parsed(page if name == "sent" else pages.sign_up("fr", TYPED, [problem]))
    for field, value in TYPED.items():
        assert parsed.all("input", type="hidden", name=field, value=value)
    assert parsed.all("form", method="post", action=f"{BASE_URL}/")
    assert parsed.all("button", name="lang", value="en")
    for url in parsed.values("href") + parsed.values("action"):
        assert "zoe" not in url.lower()


def test_the_waiting_page_stays_itself_in_another_language() -> None:
    parsed = Parsed(Pages(BASE_URL, TEMPLATES).sent("fr", TYPED["email"], TYPED))
    assert parsed.all("input", name="show", value="sent")
    parsed = Parsed(Pages(BASE_URL, TEMPLATES).sign_up("fr", TYPED))
    assert parsed.all("input", name="show", value="")


def test_a_stage_with_one_language_offers_no_other() -> None:
    french = Templates()
    french.language_names = {"fr": "Français"}
    assert "<details" not in Pages(BASE_URL, french).sign_up("fr", {})


def test_a_typo_is_mended_by_a_button_that_sends_what_was_typed() -> None:
    parsed = Parsed(Pages(BASE_URL, TEMPLATES).sent("en", TYPED["email"], TYPED))
    (button,) = parsed.all("button", form="typed")
    assert (button["name"], button["value"]) == ("lang", "en")
    assert parsed.all("form", id="typed", method="post", action=f"{BASE_URL}/")


# Another mail


def test_another_mail_has_a_title_of_its_own_and_keeps_the_names() -> None:
    parsed = Parsed(Pages(BASE_URL, TEMPLATES).sent("en", TYPED["email"], TYPED, again=True))
    assert parsed.title == "Check your inbox again \u2013 Bienvenue"
    (form,) = parsed.all("form", action=f"{BASE_URL}/resend")
    at = parsed.elements.index(("form", form))
    fields = [found for tag, found in parsed.elements[at : at + 5] if tag == "input"]
    kept = {field["name"]: field["value"] for field in fields}
    assert kept == {**TYPED, "lang": "en"}


@pytest.mark.parametrize(
    ("email", "name", "url"),
    [
        ("zoe@gmail.com", "Gmail", "https://mail.google.com/mail/"),
        ("zoe@Hotmail.fr", "Outlook", "https://outlook.live.com/mail/"),
        ("zoe@example.org", "", ""),
        ("zoe", "", ""),
    ],
)
def test_the_waiting_page_leads_to_the_mailbox(email: str, name: str, url: str) -> None:
    page = Pages(BASE_URL, TEMPLATES).sent("en", email, {})
    links = Parsed(page).all("a", target="_blank")
    assert [link["href"] for link in links] == ([url] if url else [])
    assert (f">Open {name}<" in page) is bool(name)


# The form


def test_typed_values_stay_with_each_problem_by_its_field() -> None:
    problems = [
        Problem("address_invalid", "email"),
        Problem("name_link", "last_name"),
        Problem("name_too_long", "nom"),
        Problem("field_unknown", "<role>"),
    ]
    page = Pages(BASE_URL, TEMPLATES).sign_up("en", {"email": "zoe", "nom": '"><b>'}, problems)
    parsed = Parsed(page)
    for field, value in (("email", "zoe"), ("nom", '"><b>')):
        (shown,) = parsed.all("input", id=field)
        assert (shown["value"], shown["aria-invalid"]) == (value, "true")
        assert shown["aria-describedby"] == f"{field}-error"
    (fine,) = parsed.all("input", id="prenom")
    assert "aria-invalid" not in fine
    assert parsed.title.startswith("Error: ")
    assert [link["href"] for link in parsed.all("a") if "hreflang" not in link] == [
        "#email",
        "#nom",
        "#nom",
    ]
    assert "&lt;role&gt;" in page
    assert not parsed.all("b")


def test_a_form_that_is_right_says_nothing_of_errors() -> None:
    parsed = Parsed(Pages(BASE_URL, TEMPLATES).sign_up("en", {}))
    assert parsed.title == "Sign up \u2013 Bienvenue"
    assert not parsed.all("div", role="alert")
    assert not parsed.values("aria-invalid")


# The code


def test_the_waiting_page_takes_a_code_where_the_stage_sends_one() -> None:
    pages = Pages(BASE_URL, TEMPLATES)
    assert not Parsed(pages.sent("en", "a@example.org", {})).all("input", id="code")
    parsed = Parsed(pages.sent("en", "a@example.org", {}, takes_code=True))
    (field,) = parsed.all("input", id="code")
    assert (field["inputmode"], field["autocomplete"]) == ("numeric", "one-time-code")
    assert field["aria-describedby"] == "code-hint"
    assert "maxlength" not in field  # a pasted code may have spaces in it
    assert parsed.all("form", action=f"{BASE_URL}/validate")
    assert parsed.title == "Check your inbox \u2013 Bienvenue"


def test_a_code_that_does_not_work_is_said_beside_its_field() -> None:
    page = Pages(BASE_URL, TEMPLATES).sent("en", "a@example.org", {}, code_failed=True)
    parsed = Parsed(page)
    (field,) = parsed.all("input", id="code")
    assert (field["aria-invalid"], field["aria-describedby"]) == ("true", "code-error code-hint")
    assert parsed.all("a", href="#code")
    assert parsed.title == "Error: Check your inbox \u2013 Bienvenue"


# This wasn't me


def test_the_button_page_offers_to_refuse_where_the_stage_can() -> None:
    refuse = f"{BASE_URL}/refuse?email=zoe%2Bx%40example.org&token={LINK.token}"
    for can, links in ((False, []), (True, [refuse])):
        page = Pages(BASE_URL, TEMPLATES, refusable=can).link("confirm", "en", LINK)
        parsed = Parsed(page)
        assert [link["href"] for link in parsed.all("a") if "hreflang" not in link] == links
        assert ">zoe+x@example.org<" in page


def test_a_refusal_is_sent_by_a_button() -> None:
    parsed = Parsed(Pages(BASE_URL, TEMPLATES).refuse("en", LINK))
    assert parsed.all("form", method="post", action=f"{BASE_URL}/refuse")
    assert parsed.all("input", name="email", value=LINK.email)
    assert parsed.all("input", name="token", value=LINK.token)
    (english,) = parsed.all("a", hreflang="fr")
    assert (english["href"] or "").startswith(f"{BASE_URL}/refuse?email=")


# Problems


@pytest.mark.parametrize("code", ["body_malformed", "content_type_unsupported"])
def test_no_page_speaks_of_what_only_a_program_can_fix(code: str) -> None:
    page = Pages(BASE_URL, TEMPLATES).problem("en", code)
    assert "Please start again from the sign\u2011up page." in page
    for word in ("JSON", "UTF", "Content"):
        assert word not in page


# Brand


def test_a_stage_without_a_brand_shows_our_name_and_no_more() -> None:
    page = Pages(BASE_URL, TEMPLATES).sign_up("en", {})
    assert '<p class="product">Bienvenue</p>' in page
    assert "<img" not in page
    assert "mailto:" not in page
    assert "<footer" not in page


def test_a_logo_stands_for_the_product_and_says_its_name() -> None:
    parsed = Parsed(Pages(BASE_URL, TEMPLATES, BRAND).sign_up("en", {}))
    (logo,) = parsed.all("img")
    assert (logo["src"], logo["alt"]) == (BRAND.logo_url, BRAND.product)
    assert parsed.all("a", href="mailto:help+us@example.org")


def test_a_stage_names_its_terms_its_privacy_and_where_to_go_on() -> None:
    pages = Pages(BASE_URL, TEMPLATES, BRAND)
    page = pages.link("validated", "en", LINK)
    for url in OUTSIDE:
        assert Parsed(page).all("a", href=url)
    assert "Go to A product with" in page
    assert not Parsed(pages.sign_up("en", {})).all("a", href=BRAND.continue_url)


def test_an_icon_and_the_browsers_frame_have_the_accent() -> None:
    page = Pages(BASE_URL, TEMPLATES, BRAND).sign_up("en", {})
    (icon,) = Parsed(page).all("link", rel="icon")
    assert "%23ffd500" in (icon["href"] or "")
    assert Parsed(page).all("meta", name="theme-color", content="#ffd500")


def test_a_support_link_holds_nothing_but_the_address() -> None:
    assert Brand(support_address="a?cc=b&d%@example.org").support_url == (
        "mailto:a%3Fcc%3Db%26d%25@example.org"
    )
