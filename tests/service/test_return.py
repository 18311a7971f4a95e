"""A form on the operator's own page: its browser returns there and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chalice.test import HTTPResponse

from tests.support.service import ALEXIS, BROWSER, Browser, Service, code_in_mail, running

SHOP = "https://shop.example/account"
EVIL = "https://evil.example/account"
AFTER = "https://shop.example/after"


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Service]:
    with running(RETURN_URLS=f"{SHOP} myapp://in", AFTER_VALIDATION_URL=AFTER) as service:
        yield service


def post(service: Service, path: str = "/users", **fields: str) -> HTTPResponse:
    """Post the shop's form as a browser does."""
    headers = {"origin": "https://shop.example", "sec_fetch_site": "cross-site"}
    return service.post_form(path, fields, accept=BROWSER, **headers)


def sign_up(service: Service, return_to: str = SHOP) -> Browser:
    answer = post(service, **ALEXIS, return_to=return_to)
    assert answer.status_code == 303
    browser = Browser(service)
    browser.cookie = answer.headers["Set-Cookie"].partition(";")[0]
    service.deliver()
    return browser


def location(answer: HTTPResponse) -> str:
    assert answer.status_code == 303
    return str(answer.headers["Location"])


def test_a_form_goes_back_to_its_page(service: Service) -> None:
    answer = post(service, **ALEXIS, return_to=f"{SHOP}/new?plan=pro")
    assert location(answer) == f"{SHOP}/new?plan=pro&bienvenue=sent"
    assert "__Host-bienvenue-embedded=" in answer.headers["Set-Cookie"]


def test_a_form_goes_back_with_the_codes_of_what_is_wrong(service: Service) -> None:
    answer = post(service, email="zoe@", last_name="www.evil.example", return_to=SHOP)
    codes = "email.address_invalid,last_name.name_link"
    assert location(answer) == f"{SHOP}?bienvenue=invalid&fields={codes}"
    assert "zoe" not in location(answer)
    assert service.calls == []


@pytest.mark.parametrize("return_to", [EVIL, "//evil.example", f"{SHOP}/../x", "javascript:1"])
def test_nobody_is_sent_anywhere_else(service: Service, return_to: str) -> None:
    answer = post(service, **ALEXIS, return_to=return_to)
    assert answer.status_code == 422
    assert "Location" not in answer.headers
    assert service.calls == []
    program = service.post_json("/users", {**ALEXIS, "return_to": return_to})
    (error,) = program.json_body["errors"]
    assert (error["code"], error["pointer"]) == ("return_to_refused", "#/return_to")


@pytest.mark.parametrize("return_to", [SHOP, "myapp://in"])
def test_a_click_leads_back_with_its_result(service: Service, return_to: str) -> None:
    browser = sign_up(service, return_to)
    for result in ("validated", "already_validated"):
        clicked = browser.open(service.link())
        assert location(clicked) == f"{return_to}?bienvenue={result}"


def test_an_expired_link_leads_back(service: Service) -> None:
    browser = sign_up(service)
    service.clock.go_by(hours=25)
    assert location(browser.open(service.link())) == f"{SHOP}?bienvenue=expired"


def test_a_button_and_a_code_lead_back(service: Service) -> None:
    browser = sign_up(service)
    assert location(browser.type_code(code_in_mail(service))) == f"{SHOP}?bienvenue=validated"
    page = Browser(service).open(service.link())
    assert location(page) == f"{SHOP}?bienvenue=already_validated"


def test_a_sign_up_without_an_address_goes_where_the_stage_says(service: Service) -> None:
    browser = Browser(service)
    browser.sign_up()
    assert location(browser.open(service.link())) == AFTER


def test_a_program_is_never_sent_anywhere(service: Service) -> None:
    answer = service.post_json("/users", {**ALEXIS, "return_to": SHOP})
    assert answer.status_code == 202
    service.deliver()
    assert service.open(service.link()).json_body["status"] == "validated"


def test_a_trapped_person_gets_through_on_our_page(service: Service) -> None:
    answer = post(service, **ALEXIS, return_to=SHOP, b_remarks="x")
    assert answer.status_code == 422


def test_pages_may_send_forms_to_where_they_lead_back(service: Service) -> None:
    policy = service.get("/", accept=BROWSER).headers["Content-Security-Policy"]
    assert "form-action https://hello.example.org https://shop.example" in policy
    assert " myapp:;" in policy
