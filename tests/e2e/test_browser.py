"""People's journeys in a real browser, from the form to the page of the link.

axe-core looks at every page and mail on the way, and each is photographed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect

from chalicelib.templates import Templates
from ops.stage import samples
from tests.e2e import browser as browsers
from tests.e2e.browser import look
from tests.e2e.stack import Stack, code_in, link_in, running
from tests.support.website import serving

TEMPLATES = Templates()
LANGUAGES = list(TEMPLATES.language_names)
JOURNEYS = ("fr", "en", "ar")  # the last one runs from right to left
LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="150" height="40" viewBox="0 0 150 40">'
    '<circle cx="20" cy="20" r="16" fill="#c2185b"/>'
    '<path d="M50 28V12h12M50 20h10M72 12v16h12M94 12h16M102 12v16" fill="none" stroke="#222"'
    ' stroke-width="4"/></svg>'
)


@dataclass
class Visitor:
    """Somebody at a browser: one tab, and all that they read of the service in their language."""

    page: Page
    stack: Stack
    lang: str
    complaints: list[str] = field(default_factory=list)
    """What the browser refused to do or could not load: nothing, if pages keep to their policy."""

    def __post_init__(self) -> None:
        self.page.context.on("console", lambda message: self._hear(message.text))

    def _hear(self, said: str) -> None:
        if "the server responded with a status of 4" not in said:  # as for errors it should
            self.complaints.append(said)

    def text(self, name: str) -> str:
        return html.unescape(TEMPLATES.word_html(name, self.lang, product="Bienvenue"))

    def open_form(self) -> None:
        self.page.goto(f"{self.stack.api}/")
        self.sees("sign_up_title")

    def fill_in(self, email: str, prenom: str = "Alexis", nom: str = "GÜNST HORN") -> None:
        for name, value in (("email", email), ("prenom", prenom), ("nom", nom)):
            self.page.get_by_label(self.text(f"{name}_label"), exact=True).fill(value)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=self.text(name), exact=True).click()

    def sign_up(self, email: str) -> None:
        self.open_form()
        self.fill_in(email)
        self.press("sign_up_button")
        self.sees("sent_title")

    def choose(self, lang: str) -> None:
        """Choose another language in the menu of the page."""
        self.page.locator("summary").click()
        self.page.locator(f"nav [lang='{lang}']").click()
        self.lang = lang

    def open_mail(self, to: str, count: int = 1) -> str:
        """Open the latest of ``count`` mails in the mailbox's own page, and return its link."""
        mail = self.stack.wait_for_mails(to, count)[-1]
        self.stack.wait_for_item(to, "delivered")
        listed = self.stack.get(f"{self.stack.mailbox}/messages/").json()["messages"]
        number = max(one["id"] for one in listed if to in str(one))
        self.page.goto(f"{self.stack.mailbox}/messages/{number}.html")
        return link_in(mail)

    def click_in_mail(self, path: str = "/validate") -> None:
        """Click the mail's link to ``path``, which opens a tab of its own, and go on there."""
        with self.page.context.expect_page() as opened:
            self.page.locator(f"a[href*='{path}?']").first.click()
        self.page = opened.value

    def sees(self, name: str) -> None:
        """Whose heading is the text ``name``, on a page in their language."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.text(name))
        assert self.page.locator("html").get_attribute("lang") == self.lang

    def is_greeted(self, name: str) -> None:
        """By a mail that calls them ``name``."""
        greeting = html.unescape(TEMPLATES.word_html("mail_greeting", self.lang, name=name))
        expect(self.page.get_by_role("heading", level=1)).to_have_text(greeting)

    def has_in_the_form(self, **typed: str) -> None:
        for name, value in typed.items():
            field_ = self.page.get_by_label(self.text(f"{name}_label"), exact=True)
            expect(field_).to_have_value(value)


@contextmanager
def visiting(
    browser: Browser, stack: Stack, lang: str, *, scripts: bool = True
) -> Iterator[Visitor]:
    """Yield a page of a new visitor in ``lang``. The browser may refuse nothing of it."""
    context = browser.new_context(locale=lang, java_script_enabled=scripts)
    context.set_default_timeout(15_000)
    visitor = Visitor(context.new_page(), stack, lang)
    yield visitor
    assert visitor.complaints == []
    context.close()


@pytest.fixture(params=JOURNEYS)
def visitor(browser: Browser, stack: Stack, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    with visiting(browser, stack, request.param) as visitor:
        yield visitor


def test_sign_up_read_the_mail_click_and_click_again(visitor: Visitor) -> None:
    email = f"browser.{visitor.lang}@example.org"
    visitor.open_form()
    look(visitor.page, f"sign-up.{visitor.lang}")
    visitor.fill_in(email)
    visitor.press("sign_up_button")
    visitor.sees("sent_title")
    expect(visitor.page.get_by_text(email, exact=True)).to_be_visible()
    look(visitor.page, f"sent.{visitor.lang}")

    link = visitor.open_mail(email)
    visitor.is_greeted("Alexis GÜNST HORN")
    look(visitor.page, f"mail.{visitor.lang}", is_mail=True)
    visitor.click_in_mail()
    visitor.sees("validated_title")
    look(visitor.page, f"validated.{visitor.lang}")
    assert "validated_at" in visitor.stack.item(email)

    visitor.page.goto(link)
    visitor.sees("already_validated_title")
    look(visitor.page, f"already-validated.{visitor.lang}")


@pytest.mark.parametrize("lang", JOURNEYS)
def test_all_of_it_works_with_scripts_off(browser: Browser, stack: Stack, lang: str) -> None:
    email = f"no.scripts.{lang}@example.org"
    with visiting(browser, stack, lang, scripts=False) as visitor:
        visitor.open_form()
        visitor.fill_in("nobody")
        visitor.press("sign_up_button")
        visitor.has_in_the_form(email="nobody", prenom="Alexis", nom="GÜNST HORN")
        visitor.fill_in(email)
        visitor.press("sign_up_button")
        visitor.sees("sent_title")
        visitor.open_mail(email)
        visitor.stack.expire_links(email)
        visitor.click_in_mail()
        visitor.sees("expired_title")
        visitor.press("expired_button")
        visitor.sees("resent_title")
        visitor.open_mail(email, 2)
        visitor.click_in_mail()
        visitor.sees("validated_title")


def test_the_form_can_be_filled_in_by_keyboard_alone(browser: Browser, stack: Stack) -> None:
    email = "keyboard@example.org"
    with visiting(browser, stack, "en") as visitor:
        visitor.open_form()
        keys = visitor.page.keyboard
        for typed in ("", email, "Ada", "Lovelace"):  # first the menu of languages
            keys.press("Tab")
            assert _outline(visitor.page) == "3px solid"
            keys.type(typed)
        keys.press("Tab")
        expect(visitor.page.locator(":focus")).to_have_text(visitor.text("sign_up_button"))
        assert _outline(visitor.page) == "3px solid"
        keys.press("Enter")
        visitor.sees("sent_title")
        visitor.open_mail(email)


def _outline(page: Page) -> str:
    style: str = page.evaluate(
        "(({outlineWidth, outlineStyle}) => `${outlineWidth} ${outlineStyle}`)"
        "(getComputedStyle(document.activeElement))"
    )
    return style


def test_back_from_the_mailbox_is_the_page_that_waits(browser: Browser, stack: Stack) -> None:
    email = "back@example.org"
    with visiting(browser, stack, "en") as visitor:
        visitor.sign_up(email)
        visitor.page.goto(f"{stack.mailbox}/")
        visitor.page.go_back()
        visitor.sees("sent_title")
        visitor.press("sent_button")
        visitor.sees("resent_title")
        look(visitor.page, "resent.en")
        visitor.page.goto(f"{stack.mailbox}/")
        visitor.page.go_back()
        visitor.sees("resent_title")


def test_another_mail_keeps_the_names_for_a_correction(visitor: Visitor) -> None:
    email = f"again.{visitor.lang}@example.org"
    visitor.sign_up(email)
    visitor.press("sent_button")
    visitor.sees("resent_title")
    visitor.press("sent_help_typo_link")
    visitor.sees("sign_up_title")
    visitor.has_in_the_form(email=email, prenom="Alexis", nom="GÜNST HORN")


def test_the_page_that_waits_can_be_had_in_another_language(visitor: Visitor) -> None:
    email = f"waiting.{visitor.lang}@example.org"
    visitor.sign_up(email)
    visitor.choose(next(lang for lang in JOURNEYS if lang != visitor.lang))
    visitor.sees("sent_title")
    expect(visitor.page.get_by_text(email, exact=True)).to_be_visible()
    visitor.press("sent_help_typo_link")
    visitor.has_in_the_form(email=email, prenom="Alexis", nom="GÜNST HORN")


def test_the_mailbox_opens_a_link_in_a_tab_of_its_own(browser: Browser, stack: Stack) -> None:
    email = "mailbox@example.org"
    with visiting(browser, stack, "fr") as visitor:
        visitor.sign_up(email)
        stack.wait_for_mails(email)
        visitor.page.goto(f"{stack.mailbox}/")
        visitor.page.get_by_text(email).first.click()
        button = visitor.page.frame_locator("iframe").get_by_role(
            "link", name=visitor.text("mail_button")
        )
        with visitor.page.context.expect_page() as opened:
            button.click()
        visitor.page = opened.value
        visitor.sees("validated_title")
        visitor.complaints.clear()  # the mailbox's own page, not ours


def test_another_browser_gets_a_button_for_the_same_link(
    browser: Browser, visitor: Visitor
) -> None:
    email = f"elsewhere.{visitor.lang}@example.org"
    visitor.sign_up(email)
    link = visitor.open_mail(email)
    with visiting(browser, visitor.stack, visitor.lang) as elsewhere:
        elsewhere.page.goto(link)
        elsewhere.sees("confirm_title")
        expect(elsewhere.page.get_by_text(email, exact=True)).to_be_visible()
        look(elsewhere.page, f"confirm.{visitor.lang}")
        assert "validated_at" not in visitor.stack.item(email)
        elsewhere.press("confirm_button")
        elsewhere.sees("validated_title")
    assert "validated_at" in visitor.stack.item(email)


def test_the_code_of_the_mail_is_typed_on_the_page_that_waits(visitor: Visitor) -> None:
    email = f"code.{visitor.lang}@example.org"
    visitor.sign_up(email)
    (mail,) = visitor.stack.wait_for_mails(email)
    visitor.stack.wait_for_item(email, "delivered")
    code = code_in(mail)
    field_ = visitor.page.get_by_label(visitor.text("code_label"), exact=True)
    field_.fill(f"{(int(code) + 1) % 1_000_000:06}")
    visitor.press("code_button")
    expect(field_).to_have_attribute("aria-invalid", "true")
    look(visitor.page, f"code-wrong.{visitor.lang}")
    field_.fill(f"{code[:3]} {code[3:]}")
    visitor.press("code_button")
    visitor.sees("validated_title")
    assert visitor.stack.item(email)["validated_with"] == {"S": "code"}


def test_the_mailboxs_owner_refuses_from_the_mail(browser: Browser, visitor: Visitor) -> None:
    email = f"not.me.{visitor.lang}@example.org"
    visitor.sign_up(email)
    with visiting(browser, visitor.stack, visitor.lang) as owner:
        owner.open_mail(email)
        owner.click_in_mail("/refuse")
        owner.sees("refuse_title")
        look(owner.page, f"refuse.{visitor.lang}")
        assert owner.stack.item(email)["mail"] == {"S": "delivered"}
        owner.press("refuse_button")
        owner.sees("refuse_done_title")
        look(owner.page, f"refuse-done.{visitor.lang}")
    item = visitor.stack.item(email)
    assert item["mail"] == {"S": "refused"}
    assert "Alexis" not in str(item)


def test_errors_stand_by_their_fields_and_keep_typed_values(visitor: Visitor) -> None:
    typed = {"email": "zoe@", "prenom": "see www.spam.example", "nom": "O'Neill"}
    visitor.open_form()
    visitor.fill_in(**typed)
    visitor.press("sign_up_button")
    visitor.sees("sign_up_title")
    visitor.has_in_the_form(**typed)
    look(visitor.page, f"sign-up-errors.{visitor.lang}")

    for name, code in (("email", "address_invalid"), ("prenom", "name_link")):
        input_ = visitor.page.get_by_label(visitor.text(f"{name}_label"), exact=True)
        expect(input_).to_have_attribute("aria-invalid", "true")
        expect(input_).to_have_accessible_description(
            f"{visitor.text('error_prefix')} {visitor.text(f'problem_{code}_detail')}".replace(
                "\xa0", " "
            )
        )
    summary = visitor.page.get_by_role("alert")
    expect(summary).to_be_focused()
    assert _outline(visitor.page) == "3px solid"
    visitor.page.set_viewport_size({"width": 360, "height": 400})
    summary.get_by_role("link").last.click()
    expect(visitor.page.get_by_label(visitor.text("prenom_label"), exact=True)).to_be_focused()
    for shown in ("label[for=prenom]", "#prenom-error", "#prenom"):
        expect(visitor.page.locator(shown)).to_be_in_viewport(ratio=1)
    visitor.page.set_viewport_size({"width": 1000, "height": 760})

    visitor.fill_in(f"mended.{visitor.lang}@example.org", "Zoé", "O'Neill")
    visitor.press("sign_up_button")
    visitor.sees("sent_title")


def test_a_typo_is_mended_without_typing_the_rest_again(visitor: Visitor) -> None:
    typo, right = f"typo.{visitor.lang}@exmaple.org", f"typo.{visitor.lang}@example.org"
    visitor.sign_up(typo)
    visitor.press("sent_help_typo_link")
    visitor.sees("sign_up_title")
    visitor.has_in_the_form(email=typo, prenom="Alexis", nom="GÜNST HORN")
    assert "typo" not in visitor.page.url
    look(visitor.page, f"sign-up-again.{visitor.lang}")
    visitor.fill_in(right)
    visitor.press("sign_up_button")
    visitor.sees("sent_title")
    visitor.open_mail(right)


def test_an_expired_link_has_a_button_for_a_new_one(visitor: Visitor) -> None:
    email = f"late.{visitor.lang}@example.org"
    visitor.sign_up(email)
    visitor.open_mail(email)
    visitor.stack.expire_links(email)
    visitor.click_in_mail()
    visitor.sees("expired_title")
    look(visitor.page, f"expired.{visitor.lang}")
    visitor.press("expired_button")
    visitor.sees("resent_title")
    visitor.open_mail(email, 2)
    visitor.click_in_mail()
    visitor.sees("validated_title")


def test_a_long_address_is_not_cut_but_refused(browser: Browser, stack: Stack) -> None:
    long = "a" * 250 + "@example.org"
    with visiting(browser, stack, "en") as visitor:
        visitor.open_form()
        visitor.fill_in(long, "n" * 65)
        visitor.press("sign_up_button")
        visitor.has_in_the_form(email=long, prenom="n" * 65)
        for code in ("address_too_long", "name_too_long"):
            shown = visitor.page.get_by_role("alert").get_by_text(
                visitor.text(f"problem_{code}_detail")
            )
            expect(shown).to_be_visible()


def test_a_picture_in_a_page_has_its_size_without_styles(browser: Browser, stack: Stack) -> None:
    with visiting(browser, stack, "en") as visitor:
        visitor.sign_up("unstyled@example.org")
        visitor.page.locator("style").evaluate("style => style.remove()")
        box = visitor.page.locator("svg").bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (56, 56)


def test_a_link_that_does_not_work_leads_back_to_the_form(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.stack.api}/validate?email=a@example.org&token=b")
    visitor.sees("refused_title")
    look(visitor.page, f"refused.{visitor.lang}")
    visitor.page.get_by_role("link", name=visitor.text("refused_link")).click()
    visitor.sees("sign_up_title")


def test_a_request_that_no_form_sends_gets_an_error_page(visitor: Visitor) -> None:
    visitor.sign_up(f"problem.{visitor.lang}@example.org")
    visitor.page.evaluate("document.querySelector('section [name=email]').value = 'nobody'")
    visitor.press("sent_button")
    visitor.sees("problem_fields_invalid_title")
    look(visitor.page, f"problem.{visitor.lang}")


def test_a_chosen_language_follows_into_the_mail(
    visitor: Visitor,
) -> None:
    email = f"switched.{visitor.lang}@example.org"
    other = next(lang for lang in JOURNEYS if lang != visitor.lang)
    visitor.open_form()
    visitor.fill_in("zoe@", "Zoë", "")
    visitor.press("sign_up_button")
    visitor.choose(other)
    visitor.sees("sign_up_title")
    visitor.has_in_the_form(email="zoe@", prenom="Zoë", nom="")
    visitor.fill_in(email, "Zoë", "")
    visitor.press("sign_up_button")
    visitor.sees("sent_title")
    visitor.open_mail(email)
    visitor.is_greeted("Zoë")


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("mail-longest-greeting", LANGUAGES),
        ("mail-long-names", JOURNEYS),
        ("sent-long-address", LANGUAGES),
        ("sign-up-errors", LANGUAGES),
        *((f"mail-{kind}", JOURNEYS) for kind in samples.NAMES if kind != "long-names"),
        *(
            (f"{mail}-{kind}", ("en", "ar"))
            for mail in ("reminder", "welcome", "sign-up")
            for kind in samples.NAMES
        ),
        ("sign-up-nothing-typed", JOURNEYS),
        ("sent-code-failed", JOURNEYS),
        ("confirm", JOURNEYS),
        ("refuse", JOURNEYS),
        ("refuse-done", JOURNEYS),
    ],
)
def test_any_name_and_address_is_shown_well(
    browser: Browser, name: str, languages: Sequence[str]
) -> None:
    found = {one.lang: one for one in samples.specimens(samples.read({})) if one.name == name}
    with browser.new_context() as context:
        page = context.new_page()
        for lang in languages:
            page.set_content(found[lang].html)
            look(page, f"{name}.{lang}", is_mail=bool(found[lang].text))


PAGES = (
    *("sign-up", "sent-code", "confirm", "validated", "already-validated", "expired"),
    *("refuse", "refuse-done", "refused", "problem", "not-found"),
)
MAILS = ("mail", "reminder", "welcome")


@pytest.mark.parametrize("kind", sorted(samples.NAMES.keys() - {"no-name"}))
def test_any_name_of_a_product_is_shown_well(browser: Browser, kind: str) -> None:
    """All pages and mails show this name; of a user's names, only the mails and the form do."""
    product = " ".join(filter(None, samples.NAMES[kind]))[:64].strip()
    stage = samples.read({"PRODUCT_NAME": product, "DEFAULT_LANG": "en"})
    shown = {one.name: one for one in samples.specimens(stage) if one.lang == "en"}
    with browser.new_context() as context:
        page = context.new_page()
        for name in (*PAGES, *MAILS):
            page.set_content(shown[name].html)
            assert product in page.inner_text("body"), name
            look(page, f"{name}-product-{kind}", is_mail=name in MAILS)


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_menu_of_languages_fits_the_narrowest_screen(browser: Browser, lang: str) -> None:
    (sign_up,) = [
        one.html
        for one in samples.specimens(samples.read({}))
        if (one.name, one.lang) == ("sign-up", lang)
    ]
    with browser.new_context(viewport=browsers.NARROWEST) as context:
        page = context.new_page()
        page.set_content(sign_up)
        page.locator("summary").click()
        look(page, f"languages.{lang}")
        page.set_viewport_size(browsers.NARROWEST)
        for link in (page.locator("nav a").first, page.locator("nav a").last):
            link.scroll_into_view_if_needed()
            expect(link).to_be_in_viewport(ratio=0.9)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.fixture(scope="module")
