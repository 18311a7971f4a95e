"""The types of command-line options."""

from __future__ import annotations

from typing import Any

import click
import pytest

from ops.resources.settings.recorded_settings import OWN_SETTINGS
from ops.terminal import option_types
from ops.terminal.option_types import Rate, Setting


def convert(kind: click.ParamType[Any], text: str) -> Any:
    return kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("DEFAULT_LANG=en", ("DEFAULT_LANG", "en")),
        ("LOGO_URL=https://example.org/?a=b", ("LOGO_URL", "https://example.org/?a=b")),
        ("SUPPORT_ADDRESS=", ("SUPPORT_ADDRESS", "")),
        (
            "AWS_ENDPOINT_URL_SESV2=http://127.0.0.1:9",
            ("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:9"),
        ),
    ],
)
def test_a_setting_is_a_name_and_its_value(text: str, setting: tuple[str, str]) -> None:
    assert convert(Setting(), text) == setting


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DEFAULT_LANG", "'DEFAULT_LANG' is not NAME=VALUE."),
        ("=en", "'=en' is not NAME=VALUE."),
        ("DEFAULT_LNAG=en", "There is no setting DEFAULT_LNAG. Did you mean DEFAULT_LANG?"),
        ("default_lang=en", "There is no setting default_lang. Did you mean DEFAULT_LANG?"),
        ("COLOUR_OF_THE_SKY=blue", "docs/settings.md lists all settings."),
        ("BASE_URL=https://example.org", "This command sets BASE_URL itself."),
        # A name that is taken does not help the operator who misspelled it.
        ("BASE_URI=https://example.org", "docs/settings.md lists all settings."),
    ],
)
def test_an_unknown_setting_is_refused(text: str, words: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        convert(Setting(taken=OWN_SETTINGS), text)
    assert words in refused.value.message


def test_the_app_reads_every_setting_that_a_run_sets() -> None:
    assert set(OWN_SETTINGS) < option_types.setting_names()


def test_a_rate_is_a_finite_number_above_zero() -> None:
    assert convert(Rate(), "2.5") == 2.5
    for text in ("0", "-1", "nan", "inf", "many"):
        with pytest.raises(click.BadParameter):
            convert(Rate(), text)
