"""A stage's settings: what each changes in the app, and what it says without."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.config import Config

from chalicelib import wiring
from chalicelib.mail import mail_exchange
from chalicelib.mail.drain import LOCK_LIFE, RUN_LIMIT
from chalicelib.mail.mail_exchange import NoSuchName
from chalicelib.mail.mailer import RATE_TRIES, RETRY_PAUSE, TIME_FOR_A_MAIL
from chalicelib.mail.ses import TRIES
from chalicelib.settings import SettingsError
from tests.e2e.stack import ROOT
from tests.support.service import ALEXIS, BROWSER, code_in_mail, running, signed_up, subject


def test_a_stage_may_speak_another_language_by_default() -> None:
    with running(DEFAULT_LANG="en") as service:
        signed_up(service)
        assert subject(service) == "Confirm your email address for Bienvenue"


def test_a_cautious_stage_validates_by_a_button_only() -> None:
    with running(VALIDATE_ON_GET="false") as service:
        link = signed_up(service)
        page = service.open(link, accept=BROWSER)
        assert page.status_code == 200
        assert service.open(link).json_body["status"] == "confirm"
        assert "validated_at" not in service.item("alexis@example.org")
        query = parse_qs(urlsplit(link).query)
        for field in ("email", "token"):
            assert f'name="{field}" value="{query[field][0]}"' in page.body.decode()
        form = {"email": query["email"][0], "token": query["token"][0], "lang": "fr"}
        done = service.post_form("/validate", form)
        assert (done.status_code, done.json_body["status"]) == (200, "validated")


@pytest.mark.parametrize("setting", ["true", "false"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec_purpose": "prefetch"},
        {"sec_purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"x_purpose": "preview"},
        {"x_moz": "prefetch"},
    ],
    ids=str,
)
def test_a_prefetch_never_validates(setting: str, headers: dict[str, str]) -> None:
    with running(VALIDATE_ON_GET=setting) as service:
        link = signed_up(service)
        service.calls.clear()
        for accept in ("", BROWSER):
            assert service.open(link, accept=accept, **headers).status_code == 200
        assert service.calls == []


@pytest.mark.parametrize(
    ("settings", "email", "status"),
    [
        ({"ALLOWED_DOMAINS": "acme.org acme.co.uk"}, "ada@mail.acme.org", 202),
        ({"ALLOWED_DOMAINS": "Acme.org"}, "ada@example.org", 422),
        ({"REFUSED_DOMAINS": "acme.org"}, "Ada@ACME.org", 422),
        ({"DISPOSABLE": "refuse"}, "ada@mailinator.com", 422),
        ({"DISPOSABLE": "allow"}, "ada@mailinator.com", 202),
    ],
)
def test_a_stage_may_refuse_domains(settings: dict[str, str], email: str, status: int) -> None:
    with running(**settings) as service:
        answer = service.post_json("/users", {**ALEXIS, "email": email})
        assert answer.status_code == status
        if status == 422:
            assert [cause["code"] for cause in answer.json_body["errors"]] == ["domain_refused"]
            assert answer.json_body["errors"][0]["pointer"] == "#/email"
            assert "UpdateItem" not in " ".join(service.calls)


@pytest.mark.parametrize("records", [[], NoSuchName(), ["."]])
def test_a_stage_may_ask_dns_before_it_mails(records: Any) -> None:
    def ask(name: str, record_type: str) -> list[str]:
        if name == "example.org":
            return ["mx.example.org."] if record_type == "MX" else []
        if isinstance(records, Exception):
            raise records
        return list(records)

    with pytest.MonkeyPatch.context() as patch, running(CHECK_DOMAIN="true") as service:
        patch.setattr(wiring, "ask_dns", ask)
        signed_up(service)
        service.post_json("/users", {**ALEXIS, "email": "ada@no-mail.org"})
        service.deliver()
        assert [mail["Destination"]["ToAddresses"] for mail in service.mails] == [
            ["alexis@example.org"]
        ]
        item = service.item("ada@no-mail.org")
        assert (item["mail"], item["mail_error"]) == ({"S": "failed"}, {"S": "takes no mail"})


def test_no_dns_is_asked_unless_the_stage_wants_it() -> None:
    def ask(*_: str) -> list[str]:
        raise AssertionError("DNS was asked")

    with pytest.MonkeyPatch.context() as patch, running() as service:
        patch.setattr(wiring, "ask_dns", ask)
        signed_up(service)
        assert len(service.mails) == 1


def test_a_stage_with_settings_missing_or_wrong_does_not_start() -> None:
    with pytest.raises(SettingsError) as refused, running(MAIL_FROM="", VALIDATE_ON_GET="perhaps"):
        pytest.fail("the app was imported")
    for name in ("MAIL_FROM is missing", "VALIDATE_ON_GET must be", "make deploy STAGE="):
        assert name in str(refused.value)


def test_every_call_ends_well_inside_its_functions_time() -> None:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))
    functions = config["lambda_functions"]
    timeouts = {name: function["lambda_timeout"] for name, function in functions.items()}
    write, send = slowest(wiring.DYNAMODB), slowest(wiring.SES)
    assert write <= timeouts["api_handler"] - 2
    assert write <= timeouts["record_mail_feedback"] / 3  # a few in a report
    connect: Any = wiring.SES
    # A claim; connections that fail and then SES's slowest answer; the record that it was sent.
    mail = write + (TRIES - 1) * connect.connect_timeout + send + write
    # DNS is asked only if CHECK_DOMAIN is on: an exchange, and two kinds of address.
    assert mail + 3 * mail_exchange.LIFETIME < TIME_FOR_A_MAIL
    assert (RATE_TRIES - 1) * (RETRY_PAUSE + send) < TIME_FOR_A_MAIL
    assert timeouts["send_validation_mail"] >= TIME_FOR_A_MAIL + 15
    assert RUN_LIMIT.total_seconds() + TIME_FOR_A_MAIL < timeouts["resend_owed_mail"]
    assert timeouts["resend_owed_mail"] < LOCK_LIFE.total_seconds()


@pytest.mark.parametrize(
    "code",
    ["TooManyRequestsException", "LimitExceededException", "SendingPausedException"],
)
def test_an_outage_of_ses_loses_no_mail_and_is_no_error(code: str) -> None:
    people = [f"user{number}@example.org" for number in range(5)]
    with running() as service:
        for email in people:
            service.post_json("/users", {**ALEXIS, "email": email})
        service.faults["SendEmail"] = code
        service.clock.go_by(seconds=1)
        service.deliver()
        for _ in range(3):
            service.clock.go_by(minutes=5)
            service.drain()
        service.faults.clear()
        service.mails.clear()
        service.clock.go_by(hours=1)
        service.drain()
        service.deliver()
        mailed = [mail["Destination"]["ToAddresses"][0] for mail in service.mails]
        assert sorted(mailed) == people
        assert {item["mail"]["S"] for item in service.items()} == {"sent"}


def slowest(config: Config) -> float:
    """Return the seconds that a call takes if every try of it hangs, with botocore's pauses.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
    """
    settings: Any = config
    tries = settings.retries["total_max_attempts"]
    assert settings.retries["mode"] == "standard"
    pauses = sum(min(2**number, 20) for number in range(tries - 1))
    return float(tries * (settings.connect_timeout + settings.read_timeout) + pauses)


SHOP = "https://shop.example"


def test_an_allowed_origin_signs_up_and_reads_every_answer() -> None:
    with running(ALLOWED_ORIGINS=f"https://blog.example {SHOP}") as service:
        headers = {"origin": SHOP, "sec_fetch_site": "cross-site"}
        for answer in (
            service.post_json("/users", ALEXIS, **headers),
            service.post_json("/users", {}, **headers),
            service.post_json("/resend", {"email": ALEXIS["email"]}, **headers),
            service.get("/validate", **headers),
            service.request("DELETE", "/users", **headers),
        ):
            assert answer.status_code != 403
            assert answer.headers["Access-Control-Allow-Origin"] == SHOP
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"


def test_an_origin_that_is_not_allowed_can_read_and_do_nothing() -> None:
    with running(ALLOWED_ORIGINS=SHOP) as service:
        for origin in ("https://evil.example", "null", f"{SHOP}.evil.example", ""):
            headers = {"origin": origin, "sec_fetch_site": "cross-site"}
            answer = service.post_json("/users", ALEXIS, **headers)
            assert answer.status_code == 403
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "site", "attributes"),
    [
        pytest.param(SHOP, "cross-site", "SameSite=None; Secure", id="another site"),
        pytest.param(SHOP.upper(), "cross-site", "SameSite=None; Secure", id="in capitals"),
        pytest.param(SHOP, "same-site", "SameSite=Lax; Secure", id="the same site"),
        pytest.param("null", "same-origin", "SameSite=Lax; Secure", id="our own page"),
        pytest.param("", "", "SameSite=Lax; Secure", id="no browser"),
        pytest.param("https://form.example", "cross-site", "SameSite=None; Secure", id="a form's"),
    ],
)
def test_a_named_origin_of_another_site_keeps_the_ticket(
    origin: str, site: str, attributes: str
) -> None:
    """Such a browser sends the cookie back, also to a stage on this machine."""
    returns = "https://form.example/"
    with running(ALLOWED_ORIGINS=SHOP, RETURN_URLS=returns) as service:
        answer = service.post_json("/users", ALEXIS, origin=origin, sec_fetch_site=site)
        assert answer.headers["Set-Cookie"].endswith(f"; Path=/; HttpOnly; {attributes}")
        is_embedded = answer.headers["Set-Cookie"].startswith("__Host-bienvenue-embedded=")
        assert is_embedded == (site == "cross-site")
    local = "http://127.0.0.1:8400/api"
    with running(ALLOWED_ORIGINS=SHOP, RETURN_URLS=returns, BASE_URL=local) as service:
        answer = service.post_json("/users", ALEXIS, origin=origin, sec_fetch_site=site)
        here = attributes.replace("Lax; Secure", "Lax")
        assert answer.headers["Set-Cookie"].endswith(f"; Path=/; HttpOnly; {here}")


@pytest.mark.parametrize("way", ["link", "code"])
def test_a_sign_up_on_another_site_leaves_the_ticket_of_this(way: str) -> None:
    """That site's page sends no Lax cookie, so it cannot bring the ticket that is there."""
    with running(ALLOWED_ORIGINS=SHOP) as service:
        here = service.post_json("/users", ALEXIS)
        there = service.post_json(
            "/users", {"email": "bob@example.org"}, origin=SHOP, sec_fetch_site="cross-site"
        )
        service.deliver()
        kept = {}
        for answer in (here, there):
            name, _, ticket = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
            kept[name] = ticket
        cookie = "; ".join("=".join(pair) for pair in kept.items())
        emails = (ALEXIS["email"], "bob@example.org")
        for number, email in enumerate(emails):
            if way == "link":
                service.open(service.link(number), accept=BROWSER, cookie=cookie)
            else:
                code = {"email": email, "code": code_in_mail(service, number)}
                service.post_form("/validate", code, accept=BROWSER, cookie=cookie)
        assert ["validated_at" in service.item(email) for email in emails] == [True, True]


