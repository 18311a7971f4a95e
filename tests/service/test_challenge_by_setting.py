"""The challenge by its settings: off, always, or while many sign up."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.settings import SettingsError
from chalicelib.users.sign_up_rate import REMEMBERED
from tests.support.challenge import codes, moment_in, solve
from tests.support.description import DESCRIPTION
from tests.support.service import ALEXIS, BROWSER, running


def test_a_form_of_another_page_keeps_its_way_back() -> None:
    there = "https://shop.example.org/thanks"
    with running(CHALLENGE="altcha", RETURN_URLS=there) as service:
        page = service.post_form("/users", {**ALEXIS, "return_to": there}, accept=BROWSER)
        assert page.status_code == 422
        assert f'<input type="hidden" name="return_to" value="{there}">' in page.body.decode()
        service.clock.go_by(seconds=11)
        fields = {**ALEXIS, "return_to": there, "moment": moment_in(page)}
        sent = service.post_form("/users", fields, accept=BROWSER)
        assert (sent.status_code, sent.headers["Location"]) == (303, f"{there}?bienvenue=sent")


def test_auto_asks_only_while_many_sign_up() -> None:
    with running(CHALLENGE="auto", CHALLENGE_ABOVE="3", DEFAULT_LANG="en") as service:

        def sign_up(number: int, **fields: Any) -> HTTPResponse:
            answer = service.post_json("/users", {"email": f"u{number}@example.org", **fields})
            service.deliver()
            return answer

        assert "altcha-widget" not in service.get("/", accept=BROWSER).body.decode()
        for number in range(4):
            assert sign_up(number).status_code == 202
        service.clock.go_by(seconds=REMEMBERED.total_seconds())
        assert codes(sign_up(4)) == ["challenge_missing"]
        assert "altcha-widget" in service.get("/", accept=BROWSER).body.decode()
        solution = solve(service, "u4@example.org")
        assert sign_up(4, altcha=solution).status_code == 202
        service.clock.go_by(minutes=2)
        assert sign_up(5).status_code == 202


def test_auto_reads_the_rate_once_in_a_while() -> None:
    with running(CHALLENGE="auto") as service:
        for number in range(5):
            service.post_json("/users", {"email": f"u{number}@example.org"})
        assert service.calls.count("dynamodb.GetItem") == 1
        assert service.calls.count("dynamodb.UpdateItem") == 5
        service.calls.clear()
        service.deliver()
        counted = [call for call in service.calls if call == "dynamodb.UpdateItem"]
        assert counted
        service.clock.go_by(seconds=REMEMBERED.total_seconds())
        service.faults["dynamodb.GetItem"] = "InternalServerError"
        service.calls.clear()
        assert service.post_json("/users", {"email": "x@example.org"}).status_code == 202


def test_a_count_that_fails_holds_up_no_mail() -> None:
    with running(CHALLENGE="auto") as service:
        service.post_json("/users", ALEXIS)
        rate = service.app.service.sign_up_rate
        rate.table.name = "a-table-that-is-gone"
        service.deliver()
        assert len(service.mails) == 1


def test_a_stage_without_a_challenge_pays_nothing() -> None:
    sys.modules.pop("chalicelib.web.challenge", None)
    sys.modules.pop("altcha", None)
    with running() as service:
        assert not {"altcha", "chalicelib.web.challenge"} & set(sys.modules)
        assert not [path for path in service.app.app.routes if "challenge" in path]
        page = service.get("/", accept=BROWSER)
        for word in ("altcha", "moment", "challenge"):
            assert word not in page.body.decode()
        assert "script" not in page.headers["Content-Security-Policy"]
        answer = service.post_json("/users", {**ALEXIS, "altcha": "x"})
        assert codes(answer) == ["field_unknown"]
        assert json.loads(service.get("/openapi.json").body) == DESCRIPTION
        assert service.post_json("/users", ALEXIS).status_code == 202
        assert service.calls == ["dynamodb.UpdateItem"]


@pytest.mark.parametrize(
    "settings", [{"CHALLENGE": "recaptcha"}, {"CHALLENGE": "auto", "CHALLENGE_ABOVE": "many"}]
)
def test_a_wrong_setting_stops_the_stage(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="CHALLENGE"), running(**settings):
        pass
