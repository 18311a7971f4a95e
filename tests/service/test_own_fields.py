"""A stage's own fields: on the page, in JSON, and the user's by the click."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from chalicelib.own_fields import digest
from chalicelib.settings import SettingsError
from chalicelib.users.email_address import MAX_LENGTH
from tests.support import fakes, own_fields
from tests.support.own_fields import ANSWERS, DEFINITION
from tests.support.service import ALEXIS, BROWSER, LIMITS, Browser, Service, running
from tests.support.stores import plain

EMAIL = ALEXIS["email"]
TERMS = DEFINITION["terms"]["label"]
NEWS = f"{DEFINITION['news']['label']['en']}\n{DEFINITION['news']['hint']['en']}"
SOURCE = {"utm_source": "mail", "ref": "friend"}


def item(service: Service) -> dict[str, Any]:
    return plain(service.item(EMAIL))


# Stages of other settings, before the one that the other tests share


def test_a_stage_without_fields_shows_and_stores_nothing_of_them() -> None:
    with running() as service:
        page = service.get("/?utm_source=x&company=y", accept=BROWSER).body.decode()
        assert not re.search("own-|select|utm_|company|hidden.*consent", page)
        service.post_form("/users", {**ALEXIS, **ANSWERS, **SOURCE}, user_agent="Firefox")
        service.deliver()
        service.open(service.link())
        assert service.calls.count("dynamodb.UpdateItem") == len(service.calls) - 1
        assert not {"fields", "consent", "validated_from"} & {*item(service)}


def test_no_sender_is_kept_unless_the_stage_says_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with own_fields.serving(tmp_path_factory.mktemp("package")) as service:
        service.post_json("/users", {**ALEXIS, **ANSWERS}, user_agent="Firefox")
        service.deliver()
        service.open(service.link(), user_agent="Firefox")
        stored = item(service)
        assert {*stored["consent"]["terms"]} == {"text", "lang", "at"}
        assert "validated_from" not in stored


def test_a_stage_whose_fields_cannot_be_used_does_not_start(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path_factory.mktemp("package")
    own_fields.write(package, {"company": {"type": "txt"}})
    monkeypatch.setattr("chalicelib.templates.PACKAGE", package)
    with pytest.raises(SettingsError, match="'company' needs a type: text, choice, checkbox"):
        running(TEMPLATES_FOLDER=own_fields.FOLDER).__enter__()


def test_a_page_without_a_place_for_the_fields_is_refused(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path_factory.mktemp("package")
    own_fields.write(package)
    page = package / own_fields.FOLDER / "pages/sign_up.html"
    page.parent.mkdir()
    page.write_text("<form></form>")
    monkeypatch.setattr("chalicelib.templates.PACKAGE", package)
    with pytest.raises(
        SettingsError, match=r"TEMPLATES_FOLDER has a sign_up.html without \$own_fields"
    ):
        running(TEMPLATES_FOLDER=own_fields.FOLDER).__enter__()


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    package = tmp_path_factory.mktemp("package")
    settings = {"CONSENT_ADDRESS": "truncated", "CONSENT_USER_AGENT": "true", "DEFAULT_LANG": "en"}
    with own_fields.serving(package, **settings) as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Service:
    shared_service.forget()
    vars(shared_service.app.service).pop("users", None)  # which remembers the texts that it kept
    return shared_service


def inputs(page: str, form: str = "/users") -> dict[str, str]:
    """Return the tags of the named inputs of a form."""
    body = page.partition(f'{form}"')[2].partition("</form>")[0]
    tags = re.findall(r"<(?:input|select)[^>]*>", body)
    return {name[1]: tag for tag in tags if (name := re.search(r'name="(\w+)"', tag))}


def value(tag: str) -> str:
    found = re.search(r'value="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""


# The page


def test_the_page_shows_the_fields_in_their_order(service: Service) -> None:
    page = service.get("/", accept=BROWSER, accept_language="en").body.decode()
    assert [*inputs(page)][:10] == [
        *("lang", "email", "prenom", "nom", "company", "website", "plan", "beta", "terms", "news")
    ]
    assert 'autocomplete="organization"' in inputs(page)["company"]
    assert 'aria-required="true"' in inputs(page)["terms"]
    assert '<a href="https://acme.example/terms" target="_blank"' in page
    assert "As on your invoices." in page


def test_a_label_of_another_language_says_so(service: Service) -> None:
    page = service.get("/", accept=BROWSER, accept_language="de").body.decode()
    assert '<span lang="en" dir="auto">Company</span>' in page
    french = service.get("/", accept=BROWSER, accept_language="fr").body.decode()
    assert ">Entreprise" in french


def test_no_box_is_ticked_beforehand(service: Service) -> None:
    ticked = "beta=true&terms=true&news=true&company=Evil"
    page = service.get(f"/?{ticked}", accept=BROWSER, accept_language="en").body.decode()
    assert "checked" not in page
    assert "Evil" not in page


def test_problems_stand_beside_their_fields_and_in_the_summary(service: Service) -> None:
    fields = {**ALEXIS, "company": "x" * 41, "plan": "gold", "website": "a\nb"}
    answer = service.post_form("/users", fields, accept=BROWSER, accept_language="en")
    page = answer.body.decode()
    assert answer.status_code == 422
    assert 'id="own-company-error"' in page
    assert (
        '<a href="#own-company"><bdi>Company</bdi></a> \u2013 Shorten this to 40\u00a0characters.'
        in page
    )
    assert (
        '<a href="#own-plan"><bdi>Plan</bdi></a> \u2013 Choose one of the answers in the list.'
        in page
    )
    assert (
        '<a href="#own-terms"><bdi>I agree to the terms of use.</bdi></a> \u2013 Tick this box'
        in page
    )
    assert 'aria-describedby="own-company-error own-company-hint"' in inputs(page)["company"]
    assert value(inputs(page)["company"]) == "x" * 41
    assert service.calls == []


def test_a_page_that_comes_back_keeps_all_that_was_given(service: Service) -> None:
    terms, news = digest(TERMS["en"]), digest(NEWS)
    sent = {**ANSWERS, "terms": terms, "news": news, "website": 'https://a.example/"<b>'}
    answer = service.post_form("/users", {**sent, "email": "no"}, accept=BROWSER)
    page = answer.body.decode()
    assert value(inputs(page)["website"]) == sent["website"]
    assert '<option value="pro" selected>' in page
    for box in ("beta", "terms", "news"):
        assert "checked" in inputs(page)[box]


def test_another_text_than_the_one_agreed_to_is_not_ticked(service: Service) -> None:
    sent = {"terms": digest(TERMS["en"]), "news": "true", "beta": "true", "lang": "fr"}
    page = service.post_form("/", sent, accept=BROWSER).body.decode()
    assert "checked" not in inputs(page)["terms"]
    assert "checked" not in inputs(page)["news"]
    assert "checked" in inputs(page)["beta"]


def test_fixing_a_typo_keeps_all_that_was_given(service: Service) -> None:
    sent = {**ALEXIS, **ANSWERS, **SOURCE, "terms": digest(TERMS["en"])}
    page = service.post_form("/users", sent, accept=BROWSER, accept_language="en").body.decode()
    kept = {
        name: value(tag)
        for name, tag in inputs(
            page, 'id="typed" method="post" action="https://hello.example.org/api/'
        ).items()
    }
    assert sent.items() <= kept.items()
    form = service.post_form("/", {**kept, "lang": "en"}, accept=BROWSER).body.decode()
    assert "checked" in inputs(form)["terms"]
    assert value(inputs(form)["company"]) == "Acme"
    assert value(inputs(form)["ref"]) == "friend"


def test_sources_of_the_pages_address_go_along_unseen(service: Service) -> None:
    page = service.get("/?utm_source=a%26b&ref=x&gclid=1", accept=BROWSER).body.decode()
    assert (value(inputs(page)["utm_source"]), value(inputs(page)["ref"])) == ("a&b", "x")
    assert "gclid" not in page
    assert "/?utm_source=a%26b&amp;ref=x&amp;lang=fr" in page


# A sign-up, and its click


@pytest.mark.parametrize("as_form", [True, False])
def test_the_click_makes_the_values_the_users(service: Service, as_form: bool) -> None:
    sent = {**ALEXIS, **ANSWERS, **SOURCE}
    answer = (service.post_form if as_form else service.post_json)("/users", sent)
    assert answer.status_code == 202
    service.deliver()
    service.open(service.link())
    expected = {"company": "Acme", "plan": "pro", "beta": True, **SOURCE}
    assert item(service)["fields"] == expected
    assert {*item(service)["consent"]} == {"terms"}


def test_json_takes_true_and_false(service: Service) -> None:
    sent = {**ALEXIS, "company": "Acme", "terms": True, "news": False, "beta": False, "plan": None}
    assert service.post_json("/users", sent).status_code == 202
    assert item(service)["fields"] == {"company": "Acme"}
    assert {*item(service)["consent"]} == {"terms"}


def test_json_refuses_what_nobody_defined(service: Service) -> None:
    answer = service.post_json("/users", {**ALEXIS, **ANSWERS, "gclid": "1", "company": 7})
    errors = {error["pointer"]: error["code"] for error in answer.json_body["errors"]}
    assert errors == {"#/gclid": "field_unknown", "#/company": "field_not_text"}


def test_a_form_sent_twice_over_is_refused(service: Service) -> None:
    body = f"email={EMAIL}&company=A&company=B&terms=true".encode()
    answer = service.request("POST", "/users", body, "application/x-www-form-urlencoded")
    (error,) = answer.json_body["errors"]
    assert (error["code"], error["pointer"]) == ("field_repeated", "#/company")


def test_a_strangers_values_are_never_the_owners(service: Service) -> None:
    service.post_json("/users", {**ALEXIS, **ANSWERS})
    service.deliver()
    service.clock.go_by(minutes=2)
    service.post_json("/users", {**ALEXIS, "company": "Evil", "terms": True, "news": True})
    service.deliver()
    service.open(service.link(0))
    assert item(service)["fields"]["company"] == "Acme"
    assert {*item(service)["consent"]} == {"terms"}


def test_a_consent_keeps_what_was_shown_when_and_to_whom(service: Service) -> None:
    browser = Browser(service)
    given_at = service.clock.now().isoformat().removesuffix("+00:00") + ".000000Z"
    sent = {**ALEXIS, **ANSWERS, "news": digest(NEWS), "lang": "fr"}
    answer = service.post_form("/users", sent, accept=BROWSER, user_agent="Firefox\x07 1")
    browser.cookie = answer.headers["Set-Cookie"].partition(";")[0]
    service.deliver()
    service.clock.go_by(minutes=5)
    service.open(service.link(), user_agent="Mail App")
    sender = {"address": "127.0.0.0", "agent": "Firefox 1"}
    stored = item(service)
    assert stored["consent"] == {
        "terms": {"text": digest(TERMS["fr"]), "lang": "fr", "at": given_at, **sender},
        "news": {"text": digest(NEWS), "lang": "en", "at": given_at, **sender},
    }
    assert stored["validated_from"] == {"address": "127.0.0.0", "agent": "Mail App"}
    assert stored["validated_at"] > given_at
    limits = boto3.client("dynamodb").get_item(
        TableName=LIMITS, Key={"name": {"S": f"consent:{digest(NEWS)}"}}
    )["Item"]
    assert (limits["shown"]["S"], limits["lang"]["S"]) == (NEWS, "en")


@pytest.mark.parametrize("how", ["not me", "bounced", "complained"])
def test_what_nobody_confirmed_is_erased_with_the_address(service: Service, how: str) -> None:
    """In the item, its links and the limits: values, consents and their senders."""
    words = ("Secret Ltd", "Firefox 1", "127.0.0.0", "friend")
    sent = {**ALEXIS, **ANSWERS, "company": words[0], "news": True, "ref": words[3]}
    for minutes in (0, 2):
        service.clock.go_by(minutes=minutes)
        service.post_json("/users", sent, user_agent=words[1])
        service.deliver()
    assert all(word in str(service.items()) for word in words)
    if how == "not me":
        link = parse_qs(urlsplit(service.link()).query)
        service.post_json("/refuse", {name: given for name, (given,) in link.items()})
    elif how == "bounced":
        service.report(fakes.bounce(EMAIL, service.link_hash))
    else:
        service.report(fakes.complaint(EMAIL, service.link_hash))
    assert service.item(EMAIL)["mail"] == {"S": "refused" if how == "not me" else how}
    kept = str(service.items()) + str(boto3.client("dynamodb").scan(TableName=LIMITS)["Items"])
    assert not [word for word in words if word in kept]


def test_a_text_that_has_changed_must_be_read_again(service: Service) -> None:
    sent = {**ALEXIS, **ANSWERS, "terms": digest("An older text.")}
    answer = service.post_form("/users", sent, accept=BROWSER, accept_language="en")
    assert answer.status_code == 422
    page = answer.body.decode()
    assert "This text has changed since you opened the page." in page
    assert "checked" not in inputs(page)["terms"]
    assert service.calls == []


# What it costs


def test_each_sign_up_is_one_write_once_the_texts_are_kept(service: Service) -> None:
    service.post_json("/users", {**ALEXIS, **ANSWERS})
    assert service.calls == ["dynamodb.UpdateItem"] * 2, "the text, then the sign-up"
    service.calls.clear()
    service.post_json("/users", {**ALEXIS, **ANSWERS, "email": "other@example.org"})
    assert service.calls == ["dynamodb.UpdateItem"]


def test_the_longest_sign_up_fits_the_item(service: Service) -> None:
    email = "a" * 64 + "@" + ".".join(["b" * 60] * 3) + ".org"
    assert len(email) <= MAX_LENGTH
    sent = {"email": email, **ANSWERS, "website": "ä" * 200, "company": "é" * 40}
    assert service.post_json("/users", sent).status_code == 202