def website(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The operator's own site, on another origin: a logo, and a page for who is validated."""
    folder = tmp_path_factory.mktemp("website")
    (folder / "logo.svg").write_text(LOGO, encoding="utf-8")
    (folder / "in.html").write_text("<!doctype html><h1>You are in</h1>", encoding="utf-8")
    with serving(folder) as origin:
        yield origin


@pytest.fixture(scope="module")
def branded_stack(tmp_path_factory: pytest.TempPathFactory, website: str) -> Iterator[Stack]:
    settings = {
        "VALIDATE_ON_GET": "false",
        "PRODUCT_NAME": "Acme & Söhne",
        "ACCENT_COLOUR": "#ffd500",
        "LOGO_URL": f"{website}/logo.svg",
        "SUPPORT_ADDRESS": "help@example.org",
        "MAIL_REPLY_TO": "help@example.org",
        "AFTER_VALIDATION_URL": f"{website}/in.html",
    }
    chosen = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    with running(tmp_path_factory.mktemp("branded"), *chosen) as stack:
        yield stack


@pytest.mark.parametrize("lang", JOURNEYS)
def test_a_branded_stage_asks_for_a_click_and_sends_people_on(
    browser: Browser, branded_stack: Stack, website: str, lang: str
) -> None:
    email = f"branded.{lang}@example.org"
    with visiting(browser, branded_stack, lang) as visitor:
        visitor.open_form()
        _sees_the_logo(visitor.page)
        look(visitor.page, f"branded-sign-up.{lang}")
        visitor.fill_in(email)
        visitor.press("sign_up_button")
        visitor.sees("sent_title")
        look(visitor.page, f"branded-sent.{lang}")

        visitor.open_mail(email)
        _sees_the_logo(visitor.page)
        look(visitor.page, f"branded-mail.{lang}", is_mail=True)
        (mail,) = branded_stack.wait_for_mails(email)
        assert mail["From"].addresses[0].display_name == "Acme & Söhne"

        visitor.click_in_mail()
        visitor.sees("confirm_title")
        look(visitor.page, f"branded-confirm.{lang}")
        assert "validated_at" not in branded_stack.item(email)
        visitor.press("confirm_button")
        expect(visitor.page).to_have_url(f"{website}/in.html")
        assert visitor.page.evaluate("document.referrer") == ""
        assert "validated_at" in branded_stack.item(email)


def test_a_branded_stage_works_with_scripts_off(
    browser: Browser, branded_stack: Stack, website: str
) -> None:
    with visiting(browser, branded_stack, "fr", scripts=False) as visitor:
        visitor.sign_up("branded.no.scripts@example.org")
        visitor.open_mail("branded.no.scripts@example.org")
        visitor.click_in_mail()
        visitor.press("confirm_button")
        expect(visitor.page).to_have_url(re.compile(f"^{re.escape(website)}/in.html$"))


def _sees_the_logo(page: Page) -> None:
    logo = page.get_by_role("img", name="Acme & Söhne")
    expect(logo).to_be_visible()
    assert logo.evaluate("logo => logo.naturalWidth") == 150
