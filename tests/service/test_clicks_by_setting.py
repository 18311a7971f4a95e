"""Clicks where a stage's settings decide: VALIDATE_ON_GET and CODE."""

from __future__ import annotations

import re

import pytest

from tests.support.service import ALEXIS, BROWSER, Browser, running, signed_up, text


@pytest.mark.parametrize(("setting", "validates"), [("true", True), ("false", False)])
def test_a_stage_may_validate_by_every_get_or_by_none(setting: str, validates: bool) -> None:
    with running(VALIDATE_ON_GET=setting) as service:
        Browser(service).sign_up()
        Browser(service).open(service.link())
        assert ("validated_at" in service.item(ALEXIS["email"])) == validates


@pytest.mark.parametrize("setting", ["same-browser", "true", "false"])
def test_a_prefetch_never_validates(setting: str) -> None:
    with running(VALIDATE_ON_GET=setting) as service:
        link = signed_up(service)
        service.calls.clear()
        for headers in (
            {"sec_purpose": "prefetch"},
            {"sec_purpose": "prefetch;prerender"},
            {"purpose": "prefetch"},
            {"x_purpose": "preview"},
            {"x_moz": "prefetch"},
        ):
            for accept in ("", BROWSER, "application/json"):
                assert service.open(link, accept=accept, **headers).status_code == 200
        assert service.calls == []


def test_a_stage_may_do_without_codes() -> None:
    with running(CODE="off") as service:
        page = Browser(service).sign_up()
        assert 'name="code"' not in page.body.decode()
        assert not re.search(r"\b\d{6}$", text(service), re.MULTILINE)
