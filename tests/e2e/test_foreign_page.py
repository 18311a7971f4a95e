"""A page of another origin, in a real browser: what its scripts and forms can do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e import browser as browsers
from tests.e2e.stack import HTTP, Stack, running

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


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another website: the origin of an empty page."""
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "index.html").write_text("<!doctype html><title>Shop</title>", encoding="utf-8")
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def open_stack(tmp_path_factory: pytest.TempPathFactory, shop: str) -> Iterator[Stack]:
    """A stage that allows the shop's origin."""
    with running(tmp_path_factory.mktemp("open"), "--set", f"ALLOWED_ORIGINS={shop}") as stack:
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.running() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, shop: str) -> Iterator[Page]:
    """A tab that shows the shop."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(shop)
        yield page


def test_an_allowed_page_signs_people_up_and_sees_errors(page: Page, open_stack: Stack) -> None:
    url = f"{open_stack.api}/users"
    wrong = page.evaluate(POST, [url, {"email": "nobody", "nom": "Horn"}])
    assert (wrong["status"], wrong["errors"][0]["code"]) == (422, "address_invalid")
    done = page.evaluate(POST, [url, {"email": "shopper@example.org", "nom": "Horn"}])
    assert (done["status"], len(done["ticket"])) == (202, 43)
    open_stack.wait_for_mails("shopper@example.org")

    again = page.evaluate(POST, [url, {"email": "shopper@example.org", "nom": "Horn"}])
    assert again["ticket"] == done["ticket"], "the browser keeps its cookie"


def test_a_page_that_is_not_allowed_reaches_nothing(page: Page, stack: Stack) -> None:
    url = f"{stack.api}/users"
    refused = page.evaluate(POST, [url, {"email": "refused@example.org", "nom": "Horn"}])
    assert "Failed to fetch" in refused["error"]
    page.set_content(
        f'<form method="post" action="{url}"><input name="email" value="refused@example.org">'
        '<input name="nom" value="Horn"><button>Go</button></form>'
    )
    with page.expect_navigation() as navigation:
        page.get_by_role("button").click()
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
    assert answer.status == 403
    assert answer.json() == {"message": "Missing Authentication Token"}
    assert answer.headers["Access-Control-Allow-Origin"] == shop
