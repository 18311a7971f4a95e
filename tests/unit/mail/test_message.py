"""The welcome mail, whole, and that no name can make it say anything else."""

import re
import time
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.mail import message
from chalicelib.mail.message import Mail
from chalicelib.settings import UNBRANDED, Brand
from chalicelib.templates import Templates
from chalicelib.users import person_name
from chalicelib.users.email_address import AddressError
from chalicelib.users.people import MailKind, User

TOKEN = "-" * 21 + "_" * 22
BASE_URL = "https://example.org/api"
LINK = f"{BASE_URL}/validate?email=alexis%40example.org&token={TOKEN}"
REFUSAL = f"{BASE_URL}/refuse?email=alexis%40example.org&token={TOKEN}"
ALEXIS = User("alexis@example.org", "Alexis", "GÜNST HORN", "fr")


ACME = Brand(
    product="Acme <& Sons>",
    accent="#ffee00",
    logo_url="https://acme.example/logo.png?size=1&x",
    support_address="help+welcome@acme.example",
)


TEMPLATES = Templates()


def compose(
    user: User,
    default_lang: str = "fr",
    brand: Brand = UNBRANDED,
    *,
    code: str = "",
    refuse_url: str = "",
    has_one_click: bool = False,
) -> Mail:
    return message.compose(
        user,
        TOKEN,
        code,
        templates=TEMPLATES,
        base_url=BASE_URL,
        default_lang=default_lang,
        brand=brand,
        refuse_url=refuse_url,
        has_one_click=has_one_click,
    )


def named(prenom: str, nom: str, lang: str = "fr") -> Mail:
    return compose(User("alexis@example.org", prenom, nom, lang))


