"""Input of real people and programs, by request, form, query and item."""

import re
from typing import Any

import pytest

from tests.support import fakes
from tests.support.service import BASE_URL, BROWSER, FORM, JSON, Browser, Service

SENT_AND_STORED = pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"prenom": "K.Ramesh"}, {"prenom": "K.Ramesh"}),
        ({"prenom": "Sita @ Kala"}, {"prenom": "Sita @ Kala"}),
        ({"prenom": "\u2068Ana\u2069"}, {"prenom": "Ana"}),
        ({"prenom": "\ufa11\u5c71"}, {"prenom": "\ufa11\u5c71"}),
        ({"prenom": "\u3164"}, {"prenom": None}),
        ({"email": "\u200bMAILTO:ada@example.org\u200f"}, {}),
        ({"email": "ada\uff20example\uff0eorg"}, {}),
        ({"lang": "en_US.UTF-8"}, {"lang": "en"}),
        ({"lang": "fr-Latn-CH"}, {"lang": "fr"}),
        ({"lang": "tlh"}, {"lang": "fr"}),
    ],
)


@SENT_AND_STORED
@pytest.mark.parametrize("door", ["post_json", "post_form"])
def test_a_sign_up_is_taken_as_people_type_it(
    service: Service, door: str, sent: dict[str, str], stored: dict[str, Any]
) -> None:
    answer = getattr(service, door)(
        "/users", {"email": "ada@example.org", "nom": "Lovelace", **sent}, Accept=JSON
    )
    assert answer.status_code == 202
    item = service.item("ada@example.org")
    assert {name: item.get(name, {}).get("S") or None for name in stored} == stored


@pytest.mark.parametrize(
    ("put", "subject"),
    [
        ({"prenom": "K.Ramesh"}, "Bienvenue K.Ramesh Lovelace !"),
        ({"prenom": "\u2068Ana\u2069"}, "Bienvenue Ana Lovelace !"),
        ({"prenom": "\u3164"}, "Bienvenue Lovelace !"),
        ({"prenom": "Sita @ Kala"}, "Bienvenue Sita @ Kala Lovelace !"),
        ({"prenom": "\ufa11\u5c71"}, "Bienvenue \ufa11\u5c71 Lovelace !"),
        ({"prenom": "St\uff0eJohn"}, "Bienvenue St\uff0eJohn Lovelace !"),
        ({"prenom": "Lia.it"}, "Bienvenue Lovelace !"),
        ({"prenom": "Ana", "lang": "tlh"}, "Bienvenue Ana Lovelace !"),
        ({"prenom": "see evil.com"}, "Bienvenue Lovelace !"),
        ({"prenom": "YOU WON", "nom": "write to us at once"}, "Bienvenue !"),
        ({"prenom": "Ana", "lang": "fr_CA"}, "Bienvenue Ana Lovelace !"),
    ],
)
def test_another_programs_item_is_greeted_as_a_sign_up(
    service: Service, put: dict[str, str], subject: str
) -> None:
    item = {"email": "ada@example.org", "nom": "Lovelace", **put}
    service.put({name: {"S": value} for name, value in item.items()})
    service.deliver()
    assert service.mails[0]["Content"]["Simple"]["Subject"]["Data"] == subject


def test_another_programs_language_is_looked_up(service: Service) -> None:
    service.put({"email": {"S": "ada@example.org"}, "lang": {"S": "en_ZA.UTF-8"}})
    service.deliver()
    text = service.mails[0]["Content"]["Simple"]["Body"]["Text"]["Data"]
    assert text.startswith("Welcome!")
    answer = service.open(service.link(), Accept=BROWSER)
    assert answer.headers["Content-Language"] == "en"


@pytest.mark.parametrize(
    ("email", "error"),
    [
        ("ada@example.nope", "address_domain_unknown"),
        ("mailto:ada@example.o", "address_domain_unknown"),
        ("\uff41d\u200ba\uff20example.org", "address_invisible_character"),
        ("a\u200bda@example.org", "address_invisible_character"),
    ],
)
def test_no_mail_goes_to_an_item_without_an_address(
    service: Service, email: str, error: str
) -> None:
    service.put({"email": {"S": email}})
    service.deliver()
    assert service.mails == []
    assert service.item(email)["mail_error"] == {"S": error}


ADDED = pytest.mark.parametrize(
    "key",
    [
        "mailto:Zoe.Q@example.org",
        "\u2060\u202aZoe.Q@example.org\u202c",
        "\uff3aoe.Q\uff20example\uff0eorg",
        "\u3000Zoe.Q@example.org\r\n",
        "Zoe.Q@example.org \t",
        "MAILTO:Zoe%2EQ%40example.org",
        pytest.param(f"mailto:Zoe.Q@example.org?subject={'x' * 900}", id="with a subject"),
        pytest.param(f"{' ' * 2031}Zoe.Q@example.org", id="as long as a key may be"),
    ],
)
"""Keys of another program, all for Zoe.Q@example.org."""


def put_and_deliver(service: Service, key: str) -> str:
    service.put({"email": {"S": key}, "lang": {"S": "en"}})
    service.deliver()
    assert service.item(key)["mail"] == {"S": "sent"}
    return service.link()


@ADDED
def test_an_item_is_mailed_at_the_address_in_its_key(service: Service, key: str) -> None:
    link = put_and_deliver(service, key)
    assert service.mails[-1]["Destination"]["ToAddresses"] == ["Zoe.Q@example.org"]
    assert service.open(link).json_body["status"] == "validated"
    assert "validated_at" in service.item(key)


