"""A stage with all its links and mails, as its visitors see it in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Browser, Page, expect

from chalicelib.colours import contrast
from chalicelib.users.moments import iso
from ops.stage import samples
from tests.e2e import browser as browsers
from tests.e2e.browser import look
from tests.e2e.stack import Stack, link_in, running, wait_for

SETTINGS = {
    "DEFAULT_LANG": "en",
    "PRODUCT_NAME": "Acme",
    "ACCENT_COLOUR": "#ffffff",
    "PRIVACY_URL": "https://acme.example/privacy",
    "TERMS_URL": "https://acme.example/terms",
    "CONTINUE_URL": "https://acme.example/start",
    "REMIND_AFTER": "48h",
    "WELCOME_MAIL": "true",
}
A_DRAIN = 150.0
"""Seconds in which the drain, which runs each minute, has come by."""


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    chosen = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    with running(tmp_path_factory.mktemp("acme"), *chosen) as stack:
        yield stack


def sign_up(page: Page, stack: Stack, email: str) -> None:
    page.goto(f"{stack.api}/")
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Send me the link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your inbox")


def test_a_path_that_is_not_there_has_a_page(page: Page, acme: Stack) -> None:
    answer = page.goto(f"{acme.api}/sing-up/now")
    assert answer is not None
    assert answer.status == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["x-frame-options"] == "DENY"
    expect(page.get_by_role("heading", level=1)).to_have_text("This page does not exist")
    look(page, "not-found.en")
    page.locator("main a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign up")


def test_every_address_of_a_form_shows_the_form(page: Page, acme: Stack) -> None:
    for path in ("/", "/users", "/resend"):
        page.goto(f"{acme.api}{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign up")


def test_the_icon_is_in_the_tab_and_at_its_usual_address(page: Page, acme: Stack) -> None:
    answer = acme.get(f"{acme.api}/favicon.ico")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert b'fill="#ffffff"' in answer.data
    page.goto(f"{acme.api}/")
    icon = page.locator("link[rel=icon]").get_attribute("href") or ""
    size = page.evaluate(
        "async src => { const i = new Image(); i.src = src; await i.decode(); return i.width }",
        icon,
    )
    assert size > 0


def test_the_browsers_bar_has_the_accent(page: Page, acme: Stack) -> None:
    page.goto(f"{acme.api}/")
    colours = page.locator("meta[name=theme-color]").evaluate_all("all => all.map(e => e.content)")
    assert colours == ["#ffffff", "#ffffff"]


def test_a_white_button_has_a_shape(page: Page, acme: Stack) -> None:
    page.goto(f"{acme.api}/")
    button = page.get_by_role("button", name="Send me the link")
    edge, paper = (
        tuple(map(int, re.findall(r"\d+", colour)))[:3]
        for colour in (
            button.evaluate("e => getComputedStyle(e).borderTopColor"),
            page.locator("main").evaluate("e => getComputedStyle(e).backgroundColor"),
        )
    )
    assert contrast(edge, paper) >= 3  # WCAG 2.2, 1.4.11


@pytest.mark.parametrize("name", ["sign-up", "mail"])
def test_a_logo_that_does_not_load_can_be_read(browser: Browser, name: str) -> None:
    """In the dark, too: many mail programs show no images."""
    nowhere = {"LOGO_URL": "https://127.0.0.1:9/logo.svg", "PRODUCT_NAME": "Acme"}
    html = next(one.html for one in samples.specimens(samples.read(nowhere)) if one.name == name)
    for scheme in browsers.SCHEMES:
        with browser.new_context(color_scheme="dark" if scheme == "dark" else "light") as context:
            page = context.new_page()
            page.set_content(html)
            logo = page.get_by_role("img", name="Acme")
            ink, paper = logo.evaluate(
                """logo => {
                  let behind = logo;
                  const colour = e => getComputedStyle(e).backgroundColor;
                  while (colour(behind) === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
                  return [getComputedStyle(logo).color, colour(behind)];
                }"""
            )
            shades = [tuple(map(int, re.findall(r"\d+", each)))[:3] for each in (ink, paper)]
            assert contrast(*shades) >= 4.5, scheme  # WCAG 2.2, 1.4.3


def test_the_footer_leads_to_privacy_and_terms(page: Page, acme: Stack) -> None:
    page.goto(f"{acme.api}/")
    for name, href in (
        ("Privacy", SETTINGS["PRIVACY_URL"]),
        ("Terms of use", SETTINGS["TERMS_URL"]),
    ):
        expect(page.get_by_role("link", name=name)).to_have_attribute("href", href)


def test_the_page_that_waits_leads_to_the_webmail(page: Page, acme: Stack) -> None:
    for email, name, href in (
        ("looks@gmail.com", "Open Gmail", "https://mail.google.com/mail/"),
        ("looks@outlook.com", "Open Outlook", "https://outlook.live.com/mail/"),
    ):
        sign_up(page, acme, email)
        link = page.get_by_role("link", name=name)
        expect(link).to_have_attribute("href", href)
        expect(link).to_have_attribute("target", "_blank")
    look(page, "sent-webmail.en")
    sign_up(page, acme, "looks@example.org")
    assert page.get_by_role("link", name=re.compile("^Open")).count() == 0


def test_a_word_with_a_hyphen_stays_in_one_line(browser: Browser, stack: Stack) -> None:
    broken = """() => {
      const found = [], range = document.createRange();
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        for (const word of texts.currentNode.data.matchAll(/e.mail|UTF.8/g)) {
          range.setStart(texts.currentNode, word.index);
          range.setEnd(texts.currentNode, word.index + word[0].length);
          const lines = new Set([...range.getClientRects()].map(box => box.top));
          if (lines.size > 1) found.push(word[0]);
        }
      }
      return found;
    }"""
    with browser.new_context(locale="fr") as context:
        page = context.new_page()
        page.goto(f"{stack.api}/")
        assert page.get_by_text("e\u2011mail").count() > 0
        for width in range(200, 420, 4):
            page.set_viewport_size({"width": width, "height": 640})
            assert page.evaluate(broken) == [], width


def test_a_validated_user_goes_on_and_is_asked_nothing_again(
    browser: Browser, page: Page, acme: Stack
) -> None:
    email = "goes.on@example.org"
    sign_up(page, acme, email)
    link = link_in(acme.wait_for_mails(email)[0])
    with browser.new_context(locale="en") as context:
        elsewhere = context.new_page()
        elsewhere.goto(link)
        expect(elsewhere.get_by_text(email, exact=True)).to_be_visible()
        elsewhere.get_by_role("button", name="Confirm my address").click()
        onward = elsewhere.get_by_role("link", name="Go to Acme")
        expect(onward).to_have_attribute("href", SETTINGS["CONTINUE_URL"])
        elsewhere.go_back()
        elsewhere.reload()
        expect(elsewhere.get_by_role("heading", level=1)).to_have_text("You are already signed up")
        assert elsewhere.get_by_role("button", name="Confirm my address").count() == 0


def test_a_click_is_answered_by_a_welcome(page: Page, acme: Stack) -> None:
    email = "welcome@example.org"
    sign_up(page, acme, email)
    page.goto(link_in(acme.wait_for_mails(email)[0]))
    welcome = acme.wait_for_mails(email, 2)[1]
    assert welcome["Subject"] == "Welcome to Acme"
    assert "https://acme.example/start" in str(welcome.get_body(("plain",)))
    html = welcome.get_body(("html",))
    assert html is not None
    page.goto("about:blank")  # else the policy of our page forbids the mail's styles
    page.set_content(html.get_content())
    look(page, "welcome.en", is_mail=True)
    refusal = page.get_by_role("link", name="This wasn\u2019t me").get_attribute("href")
    text = welcome.get_body(("plain",))
    assert text is not None
    assert refusal is not None
    assert refusal in text.get_content()
    page.goto(refusal)
    page.get_by_role("button", name="This wasn\u2019t me").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("You won\u2019t get any more email from us")
    item = acme.item(email)
    assert item["mail"] == {"S": "refused"}
    assert "validated_at" not in item


def test_a_user_who_did_not_click_is_reminded(page: Page, acme: Stack) -> None:
    email = "reminded@example.org"
    sign_up(page, acme, email)
    first = link_in(acme.wait_for_mails(email)[0])
    item = acme.wait_for_item(email, "delivered")
    assert item["owed_at"] == item["remind_at"]
    due = {"S": iso(datetime.now(timezone.utc) - timedelta(minutes=2))}
    acme.change(email, owed_at=due, remind_at=due)
    mails = wait_for(
        lambda: len(mails := acme.mails(email)) == 2 and mails, A_DRAIN, "the reminder comes"
    )
    assert mails[1]["Subject"] == "Reminder: confirm your email address for Acme"
    link = link_in(mails[1])
    assert link != first
    html = mails[1].get_body(("html",))
    assert html is not None
    page.goto("about:blank")  # else the policy of our page forbids the mail's styles
    page.set_content(html.get_content())
    look(page, "reminder.en", is_mail=True)
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, you are signed up!")


@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize("name", ["mail", "reminder", "welcome"])
def test_a_mail_fits_the_narrowest_screen_without_its_styles(
    browser: Browser, name: str, lang: str
) -> None:
    """Gmail drops the style element of some accounts, and many programs show no images."""
    (html,) = [
        one.html
        for one in samples.specimens(samples.read({}))
        if (one.name, one.lang) == (name, lang)
    ]
    html = re.sub("<style>.*?</style>", "", html, flags=re.DOTALL)
    with browser.new_context(viewport=browsers.NARROWEST) as context:
        page = context.new_page()
        page.set_content(html)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
