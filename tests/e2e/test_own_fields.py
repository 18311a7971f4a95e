"""A stage with own fields, in a real browser: from the form to the proof."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ops.stage import samples
from tests.e2e import browser as browsers
from tests.e2e.stack import ROOT, Stack, link_in, running
from tests.support import own_fields
from tests.support.own_fields import DEFINITION, FOLDER
from tests.support.stores import plain

EMAIL = "ada@example.org"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the folder of a stage in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("chalicelib", "ops", ".chalice"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("deployed"))
    for name in ("app.py", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    own_fields.write(folder)
    return folder


@pytest.fixture(scope="module")
def stack(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "TEMPLATES_FOLDER": FOLDER,
        "SOURCE_FIELDS": "utm_*",
        "CONSENT_ADDRESS": "truncated",
        "CONSENT_USER_AGENT": "true",
    }
    chosen = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    with running(tmp_path_factory.mktemp("stack"), *chosen, checkout=checkout) as stack:
        yield stack


def ops(checkout: Path, stack: Stack, *words: str) -> str:
    """Run one of the operator's commands in the checkout."""
    command = [sys.executable, "-m", "ops", "users", *words]
    stage = ["--stage", "local", "--state", str(stack.folder)]
    done = subprocess.run(
        [*command, *stage], cwd=checkout, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_all_that_is_filled_in_is_the_users_after_the_click(
    page: Page, stack: Stack, checkout: Path
) -> None:
    page.goto(f"{stack.api}/?lang=en&utm_source=newsletter")
    page.get_by_label("Email address").fill(EMAIL)
    page.get_by_label("Company").fill("A" * 41)
    page.get_by_label("Plan").select_option("Professional")
    page.get_by_label("Send me the newsletter").check()
    page.get_by_role("button", name="Send me the link").click()

    expect(page.get_by_role("alert")).to_contain_text("Shorten this to 40 characters.")
    page.get_by_role("link", name="I agree to the terms of use.").click()
    expect(page.get_by_label("I agree to the terms")).to_be_focused()
    expect(page.get_by_label("I agree to the terms")).not_to_be_checked()
    expect(page.get_by_label("Send me the newsletter")).to_be_checked()
    expect(page.get_by_label("Plan")).to_have_value("pro")
    page.get_by_label("Company").fill("Acme")
    page.get_by_label("I agree to the terms").check()
    page.get_by_role("button", name="Send me the link").click()

    page.get_by_role("button", name="Fix it").click()
    expect(page.get_by_label("Company")).to_have_value("Acme")
    expect(page.get_by_label("I agree to the terms")).to_be_checked()

    (mail,) = stack.wait_for_mails(EMAIL)
    page.goto(link_in(mail))
    item: Any = plain(stack.item(EMAIL))
    assert item["fields"] == {"company": "Acme", "plan": "pro", "utm_source": "newsletter"}
    assert {*item["consent"]} == {"terms", "news"}
    assert item["consent"]["news"]["address"] == item["validated_from"]["address"] == "127.0.0.0"
    assert "Chrome" in item["validated_from"]["agent"]

    ops(checkout, stack, "withdraw", EMAIL, "news")
    proof = json.loads(ops(checkout, stack, "proof", EMAIL, "--json"))
    news, terms = proof["consents"]
    assert news["text"].startswith(DEFINITION["news"]["label"]["en"])
    assert terms["text"] == DEFINITION["terms"]["label"]["en"]
    assert news["text_is_whole"]
    assert terms["text_is_whole"]
    assert "withdrawn_at" in news
    assert "withdrawn_at" not in terms


@pytest.mark.parametrize("lang", ["en", "ar", "ja"])
def test_the_fields_are_accessible(
    page: Page, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lang: str
) -> None:
    own_fields.write(tmp_path)
    monkeypatch.setattr("chalicelib.templates.PACKAGE", tmp_path)
    stage = samples.read({"TEMPLATES_FOLDER": FOLDER, "DEFAULT_LANG": lang})
    for specimen in samples.specimens(stage):
        if specimen.lang == lang and specimen.name.startswith("sign-up"):
            page.set_content(specimen.html)
            browsers.look(page, f"own-fields-{specimen.name}-{lang}")
