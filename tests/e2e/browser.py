"""A real browser: Debian's Chromium, with axe-core.

With ``SCREENSHOTS=1`` in the environment, tests also put pictures of what they see into
build/screenshots/. ``python -m tests.e2e.browser`` takes the pictures of the docs again, into
docs/pictures/.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from html import escape
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, BrowserType, Page, ViewportSize, sync_playwright

from chalicelib.users.moments import epoch, iso
from ops.console import pages
from ops.console.desk import offers
from ops.stage import samples
from tests.e2e.stack import ROOT

PICTURES = ROOT / "build" / "screenshots"
DEVICES = {
    "desktop": ViewportSize(width=1000, height=760),
    "phone": ViewportSize(width=360, height=740),  # as axe sees it
}
NARROWEST = ViewportSize(width=320, height=640)  # WCAG 2.2, 1.4.10: also 1280 at 400 %
README_PICTURES = ("sign-up", "mail")
README_SIZE = ViewportSize(width=600, height=620)
SHEET = (  # seven languages a row, at half their size
    "<style>body { margin: 4px; width: 1302px; display: grid; gap: 6px;"
    " grid-template-columns: repeat(7, 180px) }"
    " iframe { width: 360px; height: 100px; border: 0; zoom: .5 }</style>"
)
SHOW_WHOLE = """() => {
  const frames = [...document.querySelectorAll("iframe")];
  const heights = frames.map(frame => frame.contentDocument.documentElement.scrollHeight);
  frames.forEach((frame, number) => {
    const row = number - number % 7;
    frame.style.height = `${Math.max(...heights.slice(row, row + 7))}px`;
  });
  return frames.every(frame =>
    frame.contentDocument.documentElement.scrollHeight <= frame.contentWindow.innerHeight);
}"""
"""Makes every frame of the sheet as high as the highest in its row; true if all can be seen."""
CONSOLE_SIZE = ViewportSize(width=860, height=720)
SCHEMES = ("light", "dark")
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
]
HOW_TO_GET_ONE = "no browser: apt-get install chromium (on Debian), or put one on the PATH"

FIND_VIOLATIONS = "options => axe.run(options).then(({violations}) => ({violations}))"
"""Leaves out what passed, which is much longer."""
TAKES_PICTURES = os.environ.get("SCREENSHOTS") == "1"


@contextmanager
def running() -> Iterator[Browser]:
    """Yield this machine's browser.

    Without one, tests are skipped; REQUIRE_BROWSER=1 forbids it.
    """
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


def launch(chromium: BrowserType, *arguments: str) -> Browser:
    """Start the browser of this machine, with further ``arguments`` of its own."""
    return chromium.launch(executable_path=_executable(), args=[*_arguments(), *arguments])


@contextmanager
def visiting(
    chromium: BrowserType, folder: Path, *, keeps_third_party_cookies: bool
) -> Iterator[Page]:
    """Yield a tab of a visitor whose settings, in ``folder``, say which cookies are kept.

    Chrome keeps those of third parties by default; Safari, incognito tabs and Debian's Chromium do
    not. Windows of a running browser are incognito, so this starts a browser.
    """
    controls = {
        "cookie_controls_mode": 0 if keeps_third_party_cookies else 1,
        "block_third_party_cookies": not keeps_third_party_cookies,
    }
    profile = folder / "Default"
    profile.mkdir(parents=True)
    (profile / "Preferences").write_text(json.dumps({"profile": controls}), encoding="utf-8")
    with chromium.launch_persistent_context(
        folder, executable_path=_executable(), args=_arguments(), locale="en"
    ) as context:
        yield context.pages[0]


def _executable() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    found = found or shutil.which("google-chrome")
    if not found:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(HOW_TO_GET_ONE)
        pytest.skip(HOW_TO_GET_ONE)
    return found


def _arguments() -> list[str]:
    # Chromium's sandbox needs a user to fall back to, and root has none.
    return ARGUMENTS if os.geteuid() else [*ARGUMENTS, "--no-sandbox"]


def look(page: Page, name: str, *, is_mail: bool = False) -> None:
    """Hold what ``page`` shows against axe-core in both schemes, and take pictures if asked to.

    A mail is read as a part of the mailbox's page, so it has no landmarks of its own. Raises
    AssertionError for anything that axe finds, and where it does not fit NARROWEST.
    """
    page.evaluate(AXE_SCRIPT)
    rules = {rule: {"enabled": not is_mail} for rule in ("landmark-one-main", "region")}
    options = {"resultTypes": ["violations"], "rules": rules}
    page.set_viewport_size(DEVICES["phone"])
    for scheme in SCHEMES:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        found = AxeResults(page.evaluate(FIND_VIOLATIONS, options))
        assert not found.violations_count, f"{name}, {scheme}:\n{found.generate_report()}"
        for device, size in DEVICES.items() if TAKES_PICTURES else ():
            page.set_viewport_size(size)
            picture(page, f"{name}-{scheme}-{device}")
    page.set_viewport_size(NARROWEST)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST["width"], name
    page.set_viewport_size(DEVICES["desktop"])


def picture(page: Page, name: str) -> None:
    """Take a picture of the whole page if SCREENSHOTS=1. It takes longer than axe."""
    if TAKES_PICTURES:
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def _picture_the_docs() -> None:
    """Take the README's pictures, and one of the sign-up page and the mail in every language."""
    specimens = list(samples.specimens(samples.read({})))
    folder = ROOT / "docs" / "pictures"
    with running() as browser:
        page = browser.new_page(viewport=README_SIZE)
        for specimen in specimens:
            if specimen.lang == "en" and specimen.name in README_PICTURES:
                page.set_content(specimen.html)
                page.screenshot(path=folder / f"{specimen.name}.png")
        frames = "".join(
            f'<iframe srcdoc="{escape(specimen.html)}"></iframe>'
            for name in README_PICTURES
            for specimen in specimens
            if specimen.name == name
        )
        page.set_viewport_size(ViewportSize(width=1310, height=700))
        page.set_content(f"{SHEET}{frames}", wait_until="load")
        assert page.evaluate(SHOW_WHOLE), "a page is cut off"
        page.screenshot(path=folder / "languages.png", full_page=True)
        page.set_viewport_size(CONSOLE_SIZE)
        page.set_content(_console())
        page.screenshot(path=folder / "console.png")


def _console() -> str:
    """Return the console's page of a user who has asked for another mail."""
    now = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)

    def ago(**span: float) -> str:
        return iso(now - timedelta(**span))

    user = {
        "email": "alexis@example.org",
        "prenom": "Alexis",
        "nom": "GÜNST HORN",
        "created_at": ago(hours=3),
        "mail": "delivered",
        "mail_at": ago(minutes=12, seconds=-3),
        "links": {
            "1": {"expires": epoch(now + timedelta(hours=21))},
            "2": {"expires": epoch(now + timedelta(hours=24, minutes=-12))},
        },
        "acts": [
            {
                "at": ago(minutes=12),
                "act": "resend",
                "by": "arn:aws:sts::123456789012:assumed-role/Support/zoe",
            }
        ],
        "expires_at": epoch(now + timedelta(days=7)),
    }
    frame = pages.Frame("/", "prod", "")
    body = pages.person_page(frame, user, "", offers(user), None, "", now)
    style = (ROOT / "ops" / "console" / "style.css").read_text(encoding="utf-8")
    return f"{frame.start()}<style>{style}</style>{body}{frame.end()}"


if __name__ == "__main__":
    _picture_the_docs()
