"""A page of another site, in a real browser: what its scripts and forms can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import browser as browsers
from tests.e2e.stack import HTTP, Stack, code_in, link_in, running
from tests.support import website

POST = """async ([url, fields]) => {
  try {
    const answer = await fetch(url, {
      method: "POST",
      credentials: "include",
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify(fields),
    });
    return {...await answer.json(), status: answer.status};
  } catch (error) {
    return {error: String(error)};
  }
}"""


FORM = '<form method="post" action="{url}"><input name="email"><button>Join</button></form>'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another website: the origin of an empty page."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "index.html").write_text("<!doctype html><title>Shop</title>", encoding="utf-8")
    with website.serving(folder) as origin:
        yield origin


@pytest.fixture(scope="module")
def open_stack(tmp_path_factory: pytest.TempPathFactory, shop: str) -> Iterator[Stack]:
    """A stage that allows the shop's origin."""
    with running(tmp_path_factory.mktemp("open"), "--set", f"ALLOWED_ORIGINS={shop}") as stack:
        yield stack


@pytest.fixture(scope="module")
def visitor(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab that keeps the cookies of other sites, as Chrome does by default."""
    folder = tmp_path_factory.mktemp("visitor")
    chromium = browser.browser_type
    with browsers.visiting(chromium, folder, keeps_third_party_cookies=True) as page:
        yield page


@pytest.fixture
def shop_page(visitor: Page, shop: str) -> Page:
    """A tab that shows the shop, without a cookie."""
    visitor.context.clear_cookies()
    visitor.goto(shop)
    return visitor


def test_an_allowed_page_signs_people_up_and_sees_errors(
    shop_page: Page, open_stack: Stack
) -> None:
    url = f"{open_stack.api}/users"
    wrong = shop_page.evaluate(POST, [url, {"email": "nobody", "nom": "Horn"}])
    assert (wrong["status"], wrong["errors"][0]["code"]) == (422, "address_invalid")
    done = shop_page.evaluate(POST, [url, {"email": "shopper@example.org", "nom": "Horn"}])
    assert (done["status"], len(done["ticket"])) == (202, 43)
    open_stack.wait_for_mails("shopper@example.org")

    again = shop_page.evaluate(POST, [url, {"email": "shopper@example.org", "nom": "Horn"}])
    assert again["ticket"] == done["ticket"], "the browser keeps its cookie"


def test_the_code_is_typed_on_the_allowed_page(shop_page: Page, open_stack: Stack) -> None:
    """The browser's cookie alone proves that the sign-up was made there."""
    email = "coder@example.org"
    shop_page.evaluate(POST, [f"{open_stack.api}/users", {"email": email}])
    (mail,) = open_stack.wait_for_mails(email)
    url = f"{open_stack.api}/validate"
    wrong = shop_page.evaluate(POST, [url, {"email": email, "code": "000000"}])
    assert (wrong["status"], wrong["type"]) == (400, "urn:bienvenue:problem:code_invalid")
    done = shop_page.evaluate(POST, [url, {"email": email, "code": code_in(mail)}])
    assert done["status"] == 200
    assert "validated_at" in open_stack.item(email)


def test_a_click_validates_who_signed_up_on_the_allowed_page(
    shop_page: Page, open_stack: Stack
) -> None:
    email = "clicker@example.org"
    shop_page.evaluate(POST, [f"{open_stack.api}/users", {"email": email}])
    (mail,) = open_stack.wait_for_mails(email)
    shop_page.goto(link_in(mail))
    assert "validated_at" in open_stack.item(email)
    expect(shop_page.get_by_role("button")).to_have_count(0)


def test_a_sign_up_here_and_one_there_both_open_by_one_click(
    shop_page: Page, open_stack: Stack, shop: str
) -> None:
    """The page of another site brings no ticket that the stage's own page left in the browser."""
    here, there, again = (f"{name}@example.org" for name in ("here", "there", "again"))
    shop_page.goto(f"{open_stack.api}/")
    sign_up(shop_page, here)
    shop_page.goto(shop)
    for email in (there, again):
        shop_page.evaluate(POST, [f"{open_stack.api}/users", {"email": email}])
    for email in (here, there, again):
        (mail,) = open_stack.wait_for_mails(email)
        shop_page.goto(link_in(mail))
        assert "validated_at" in open_stack.item(email)


def test_forms_of_another_site_keep_all_their_tickets(
    browser: Browser, tmp_path: Path, open_stack: Stack, shop: str
) -> None:
    """Also in a browser that keeps no cookies of third parties: a form leads to our own page."""
    emails = [f"{name}@example.org" for name in ("own", "form1", "form2")]
    chromium = browser.browser_type
    with browsers.visiting(chromium, tmp_path / "new", keeps_third_party_cookies=False) as page:
        page.goto(f"{open_stack.api}/")
        sign_up(page, emails[0])
        for email in emails[1:]:
            page.goto(shop)
            page.set_content(FORM.format(url=f"{open_stack.api}/users"))
            sign_up(page, email)
        mails = [open_stack.wait_for_mails(email)[0] for email in emails]
        page.get_by_label("code", exact=False).fill(code_in(mails[2]))
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("signed up")
        for email, mail in zip(emails[:2], mails, strict=False):
            page.goto(link_in(mail))
            assert "validated_at" in open_stack.item(email)


def sign_up(page: Page, email: str) -> None:
    page.locator("input[name=email]").fill(email)
    with page.expect_navigation():
        page.get_by_role("button").first.click()


def test_a_browser_without_others_cookies_keeps_the_ticket(
    browser: Browser, tmp_path: Path, open_stack: Stack, shop: str
) -> None:
    """Safari, Firefox and incognito tabs keep no cookie for a script of another site."""
    emails = ("safari@example.org", "firefox@example.org")
    chromium = browser.browser_type
    with browsers.visiting(chromium, tmp_path / "new", keeps_third_party_cookies=False) as page:
        page.goto(shop)
        done = [page.evaluate(POST, [f"{open_stack.api}/users", {"email": to}]) for to in emails]
        assert done[0]["ticket"] != done[1]["ticket"]
        mails = [open_stack.wait_for_mails(email)[0] for email in emails]
        typed = {"email": emails[0], "code": code_in(mails[0]), "ticket": done[0]["ticket"]}
        answer = page.evaluate(POST, [f"{open_stack.api}/validate", typed])
        assert answer["status"] == 200
        assert "validated_at" in open_stack.item(emails[0])

        page.goto(link_in(mails[1]))
        assert "validated_at" not in open_stack.item(emails[1])
        page.get_by_role("button", name="Confirm my address").click()
        expect(page.get_by_role("button")).to_have_count(0)
        assert "validated_at" in open_stack.item(emails[1])


def test_a_page_that_is_not_allowed_reaches_nothing(shop_page: Page, stack: Stack) -> None:
    url = f"{stack.api}/users"
    refused = shop_page.evaluate(POST, [url, {"email": "refused@example.org", "nom": "Horn"}])
    assert "Failed to fetch" in refused["error"]
    shop_page.set_content(
        f'<form method="post" action="{url}"><input name="email" value="refused@example.org">'
        '<input name="nom" value="Horn"><button>Go</button></form>'
    )
    with shop_page.expect_navigation() as navigation:
        shop_page.get_by_role("button").click()
    assert navigation.value.status == 403
    assert stack.item("refused@example.org") == {}


def test_no_function_answers_a_preflight(open_stack: Stack, shop: str) -> None:
    answer = HTTP.request(
        "OPTIONS",
        f"{open_stack.api}/users",
        headers={"Origin": shop, "Access-Control-Request-Method": "POST"},
    )
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == shop
    assert answer.headers["Access-Control-Max-Age"] == "7200"
    assert "Content-Language" not in answer.headers, "which every answer of the app has"


def test_the_gateways_own_errors_can_be_read(open_stack: Stack, shop: str) -> None:
    answer = HTTP.request("GET", f"{open_stack.api}/nowhere", headers={"Origin": shop})
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Access-Control-Allow-Origin"] == shop
