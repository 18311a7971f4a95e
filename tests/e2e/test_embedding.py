"""The recipes of docs/embedding.md, run as printed on a page of another origin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import ROOT, Stack, code_in, link_in, running
from tests.support import website

RECIPES = re.findall(
    r"^```(?:html|python)\n(.*?)^```",
    (ROOT / "docs/embedding.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[str]:
    """The operator's own website."""
    (folder / "welcome").write_text("<!doctype html><h1>The shop</h1>", encoding="utf-8")
    with website.serving(folder) as origin:
        yield origin


@pytest.fixture(scope="module")
def shops_stack(tmp_path_factory: pytest.TempPathFactory, shop: str) -> Iterator[Stack]:
    chosen = ["--set", f"RETURN_URLS={shop}/", "--set", f"ALLOWED_ORIGINS={shop}"]
    with running(tmp_path_factory.mktemp("shops"), *chosen) as stack:
        yield stack


def printed(number: int, stack: Stack, shop: str) -> str:
    """Return a recipe, with the stage and the shop of this test in place of the examples'."""
    at_home = {"https://hello.example.org/api": stack.api, "https://shop.example": shop}
    recipe = str(RECIPES[number])
    for theirs, ours in at_home.items():
        recipe = recipe.replace(theirs, ours)
    return recipe


def test_a_plain_form_comes_back_to_its_own_page(
    page: Page, shops_stack: Stack, shop: str, folder: Path
) -> None:
    (folder / "form.html").write_text("<!doctype html>" + printed(0, shops_stack, shop))
    page.goto(f"{shop}/form.html")
    page.get_by_label("Email").fill("nobody")
    page.evaluate("document.forms[0].noValidate = true")
    page.get_by_role("button").click()
    expect(page).to_have_url(f"{shop}/welcome?bienvenue=invalid&fields=email.address_invalid")

    page.goto(f"{shop}/form.html")
    page.get_by_label("Email").fill("form@example.org")
    page.get_by_label("First name").fill("Ada")
    page.get_by_role("button").click()
    expect(page).to_have_url(f"{shop}/welcome?bienvenue=sent")
    (mail,) = shops_stack.wait_for_mails("form@example.org")
    page.goto(link_in(mail))
    expect(page).to_have_url(f"{shop}/welcome?bienvenue=validated")
    assert shops_stack.item("form@example.org")["prenom"] == {"S": "Ada"}


def test_a_script_signs_up_shows_errors_and_sends_the_code(
    page: Page, shops_stack: Stack, shop: str, folder: Path
) -> None:
    (folder / "script.html").write_text("<!doctype html>" + printed(1, shops_stack, shop))
    page.goto(f"{shop}/script.html")
    said = page.locator("#said")
    page.locator("#join input").fill("nobody")
    page.get_by_role("button", name="Join").click()
    expect(said).to_contain_text("Enter a complete email address")

    page.locator("#join input").fill("script@example.org")
    page.get_by_role("button", name="Join").click()
    expect(said).to_contain_text("an email with a link is on its way")
    (mail,) = shops_stack.wait_for_mails("script@example.org")
    page.locator("#code input").fill(code_in(mail))
    page.get_by_role("button", name="Confirm").click()
    expect(said).to_contain_text("The address is confirmed")
    assert "validated_at" in shops_stack.item("script@example.org")


def test_a_server_signs_people_up(shops_stack: Stack, shop: str) -> None:
    names: dict[str, Any] = {}
    exec(printed(2, shops_stack, shop), names)  # noqa: S102  # our own documentation
    (mail,) = shops_stack.wait_for_mails("ada@example.org")
    sent = {"email": "ada@example.org", "code": code_in(mail), "ticket": names["ticket"]}
    assert names["post"]("/validate", sent)["status"] == "validated"


def test_every_recipe_is_run() -> None:
    assert len(RECIPES) == 3
