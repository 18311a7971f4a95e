"""What a stage's settings change in the app, and what happens where they are missing."""

from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.settings import SettingsError
from tests.service import BROWSER, running, signed_up, subject


def test_a_stage_may_speak_another_language_by_default() -> None:
    with running(DEFAULT_LANG="en") as service:
        signed_up(service)
        assert subject(service) == "Welcome Alexis GÜNST HORN!"


def test_a_cautious_stage_validates_by_a_button_only() -> None:
    with running(VALIDATE_ON_GET="false") as service:
        link = signed_up(service)
        page = service.open(link, accept=BROWSER)
        assert page.status_code == 200
        assert service.open(link).json_body["status"] == "confirm"
        assert "validated_at" not in service.item("alexis@example.org")
        query = parse_qs(urlsplit(link).query)
        for field in ("email", "token"):
            assert f'name="{field}" value="{query[field][0]}"' in page.body.decode()
        form = {"email": query["email"][0], "token": query["token"][0], "lang": "fr"}
        done = service.post_form("/validate", form)
        assert (done.status_code, done.json_body["status"]) == (200, "validated")


def test_a_stage_with_settings_missing_or_wrong_does_not_start() -> None:
    with pytest.raises(SettingsError) as refused, running(MAIL_FROM="", VALIDATE_ON_GET="perhaps"):
        pytest.fail("the app was imported")
    for name in ("MAIL_FROM is missing", "VALIDATE_ON_GET must be", "make deploy STAGE="):
        assert name in str(refused.value)