def test_a_page_that_is_not_named_cannot_use_the_cookie() -> None:
    """Another site's page makes the browser send it, since it is SameSite=None."""
    with running(ALLOWED_ORIGINS=SHOP) as service:
        email = ALEXIS["email"]
        answer = service.post_json("/users", ALEXIS, origin=SHOP, sec_fetch_site="cross-site")
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        service.deliver()
        link = service.link().removeprefix(service.app.stage.base_url)
        evil = {"cookie": cookie, "origin": "https://evil.example", "sec_fetch_site": "cross-site"}
        code = {"email": email, "code": code_in_mail(service)}
        answers = [
            service.post_json("/validate", code, **evil),
            service.post_form("/validate", code, **evil),
            service.post_json("/users", ALEXIS, **evil),
            service.post_json("/resend", {"email": email}, **evil),
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert service.get(link, **evil, accept=BROWSER, sec_purpose="prefetch").status_code == 200
        assert "validated_at" not in service.item(email)


def test_a_domain_that_may_not_sign_up_is_not_suggested() -> None:
    for refused, meant in (("gmail.com", None), ("yahoo.com", "ada@gmail.com")):
        with running(REFUSED_DOMAINS=refused) as service:
            answer = service.post_json("/users", {"email": "ada@gmial.com"})
            assert (answer.status_code, answer.json_body.get("did_you_mean")) == (202, meant)
            page = service.post_form("/users", {"email": "ada@gmial.com"}, accept=BROWSER)
            assert (b"ada@gmail.com" in page.body) is bool(meant)


def test_a_stage_may_allow_any_origin_but_never_its_cookies() -> None:
    with running(ALLOWED_ORIGINS="*") as service:
        answer = service.post_json("/users", ALEXIS, origin=SHOP, sec_fetch_site="cross-site")
        assert answer.status_code == 202
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "SameSite=Lax" in answer.headers["Set-Cookie"]
        assert answer.headers["Set-Cookie"].startswith("__Host-bienvenue-embedded=")