@ADDED
@pytest.mark.parametrize("press", ["validate", "refuse", "resend"])
def test_a_button_finds_an_item_whose_key_has_more(service: Service, key: str, press: str) -> None:
    link = put_and_deliver(service, key)
    browser = Browser(service)
    if press == "resend":
        service.clock.go_by(hours=25)
    page = browser.open(link.replace("/validate", "/refuse") if press == "refuse" else link)
    assert ">Zoe.Q@example.org<" in page.body.decode()
    browser.press(page)
    done = {"validate": "validated_at", "refuse": "mail", "resend": "owed"}[press]
    assert done in service.item(key)
    assert service.item(key)["mail"]["S"] == {"refuse": "refused", "resend": "owed"}.get(
        press, "sent"
    )


@ADDED
@pytest.mark.parametrize("report", ["bounce", "complaint", "delivery"])
def test_a_report_finds_an_item_whose_key_has_more(service: Service, key: str, report: str) -> None:
    put_and_deliver(service, key)
    mail = service.mails[-1]
    tags = {tag["Name"]: [tag["Value"]] for tag in mail["EmailTags"]}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value) for (value,) in tags.values())
    message = getattr(fakes, report)(*mail["Destination"]["ToAddresses"])
    message["mail"]["tags"] = tags
    service.report(message)
    states = {"bounce": "bounced", "complaint": "complained", "delivery": "delivered"}
    assert service.item(key)["mail"] == {"S": states[report]}


@ADDED
def test_a_refusal_covers_keys_with_additions(service: Service, key: str) -> None:
    put_and_deliver(service, "zoe.q@example.org")
    link = service.link().removeprefix(BASE_URL)
    query = link.partition("?")[2]
    service.request("POST", f"/refuse?{query}", b"List-Unsubscribe=One-Click", FORM)
    service.put({"email": {"S": key}})
    service.deliver()
    assert service.item(key)["mail"] == {"S": "refused"}
    assert len(service.mails) == 1


@pytest.mark.parametrize("tag", ["Zm9v", "!", "_", "gA"])
def test_a_report_with_a_strange_key_touches_nobody(service: Service, tag: str) -> None:
    put_and_deliver(service, "mailto:zoe@example.org")
    message = fakes.bounce("other@example.org")
    message["mail"]["tags"] = {"link": [service.link_hash], "key": [tag]}
    service.report(message)
    tags = {tag["Name"]: [tag["Value"]] for tag in service.mails[-1]["EmailTags"]}
    message["mail"]["tags"] = tags  # the right key, but SES mailed another address
    service.report(message)
    assert service.item("mailto:zoe@example.org")["mail"] == {"S": "sent"}


@pytest.mark.parametrize(
    ("path", "headers", "lang"),
    [
        ("/?lang=en_GB", {}, "en"),
        ("/?lang=EN", {}, "en"),
        ("/?lang=tlh", {}, "fr"),
        ("/", {"Accept-Language": "en_US"}, "en"),
        ("/", {"Accept-Language": "tlh, en-ZA;q=0.3"}, "en"),
    ],
)
def test_a_page_speaks_the_language_that_is_asked_for(
    service: Service, path: str, headers: dict[str, str], lang: str
) -> None:
    assert service.get(path, **headers).headers["Content-Language"] == lang


@pytest.mark.parametrize(
    ("email", "meant"), [("ada@gmial.com", "ada@gmail.com"), ("ada@example.org", None)]
)
def test_a_typo_in_a_big_domain_is_noticed(service: Service, email: str, meant: str | None) -> None:
    """The answer depends on the request alone, and the address is signed up all the same."""
    for _ in range(2):
        answer = service.post_json("/users", {"email": email, "nom": "Lovelace"})
        assert (answer.status_code, answer.json_body.get("did_you_mean")) == (202, meant)
    page = service.post_form("/users", {"email": email, "nom": "Lovelace"}, Accept=BROWSER)
    assert ("Vouliez\u2011vous dire" in page.body.decode()) is bool(meant)
    assert (f'value="{meant}"' in page.body.decode()) is bool(meant)
    assert service.item(email)["mail"] == {"S": "owed"}


@pytest.mark.parametrize("extra", ["&", "&&", "&prenom", "&lang=&"])
def test_a_form_may_have_empty_parts(service: Service, extra: str) -> None:
    form = f"email=ada%40example.org&nom=Lovelace{extra}"
    answer = service.request("POST", "/users", form.encode(), "application/x-www-form-urlencoded")
    assert answer.status_code == 202
    assert service.item("ada@example.org")["nom"] == {"S": "Lovelace"}


def test_a_text_browser_gets_the_page(service: Service) -> None:
    answer = service.get(
        "/validate?email=a&token=b", Accept="text/html, text/*;q=0.5, image/*, application/*"
    )
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("after", [".", ")", "%3E", "%0A", "&gt;", "&utm_source=mail"])
def test_a_link_with_something_after_it_works(service: Service, after: str) -> None:
    service.post_json("/users", {"email": "a+b@example.org", "nom": "Lovelace"})
    service.deliver()
    link = service.link()
    assert "@" not in link
    assert service.open(link + after).json_body["status"] == "validated"


@pytest.mark.parametrize(
    ("mailed", "opened"), [("%40", "@"), ("%40", "%2540"), ("&", "&amp;"), ("%2B", "+")]
)
def test_a_damaged_link_works(service: Service, mailed: str, opened: str) -> None:
    service.post_json("/users", {"email": "a+b@example.org", "nom": "Lovelace"})
    service.deliver()
    link = service.link().replace(mailed, opened)
    assert service.open(link).json_body["status"] == "validated"
