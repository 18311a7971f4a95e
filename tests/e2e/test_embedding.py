"""The recipes of docs/embedding.md and the README, each run as it is printed."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import picture
from tests.e2e.stack import ROOT, Stack, code_in, link_in, running
from tests.support import website

BROWSER_OPENS = ("action.VIEW", "category.DEFAULT", "category.BROWSABLE")
REACT = Path(__file__).parent / "react"
"""What the React recipe is bundled with, by npm."""
DJANGO = Path(__file__).parent / "django_site.py"


def recipes(page: str) -> list[tuple[str, str]]:
    """Return the language and text of each recipe of a page."""
    blocks = r"^```(html|js|jsx|python|sh|xml)\n(.*?)^```"
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(blocks, text, re.MULTILINE | re.DOTALL)


RECIPES = recipes("docs/embedding.md")
FORM, SCRIPT, SERVER, COMPONENT, VIEWS, CURL, ANDROID, IOS = range(8)


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
    chosen = ["--set", f"RETURN_URLS={shop}/ myapp://validated", "--set", f"ALLOWED_ORIGINS={shop}"]
    with running(tmp_path_factory.mktemp("shops"), *chosen) as stack:
        yield stack


def printed(number: int, stack: Stack, shop: str) -> str:
    """Return a recipe, with the stage and the shop of this test in place of the examples'."""
    return at_home(RECIPES[number][1], stack, shop)


def at_home(recipe: str, stack: Stack, shop: str) -> str:
    at_home = {"https://hello.example.org/api": stack.api, "https://shop.example": shop}
    for theirs, ours in at_home.items():
        recipe = recipe.replace(theirs, ours)
    return recipe


def test_a_plain_form_comes_back_to_its_own_page(
    page: Page, shops_stack: Stack, shop: str, folder: Path
) -> None:
    (folder / "form.html").write_text("<!doctype html>" + printed(FORM, shops_stack, shop))
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
    (folder / "script.html").write_text("<!doctype html>" + printed(SCRIPT, shops_stack, shop))
    page.goto(f"{shop}/script.html")
    picture(page, "foreign-page")
    said = page.locator("#said")
    page.locator("#join input").fill("nobody")
    page.get_by_role("button", name="Join").click()
    expect(said).to_contain_text("Enter a complete email address")
    picture(page, "foreign-page-error")

    page.locator("#join input").fill("script@example.org")
    page.get_by_role("button", name="Join").click()
    expect(said).to_contain_text("an email with a link is on its way")
    (mail,) = shops_stack.wait_for_mails("script@example.org")
    page.locator("#code input").fill(code_in(mail))
    page.get_by_role("button", name="Confirm").click()
    expect(said).to_contain_text("The address is confirmed")
    picture(page, "foreign-page-done")
    assert "validated_at" in shops_stack.item("script@example.org")


def test_a_server_signs_people_up(shops_stack: Stack, shop: str) -> None:
    names: dict[str, Any] = {}
    exec(printed(SERVER, shops_stack, shop), names)  # noqa: S102  # our own documentation
    (mail,) = shops_stack.wait_for_mails("ada@example.org")
    sent = {"email": "ada@example.org", "code": code_in(mail), "ticket": names["ticket"]}
    assert names["post"]("/validate", sent)["status"] == "validated"


def test_a_react_component_signs_up_and_shows_errors(
    page: Page, shops_stack: Stack, shop: str, folder: Path
) -> None:
    (folder / "react.js").write_text(bundled(printed(COMPONENT, shops_stack, shop)))
    (folder / "react.html").write_text(
        '<!doctype html><title>Shop</title><main id="root"></main><script src="react.js"></script>'
    )
    page.goto(f"{shop}/react.html")
    page.get_by_label("Email").fill("nobody")
    page.get_by_role("button").click()
    expect(page.get_by_label("Email")).to_have_accessible_description(
        re.compile("Enter a complete email address")
    )
    page.get_by_label("Email").fill("react@example.org")
    page.get_by_label("First name").fill("Ada")
    page.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("an email with a link is on its way")
    shops_stack.wait_for_mails("react@example.org")
    assert shops_stack.item("react@example.org")["prenom"] == {"S": "Ada"}


def bundled(component: str) -> str:
    """Return a script that shows the component, as esbuild makes it of React and JSX."""
    npm = shutil.which("npm")
    if not npm:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("no npm: apt-get install npm (on Debian)")
        pytest.skip("no npm, which the React recipe needs")
    kept = ROOT / "build" / "react"
    kept.mkdir(parents=True, exist_ok=True)
    package = (REACT / "package.json").read_text(encoding="utf-8")
    if not (kept / "package.json").exists() or (kept / "package.json").read_text() != package:
        with tempfile.TemporaryDirectory(dir=kept.parent) as made:
            (Path(made) / "package.json").write_text(package, encoding="utf-8")
            options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
            subprocess.run([npm, "install", *options], cwd=made, check=True, capture_output=True)
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(made, kept, symlinks=True)
    (kept / "recipe.jsx").write_text(component, encoding="utf-8")
    shutil.copy(REACT / "show.jsx", kept)
    esbuild = [kept / "node_modules/.bin/esbuild", "show.jsx", "--bundle", "--jsx=automatic"]
    done = subprocess.run(esbuild, cwd=kept, check=True, capture_output=True, text=True)
    return done.stdout


