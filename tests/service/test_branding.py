"""A stage's own looks, words and return pages, without a line of code."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from chalice.test import HTTPResponse

from chalicelib import templates
from chalicelib.settings import SettingsError
from tests.support.service import (
    ALEXIS,
    BASE_URL,
    BROWSER,
    FORM,
    Browser,
    Service,
    running,
    signed_up,
    subject,
    text,
)

AFTER = "https://app.example.com/start?from=mail#top"
BRAND = {
    "PRODUCT_NAME": "Acme & Söhne",
    "ACCENT_COLOUR": "#C2185B",
    "LOGO_URL": "https://cdn.example.org/logo.svg",
    "SUPPORT_ADDRESS": "help@example.org",
}
TYPED = {"email": "Zoe+x@Example.org", "prenom": "Zoë", "nom": 'O\'Neill & "Co" <b>'}


def policy(answer: HTTPResponse) -> str:
    return answer.headers["Content-Security-Policy"]


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of a form that carries what was typed, and of no other page."""
    form = page.partition(f'<form method="post" action="{BASE_URL}/">')[2].partition("</form>")[0]
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="(.*?)">', form)
    return {name: html.unescape(value) for name, value in fields if name != "show"}


# Product, colour, logo, support


def test_a_stages_brand_is_on_its_pages_and_in_its_mails() -> None:
    with running(**BRAND) as service:
        page = service.get("/", accept=BROWSER)
        signed_up(service)
        mail = service.mails[0]["Content"]["Simple"]["Body"]["Html"]["Data"]
        for shown in (page.body.decode(), mail):
            assert "Acme &amp; Söhne" in shown
            assert "#c2185b" in shown
            assert 'src="https://cdn.example.org/logo.svg"' in shown
            assert 'href="mailto:help@example.org"' in shown
        assert "img-src data: https://cdn.example.org;" in policy(page)
        assert "à Acme & Söhne." in text(service)
        assert text(service).endswith("help@example.org\n")


def test_a_mail_says_from_whom_it_is_and_where_an_answer_goes() -> None:
    with running(MAIL_FROM_NAME='Acme "& Co"', MAIL_REPLY_TO="answers@example.org") as service:
        signed_up(service)
        (mail,) = service.mails
        assert mail["FromEmailAddress"] == r'"Acme \"& Co\"" <hello@example.org>'
        assert mail["ReplyToAddresses"] == ["answers@example.org"]


def test_a_mail_is_from_the_product_where_no_other_name_is_set() -> None:
    with running(PRODUCT_NAME="Söhne") as service:
        signed_up(service)
        assert service.mails[0]["FromEmailAddress"] == "=?utf-8?b?U8O2aG5l?= <hello@example.org>"


# Where to go after validation


def test_only_browsers_are_sent_on_after_validation() -> None:
    with running(AFTER_VALIDATION_URL=AFTER) as service:
        browser = Browser(service)
        browser.sign_up()
        link = service.link()
        for _ in ("the first click", "the second"):
            answer = browser.open(link)
            assert (answer.status_code, answer.headers["Location"]) == (303, AFTER)
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.body.startswith(b"<!doctype html>")
        assert "validated_at" in service.item("alexis@example.org")
        assert service.open(link).json_body["status"] == "already_validated"
        assert "form-action https://hello.example.org https://app.example.com;" in policy(answer)


def test_nobody_is_sent_on_whose_link_does_not_work() -> None:
    with running(AFTER_VALIDATION_URL=AFTER) as service:
        link = signed_up(service)
        service.clock.go_by(hours=24)
        for url, status in ((link, 410), (f"{BASE_URL}/validate?email=a&token=b", 400)):
            answer = service.open(url, accept=BROWSER)
            assert answer.status_code == status
            assert "Location" not in answer.headers


def test_a_cautious_stage_sends_people_on_from_its_button_only() -> None:
    with running(AFTER_VALIDATION_URL=AFTER, VALIDATE_ON_GET="false") as service:
        link = signed_up(service)
        assert service.open(link, accept=BROWSER).status_code == 200
        fields = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        answer = service.post_form("/validate", fields, accept=BROWSER)
        assert (answer.status_code, answer.headers["Location"]) == (303, AFTER)


def test_no_request_chooses_where_it_is_sent_on_to() -> None:
    with running() as service:
        link = signed_up(service)
        evil = "&next=https%3A%2F%2Fevil.example&after=https%3A%2F%2Fevil.example"
        answer = service.open(link + evil, accept=BROWSER)
        assert answer.status_code == 200
        assert "Location" not in answer.headers
        assert b"evil" not in answer.body


# Templates


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with templates of a stage's own in chalicelib/brands/acme."""
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    for name, content in {
        "words/fr.json": '{"mail_subject": "$product : $greeting", "validated_title": "Entrez"}',
        "pages/validated.html": "<h1>$validated_title</h1><p>$product</p>\n",
    }.items():
        path = tmp_path / "chalicelib/brands/acme" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("package")