class Page(HTMLParser):
    """What a reader gets of a page: words, links, pictures, elements and the language."""

    SILENT = ("style", "title")
    INLINE = ("span", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.title = ""
        self.links: list[str | None] = []
        self.images: list[tuple[str | None, str | None]] = []
        self.elements: list[str] = []
        self.lang: str | None = None
        self._inside: list[str] = []
        self._goes_on = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self._inside.append(tag)
        self._goes_on = self._goes_on and tag in self.INLINE
        if tag == "html":
            self.lang = dict(attrs)["lang"]
        if tag == "a":
            self.links.append(dict(attrs)["href"])
        if tag == "img":
            self.images.append((dict(attrs)["src"], dict(attrs)["alt"]))

    def handle_endtag(self, tag: str) -> None:
        self._goes_on = self._goes_on and tag in self.INLINE
        while self._inside and self._inside.pop() != tag:
            pass  # elements such as meta have no end

    def handle_data(self, data: str) -> None:
        if "title" in self._inside:
            self.title += data.replace("\xa0", " ")
        if not set(self._inside) & set(self.SILENT) and data.strip():
            said = data.replace("\xa0", " ")
            if self._goes_on:
                self.words[-1] += said
            else:
                self.words.append(said)
            self._goes_on = True


def test_the_articles_item_gets_the_articles_mail() -> None:
    composed = compose(ALEXIS)
    assert composed.subject == "Bienvenue Alexis GÜNST HORN !"
    assert composed.text.startswith(
        "Bienvenue Alexis GÜNST HORN !\n"
        "\n"
        "Merci de valider votre e-mail: https://example.org/api/validate?"
    )


def test_one_click_refuses_where_the_stage_wants_it() -> None:
    with_page = {"refuse_url": f"{BASE_URL}/refuse"}
    assert compose(ALEXIS, **with_page).unsubscribe_url == ""
    assert compose(ALEXIS, **with_page, has_one_click=True).unsubscribe_url == REFUSAL


def test_the_whole_mail_in_french() -> None:
    composed = compose(ALEXIS, code="123456", refuse_url=f"{BASE_URL}/refuse")
    assert composed.to == "alexis@example.org"
    assert composed.subject == "Bienvenue Alexis GÜNST HORN !"
    assert composed.text == (
        "Bienvenue Alexis GÜNST HORN !\n"
        "\n"
        f"Merci de valider votre e-mail: {LINK}\n"
        "\n"
        "Ou saisissez ce code sur la page d\u2019inscription\xa0: 123456\n"
        "\n"
        "Le lien est valable 24\xa0heures, le code 15\xa0minutes.\n"
        "\n"
        "Vous recevez cet e-mail car quelqu\u2019un, sans doute vous, a utilisé cette adresse "
        "pour s\u2019inscrire à Bienvenue.\n"
        "Si ce n\u2019était pas vous, ignorez cet e-mail\xa0: l\u2019inscription ne sera pas "
        "terminée.\n"
        "\n"
        "Ce n\u2019était pas moi\n"
        f"{REFUSAL}\n"
    )
    page = Page(composed.html)
    assert page.lang == "fr"
    assert page.title == "Bienvenue Alexis GÜNST HORN !"
    assert page.words == [
        "Votre code : 123456. Ou terminez votre inscription en un clic.",
        "Bienvenue",
        "Bienvenue Alexis GÜNST HORN !",
        "Merci de valider votre adresse e\u2011mail pour terminer votre inscription à Bienvenue.",
        "Valider mon adresse",
        "Ou saisissez ce code sur la page d\u2019inscription :",
        "123456",
        "Ou copiez ce lien dans votre navigateur :",
        LINK,
        "Le lien est valable 24 heures, le code 15 minutes.",
        (
            "Vous recevez cet e\u2011mail car quelqu\u2019un, sans doute vous, a utilisé cette "
            "adresse pour s\u2019inscrire à Bienvenue."
            "Si ce n\u2019était pas vous, ignorez cet e\u2011mail : l\u2019inscription ne sera pas "
            "terminée."
        ),
        "Ce n\u2019était pas moi",
    ]
    assert page.links == [LINK, LINK, REFUSAL]


def test_the_whole_mail_in_english() -> None:
    composed = named("Ada", "Lovelace", "en")
    assert composed.to == "alexis@example.org"
    assert composed.subject == "Confirm your email address for Bienvenue"
    assert composed.text == (
        "Welcome, Ada Lovelace!\n"
        "\n"
        f"Please confirm your email address: {LINK}\n"
        "\n"
        "The link works for 24\xa0hours.\n"
        "\n"
        "You received this email because someone, hopefully you, signed up for Bienvenue "
        "with this address.\n"
        "If it wasn\u2019t you, ignore this email: the sign-up will not be completed.\n"
    )
    page = Page(composed.html)
    assert page.lang == "en"
    assert page.title == "Confirm your email address for Bienvenue"
    assert page.words == [
        "One click completes your sign\u2011up. The link works for 24 hours.",
        "Bienvenue",
        "Welcome, Ada Lovelace!",
        "Please confirm your email address to complete your sign\u2011up for Bienvenue.",
        "Confirm my address",
        "Or copy this link into your browser:",
        LINK,
        "The link works for 24 hours.",
        (
            "You received this email because someone, hopefully you, signed up for Bienvenue "
            "with this address."
            "If it wasn\u2019t you, ignore this email: the sign\u2011up will not be completed."
        ),
    ]
    assert page.links == [LINK, LINK]


def test_the_code_is_in_every_part_that_is_seen_first() -> None:
    composed = compose(User("a@example.org", "Ada", "", "en"), code="123456")
    preheader = Page(composed.html).words[0]
    assert preheader == "Your code is 123456. Or complete your sign\u2011up with one click."
    assert "\nOr type this code on the page where you signed up: 123456\n" in composed.text
    assert "The link works for 24\xa0hours, the code for 15\xa0minutes." in composed.text
    assert "123456" not in composed.subject
    assert "code" not in compose(User("a@example.org", "Ada", "", "en")).text


def test_no_comment_of_ours_is_sent() -> None:
    for comment in re.findall("<!--.*?-->", compose(ALEXIS, code="123456").html, re.DOTALL):
        assert comment.startswith("<!--[if mso]>")
        assert comment.endswith("<![endif]-->")


@pytest.mark.parametrize(
    ("lang", "asked", "for_whom"),
    [("fr", "Une question", "à Acme <& Sons>."), ("en", "Questions?", "for Acme <& Sons> with")],
)
def test_a_stage_that_has_a_brand_shows_it(lang: str, asked: str, for_whom: str) -> None:
    composed = compose(User("alexis@example.org", "Alexis", "", lang), brand=ACME)
    plain = compose(User("alexis@example.org", "Alexis", "", lang))
    assert (ACME.product in composed.subject) is (lang == "en")
    assert for_whom in composed.text
    last_line = composed.text.rstrip("\n").rpartition("\n")[2]
    assert last_line.startswith(asked)
    assert last_line.endswith(" help+welcome@acme.example")

    page = Page(composed.html)
    assert page.images == [(ACME.logo_url, ACME.product)]
    assert page.links == [LINK, LINK, "mailto:help+welcome@acme.example"]
    assert " ".join(page.words[-2:]).replace("  ", " ") == last_line.replace("\xa0", " ")
    assert any(for_whom in words for words in page.words)
    assert "#ffee00" in composed.html
    assert "#ffee00" not in plain.html


def test_a_stage_without_a_brand_has_no_logo_and_no_support() -> None:
    page = Page(compose(ALEXIS).html)
    assert page.images == []
    assert "mailto" not in compose(ALEXIS).html


@pytest.mark.parametrize(
    ("lang", "default_lang", "greeting"),
    [
        ("en", "fr", "Welcome, Alexis!"),
        ("fr", "en", "Bienvenue Alexis !"),
        ("", "en", "Welcome, Alexis!"),
        ("tlh", "en", "Welcome, Alexis!"),
        ("EN", "fr", "Welcome, Alexis!"),
        ("en_IE.UTF-8", "fr", "Welcome, Alexis!"),
        ("fr-CH", "en", "Bienvenue Alexis !"),
        ("en-" * 130_000, "fr", "Bienvenue Alexis !"),
        ("../../pages", "fr", "Bienvenue Alexis !"),
    ],
)
def test_the_language_is_the_users_or_else_the_stages(
    lang: str, default_lang: str, greeting: str
) -> None:
    composed = compose(User("a@example.org", "Alexis", "", lang), default_lang)
    assert composed.text.partition("\n")[0] == greeting


@pytest.mark.parametrize(
    ("prenom", "nom", "french", "english"),
    [
        pytest.param("Ada", "King", "Bienvenue Ada King !", "Welcome, Ada King!", id="both"),
        pytest.param("Ada", "", "Bienvenue Ada !", "Welcome, Ada!", id="a first name alone"),
        pytest.param("", "King", "Bienvenue King !", "Welcome, King!", id="a last name alone"),
        pytest.param("", "", "Bienvenue !", "Welcome!", id="none"),
        pytest.param(" ", "\t", "Bienvenue !", "Welcome!", id="spaces"),
        pytest.param(" Ada ", " King ", "Bienvenue Ada King !", "Welcome, Ada King!", id="spaced"),
        pytest.param("$link", "$$", "Bienvenue $link $$ !", "Welcome, $link $$!", id="dollars"),
        pytest.param("محمد", "علي", "Bienvenue محمد علي !", "Welcome, محمد علي!", id="Arabic"),
    ],
)
def test_a_greeting_reads_well_with_any_names_or_none(
    prenom: str, nom: str, french: str, english: str
) -> None:
    for greeting, lang in ((french, "fr"), (english, "en")):
        composed = named(prenom, nom, lang)
        assert composed.text.partition("\n")[0] == greeting
        assert greeting in Page(composed.html).words
    assert named(prenom, nom).subject == french
    assert Page(named(prenom, nom).html).title == french


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("https://evil.example", id="a URL"),
        pytest.param("You won! evil.example", id="a message with a host"),
        pytest.param("Ada\r\nBcc: you@example.org", id="a header"),
        pytest.param("\u202egnp.exe", id="turned round"),
        pytest.param("n" * 65, id="too long"),
    ],
)
def test_what_another_writer_put_and_is_no_name_is_left_out(name: str) -> None:
    assert named(name, "King").subject == "Bienvenue King !"
    assert named("Ada", name).subject == "Bienvenue Ada !"
    assert named(name, name).subject == "Bienvenue !"
    assert name not in named(name, name).text
    assert name not in named(name, name).html


