"""The console in a real browser, over a stage that runs: a day of helping users."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import look
from tests.e2e.stack import HTTP, ROOT, Stack, wait_for

EMAIL, NAME = "zoe@example.org", "Zoé TÜRKHEIMĚR"
TAKE_OVER = """
async ([address, token]) => {
  const outcomes = {};
  const form = {method: "POST", body: new URLSearchParams({token, text: "zoe"})};
  const attempts = {
    read: () => fetch(address),
    find: () => fetch(address + "find", form),
    blind: () => fetch(address + "find", {...form, mode: "no-cors"}),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    try { outcomes[name] = (await attempt()).type; } catch { outcomes[name] = "refused"; }
  }
  return outcomes;
}
"""


@pytest.fixture(scope="module")
def address(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that the command prints. All that it prints is looked at in the end."""
    output = tmp_path_factory.mktemp("console") / "output"
    where = ["--stage", "local", "--state", str(stack.folder)]
    with output.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "ops", "console", *where],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: "Ctrl-C" in output.read_text(), 30, "the console starts")
            (printed,) = re.findall(r"^http://\S+$", output.read_text(), re.MULTILINE)
            yield printed
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
    assert output.read_text().endswith("Ctrl-C ends it.\n\nStopped.\n"), "no request is logged"


@pytest.fixture(scope="module")
def foreign() -> Iterator[str]:
    """The origin of a server on this machine that has nothing to do with ours."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Shop</title>")

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def find(page: Page, text: str) -> None:
    field = page.get_by_label("Address or name")
    field.fill(text)
    field.press("Enter")


@pytest.fixture(scope="module")
def zoe(stack: Stack) -> None:
    stack.post("/users", {"email": EMAIL, "prenom": "Zoé", "nom": "TÜRKHEIMĚR", "lang": "en"})
    stack.wait_for_item(EMAIL, "delivered")


@pytest.mark.usefixtures("zoe")
def test_a_user_is_found_helped_and_deleted(stack: Stack, page: Page) -> None:
    look(page, "console-home")
    find(page, "turkheimer")
    expect(page.get_by_role("status")).to_have_text("1 user found.")
    look(page, "console-found")
    page.get_by_role("link", name=EMAIL).click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    told = page.get_by_role("listitem")
    expect(told.filter(has_text="Signed up")).to_be_visible()
    expect(told.filter(has_text="The mailbox's server took the mail")).to_be_visible()

    page.get_by_role("button", name="Send another mail").click()
    expect(page.get_by_role("status")).to_contain_text("is owed a mail again")
    assert len(stack.wait_for_mails(EMAIL, 2)) == 2
    stack.wait_for_item(EMAIL, "delivered")
    page.reload()
    expect(told.filter(has_text="Another mail requested by arn:aws:iam::")).to_be_visible()
    look(page, "console-user")

    page.get_by_role("button", name="Validate by hand").click()
    expect(page.get_by_role("status")).to_have_text(f"{EMAIL} is validated.")
    assert stack.item(EMAIL)["validated_by"] == {"S": "operator"}
    look(page, "console-validated")
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete for good?")).to_be_visible()
    look(page, "console-delete")
    page.get_by_role("link", name="Cancel").click()
    assert stack.item(EMAIL)
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status")).to_have_text(f"{EMAIL} is deleted.")
    # An event is owed under make run, so the bare item stays until it is published.
    assert {"prenom", "nom"}.isdisjoint(stack.item(EMAIL))
    find(page, EMAIL)
    expect(page.get_by_role("status")).to_have_text("No user found.")
    assert "zoe" not in page.url


def test_the_keyboard_alone_refuses_and_allows(stack: Stack, page: Page) -> None:
    email = "keyboard@example.org"
    stack.post("/users", {"email": email, "prenom": "Key"})
    stack.wait_for_item(email, "delivered")

    def tab_to(words: str) -> None:
        page.wait_for_load_state()
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == words:
                return
        raise AssertionError(f"no key leads to {words}")

    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type(email)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Key")).to_be_visible()
    tab_to("Send no more mail …")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Send no more mail?")).to_be_visible()
    tab_to("Send no more mail")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text(f"{email} gets no more mail.")
    assert stack.item(email)["mail"] == {"S": "refused"}
    tab_to("Allow mail again")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("may sign up again")


def test_a_bounced_address_says_what_to_do(stack: Stack, page: Page) -> None:
    email = "bounce+console@simulator.amazonses.com"
    stack.post("/users", {"email": email, "prenom": "Bo"})
    stack.wait_for_item(email, "bounced")
    find(page, email)
    expect(page.get_by_text("delete-suppressed-destination")).to_be_visible()
    look(page, "console-bounced")


def test_it_works_without_a_script(browser: Browser, address: str, stack: Stack) -> None:
    stack.client("dynamodb").put_item(
        TableName=stack.table,
        Item={"email": {"S": "plain@example.org"}, "validated_at": {"S": "2026-01-01T00:00:00Z"}},
    )
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        find(page, "plain@example.org")
        expect(page.get_by_text("Confirmed the address")).to_be_visible()


@pytest.mark.usefixtures("zoe")
def test_no_other_page_can_use_it(browser: Browser, address: str, foreign: str) -> None:
    """Not even one on this machine that knows the address and the forms' token."""
    with browser.new_context() as context:
        own, shop = context.new_page(), context.new_page()
        own.goto(address)
        token = own.locator('input[name="token"]').get_attribute("value")
        shop.goto(foreign)
        outcome: Any = shop.evaluate(TAKE_OVER, [address, token])
        assert outcome["read"] == outcome["find"] == "refused"
        shop.set_content(
            f'<form method="post" action="{address}find"><input name="token" value="{token}">'
            '<input name="text" value="zoe"><button>Go</button></form>'
        )
        with shop.expect_navigation() as navigation:
            shop.get_by_role("button").click()
        assert navigation.value.status == 403
    without_key = HTTP.request("GET", address.rsplit("/", 2)[0] + "/")
    assert (without_key.status, b"zoe" in without_key.data) == (404, False)