def test_a_stage_may_have_templates_of_its_own() -> None:
    with running(TEMPLATES_FOLDER="chalicelib/brands/acme", PRODUCT_NAME="Acme") as service:
        browser = Browser(service)
        browser.sign_up()
        assert subject(service) == "Acme : Bienvenue Alexis GÜNST HORN !"
        assert text(service).startswith("Bienvenue Alexis GÜNST HORN !\n")
        page = browser.open(service.link()).body.decode()
        assert "<h1>Entrez</h1><p>Acme</p>" in page
    with running() as service:
        signed_up(service)
        assert subject(service) == "Bienvenue Alexis GÜNST HORN !"


def test_a_stages_own_language_is_in_all_that_it_says(package: Path) -> None:
    folder = package / "chalicelib/brands/acme"
    names = {"fr": "Français", "eo": "Esperanto", "de-x-formal": "Deutsch (Sie)"}
    (folder / "languages.json").write_text(json.dumps(names))
    (folder / "words/eo.json").write_text(
        '{"sign_up_title": "Registriĝo", "mail_subject": "Konfirmu"}'
    )
    with running(TEMPLATES_FOLDER="chalicelib/brands/acme") as service:
        description = service.get("/openapi.json").json_body
        header = description["components"]["headers"]["Content-Language"]
        assert header["schema"]["enum"] == ["de-x-formal", "eo", "fr"]
        page = service.get("/", accept=BROWSER, accept_language="eo").body.decode()
        assert "<h1>Registriĝo</h1>" in page
        assert re.findall(r'hreflang="(.*?)"', page) == ["fr", "de-x-formal"]
        signed_up(service, lang="eo")
        assert subject(service) == "Konfirmu"
        signed_up(service, email="b@example.org", lang="de-x-formal")
        assert subject(service) == "Bestätigen Sie Ihre E-Mail-Adresse für Bienvenue"


def test_a_stage_whose_templates_cannot_be_used_does_not_start(package: Path) -> None:
    (package / "chalicelib/brands/acme/mail/fr").mkdir(parents=True)
    (package / "chalicelib/brands/acme/mail/fr/objet.txt").touch()
    for folder, told in (
        ("chalicelib/brands/acme", "has mail/fr/objet.txt, but there is no such template"),
        ("chalicelib/brands/nobody", "must be a folder in chalicelib/"),
    ):
        with pytest.raises(SettingsError, match=f"TEMPLATES_FOLDER {told}"):
            running(TEMPLATES_FOLDER=folder).__enter__()


# Mending what was typed, in any language


def test_a_typo_is_mended_in_a_form_that_has_all_that_was_typed(service: Service) -> None:
    sent = service.post_form("/users", TYPED, accept=BROWSER, accept_language="en")
    assert sent.status_code == 202
    assert hidden(sent.body.decode()) == TYPED

    calls = len(service.calls)
    fields = {**hidden(sent.body.decode()), "lang": "en"}
    form = service.post_form("/", fields, accept=BROWSER, accept_language="fr")
    assert (form.status_code, form.headers["Content-Language"]) == (200, "en")
    assert hidden(form.body.decode()) == TYPED
    for value in TYPED.values():
        assert f'value="{html.escape(value)}"' in form.body.decode()
    assert len(service.calls) == calls


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"email=a&email=b",
        b"email=%00%0d%0a&nom=%22%3E%3Cscript%3E",
        b"website=x&role=admin",
        b"lang=tlh&lang=fr",
    ],
)
def test_the_form_takes_whatever_is_sent_to_be_mended(service: Service, body: bytes) -> None:
    answer = service.request("POST", "/", body, FORM, accept=BROWSER)
    assert answer.status_code == 200
    assert b"<script" not in answer.body
    assert service.calls == []


def test_the_address_can_be_fixed_after_a_second_mail(
    service: Service,
) -> None:
    signed_up(service)
    again = service.post_form("/resend", {"email": ALEXIS["email"]}, accept=BROWSER)
    assert hidden(again.body.decode()) == {"email": ALEXIS["email"], "prenom": "", "nom": ""}


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_a_language_that_was_chosen_follows_the_person(service: Service, lang: str) -> None:
    other = {"fr": "en", "en": "fr"}[lang]
    page = service.get(f"/?lang={lang}", accept=BROWSER, accept_language=other)
    assert f'<input type="hidden" name="lang" value="{lang}">' in page.body.decode()

    sent = service.post_form(
        "/users", {**ALEXIS, "lang": lang}, accept=BROWSER, accept_language=other
    )
    assert sent.headers["Content-Language"] == lang
    assert f'<input type="hidden" name="lang" value="{lang}">' in sent.body.decode()
    service.deliver()
    assert subject(service).startswith({"fr": "Bienvenue", "en": "Confirm"}[lang])

    service.clock.go_by(hours=24)
    expired = service.open(f"{service.link()}&lang={lang}", accept=BROWSER, accept_language=other)
    assert expired.headers["Content-Language"] == lang
    assert f'<input type="hidden" name="lang" value="{lang}">' in expired.body.decode()