def test_markup_in_a_name_is_text_in_every_part() -> None:
    composed = named("<b>Ada</b>", "&amp; \"'<script>")
    assert composed.subject == "Bienvenue <b>Ada</b> &amp; \"'<script> !"
    page = Page(composed.html)
    assert "Bienvenue <b>Ada</b> &amp; \"'<script> !" in page.words
    assert not {"b", "script"} & set(page.elements)


@pytest.mark.parametrize(
    ("prenom", "nom", "subject"),
    [
        ("n" * 48, "", f"Bienvenue {'n' * 48} !"),
        ("n" * 24, "n" * 24, "Bienvenue !"),
        ("Ana Maria", "de la Cruz", "Bienvenue Ana Maria de la Cruz !"),
        ("CONGRATULATIONS YOU WON", "reply to us", "Bienvenue !"),
        ("R.Selvan", "", "Bienvenue R.Selvan !"),
        ("\u2068Ana\u2069", "\u3164", "Bienvenue Ana !"),
        ("Ana", "evil.com", "Bienvenue Ana !"),
    ],
)
def test_a_name_that_fits_a_subject_is_greeted(prenom: str, nom: str, subject: str) -> None:
    composed = named(prenom, nom)
    assert composed.subject == subject
    assert subject in Page(composed.html).words
    assert composed.text.partition("\n")[0] == subject


def test_400_kilobytes_in_an_item_cost_under_10_milliseconds() -> None:
    named("Ana", "")
    for text in ("\u0301" * 200_000, "\u3164" * 130_000, "a.b" * 130_000, "\u2068" * 130_000):
        started = time.process_time()
        compose(User("a@example.org", text, text, text))
        assert time.process_time() - started < 0.01