def test_django_signs_people_up_and_sends_their_code(
    shops_stack: Stack, shop: str, tmp_path: Path
) -> None:
    (tmp_path / "views.py").write_text(printed(VIEWS, shops_stack, shop), encoding="utf-8")

    def posted(session: Path, path: str, fields: dict[str, str]) -> Any:
        sent = [sys.executable, "-W", "error", DJANGO, session, path, json.dumps(fields)]
        done = subprocess.run(sent, cwd=tmp_path, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    session = tmp_path / "cookies"
    wrong = posted(session, "/sign-up", {"email": "nobody"})
    assert (wrong["status"], wrong["answer"]["errors"][0]["code"]) == (422, "address_invalid")
    done = posted(session, "/sign-up", {"email": "django@example.org"})
    assert done["status"] == 202
    assert "ticket" not in done["answer"]
    (mail,) = shops_stack.wait_for_mails("django@example.org")
    code = {"code": code_in(mail)}
    assert posted(tmp_path / "others", "/confirm", code)["status"] == 400
    assert posted(session, "/confirm", code)["answer"]["status"] == "validated"


def test_the_click_on_an_apps_mail_opens_the_app(page: Page, shops_stack: Stack, shop: str) -> None:
    curl = printed(CURL, shops_stack, shop)
    done = subprocess.run(curl, shell=True, check=True, capture_output=True, text=True)  # noqa: S602
    assert json.loads(done.stdout)["status"] == "accepted"
    (mail,) = shops_stack.wait_for_mails("grace@example.org")
    page.goto(link_in(mail))
    with page.expect_response(lambda answer: answer.request.method == "POST") as opened:
        page.get_by_role("button", name="Confirm my address").click()
    assert opened.value.status == 303
    assert opened.value.headers["location"] == "myapp://validated?bienvenue=validated"


def test_an_app_says_that_the_address_is_its_own() -> None:
    manifest = ElementTree.fromstring(RECIPES[ANDROID][1])  # noqa: S314  # our own documentation
    (data,) = manifest.iter("data")
    android = "{http://schemas.android.com/apk/res/android}"
    assert f"{data.get(f'{android}scheme')}://{data.get(f'{android}host')}" == "myapp://validated"
    # What a link in a browser needs: https://developer.android.com/training/app-links/deep-linking
    names = {part.get(f"{android}name", "") for part in manifest.iter()}
    assert {f"android.intent.{needed}" for needed in BROWSER_OPENS} <= names
    assert manifest.get(f"{android}exported") == "true"
    (types,) = plistlib.loads(RECIPES[IOS][1].encode())["CFBundleURLTypes"]
    assert types == {"CFBundleURLSchemes": ["myapp"]}


def test_the_readmes_form_signs_people_up(
    page: Page, shops_stack: Stack, shop: str, folder: Path
) -> None:
    recipe = of_readme("html")
    assert len(recipe.splitlines()) <= 6
    (folder / "readme.html").write_text(f"<!doctype html>{at_home(recipe, shops_stack, shop)}")
    page.goto(f"{shop}/readme.html")
    page.get_by_label("Email").fill("readme@example.org")
    page.get_by_label("First name").fill("Ada")
    page.get_by_role("button").click()
    shops_stack.wait_for_mails("readme@example.org")
    assert shops_stack.item("readme@example.org")["prenom"] == {"S": "Ada"}


def test_the_readmes_script_signs_people_up(page: Page, shops_stack: Stack, shop: str) -> None:
    recipe = of_readme("js")
    assert len(recipe.splitlines()) <= 10
    page.goto(shop)
    script = (
        "async ([email, firstName]) => {"
        f"{at_home(recipe, shops_stack, shop)}; return {{message, errors}}}}"
    )
    wrong = page.evaluate(script, ["nobody", "Ada"])
    assert wrong["errors"][0]["code"] == "address_invalid"
    done = page.evaluate(script, ["fetch@example.org", "Ada"])
    assert "is on its way" in done["message"]
    shops_stack.wait_for_mails("fetch@example.org")


def of_readme(language: str) -> str:
    """Return the README's first recipe in a language, at the address of the other recipes."""
    recipe = next(text for kind, text in recipes("README.md") if kind == language)
    return recipe.replace("https://hello.example.org/users", "https://hello.example.org/api/users")


def test_every_recipe_is_run() -> None:
    kinds = ["html", "html", "python", "jsx", "python", "sh", "xml", "xml"]
    assert [kind for kind, _ in RECIPES] == kinds
