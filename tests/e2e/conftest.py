"""One deployed stack for all the journeys, and a browser for each module of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e import browser as browsers
from tests.e2e.stack import Stack, running

PATIENCE = 15_000
"""Milliseconds that a page may take: the machine may be busy."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.running() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a new visitor, who reads English."""
    with browser.new_context(locale="en") as context:
        context.set_default_timeout(PATIENCE)
        yield context.new_page()