def test_two_halves_of_a_telephone_number_are_left_out() -> None:
    assert named("Call 0800", "1234 now").subject == "Bienvenue !"


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(["fr", "en"]))
def test_no_name_changes_more_than_the_greeting(prenom: str, nom: str, lang: str) -> None:
    full_name = f"{person_name.safe(prenom)} {person_name.safe(nom)}".strip()
    if not person_name.fits_subject(full_name) or sum(map(str.isdigit, full_name)) > 4:
        full_name = ""
    composed, plain = named(prenom, nom, lang), named("Ada" if full_name else "", "", lang)

    assert len(composed.subject.splitlines()) == 1
    assert full_name in composed.text.partition("\n")[0]
    assert composed.text.split("\n")[1:] == plain.text.split("\n")[1:]
    page, plain_page = Page(composed.html), Page(plain.html)
    assert page.elements == plain_page.elements
    assert page.links == plain_page.links
    assert len(page.words) == len(plain_page.words)


@pytest.mark.parametrize(
    ("email", "to"),
    [
        pytest.param("a+b@example.org", "a+b@example.org", id="a plus"),
        pytest.param("Alexis@Example.org", "Alexis@Example.org", id="mixed case"),
        pytest.param("a@xn--bcher-kva.example", "a@xn--bcher-kva.example", id="punycode"),
        pytest.param("Ada@Bücher.example", "Ada@xn--bcher-kva.example", id="an IDN as it was put"),
        pytest.param("o'neil&co@example.org", "o'neil&co@example.org", id="punctuation"),
    ],
)
def test_every_link_in_the_mail_carries_the_key_as_it_is_stored(email: str, to: str) -> None:
    composed = compose(User(email, "Alexis", "", "fr"))
    assert composed.to == to
    in_text = composed.text.split("\n")[2].rpartition(" ")[2]
    for link in (in_text, *Page(composed.html).links[:2]):
        assert link is not None
        assert parse_qs(urlsplit(link).query) == {"email": [email], "token": [TOKEN]}


@pytest.mark.parametrize("key", ["alexis", "élan@example.org", "a@example.org\nBcc: b@example.org"])
def test_a_key_that_no_mail_can_go_to_gets_none(key: str) -> None:
    with pytest.raises(AddressError):
        compose(User(key, "Alexis", "", "fr"))


def composed_as(kind: MailKind, brand: Brand = UNBRANDED) -> Mail:
    return message.compose(
        User("alexis@example.org", "Alexis", "", "en"),
        TOKEN,
        kind=kind,
        templates=TEMPLATES,
        base_url=BASE_URL,
        default_lang="en",
        brand=brand,
        refuse_url=f"{BASE_URL}/refuse",
    )


def test_a_reminder_has_its_link_and_a_way_to_say_no() -> None:
    mail = composed_as(MailKind.REMINDER)
    assert mail.subject == "Reminder: confirm your email address for Bienvenue"
    assert mail.text == (
        "Welcome, Alexis!\n\n"
        "Your sign-up for Bienvenue is not complete yet. Please confirm your email address:"
        f" {LINK}\n\n"
        "The link works for 24\xa0hours. We will not remind you again.\n\n"
        "You received this email because someone, hopefully you, signed up for Bienvenue with this"
        " address.\n"
        "If it wasn\u2019t you, ignore this email: the sign-up will not be completed.\n\n"
        f"This wasn\u2019t me\n{REFUSAL}\n"
    )
    assert Page(mail.html).links == [LINK, LINK, REFUSAL]


def test_a_welcome_has_a_way_to_say_no_and_nothing_else() -> None:
    mail = composed_as(MailKind.WELCOME)
    assert mail.subject == "Welcome to Bienvenue"
    assert mail.text == (
        "Welcome, Alexis!\n\n"
        "Your email address is confirmed and your sign-up for Bienvenue is complete.\n\n"
        "You received this email because you confirmed this address for Bienvenue.\n\n"
        f"This wasn\u2019t me\n{REFUSAL}\n"
    )
    assert Page(mail.html).links == [REFUSAL]


def test_a_welcome_leads_to_the_product() -> None:
    mail = composed_as(MailKind.WELCOME, Brand(product="Acme", continue_url="https://acme.example"))
    assert "\n\nGo to Acme\nhttps://acme.example\n\n" in mail.text
    assert Page(mail.html).links == ["https://acme.example", REFUSAL]


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("lang", sorted(TEMPLATES.languages))
def test_each_kind_of_mail_is_whole_in_each_language(lang: str, kind: MailKind) -> None:
    user = User("alexis@example.org", "Alexis", "", lang)
    mail = message.compose(
        user, TOKEN, kind=kind, templates=TEMPLATES, base_url=BASE_URL, default_lang="en"
    )
    assert "$" not in mail.text + mail.html
    assert "\n\n\n" not in mail.text
    assert f'<html lang="{lang}"' in mail.html
