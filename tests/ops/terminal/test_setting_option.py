"""``--set``: settings by their names, and a way back from a misspelled one."""

from __future__ import annotations

import click
import pytest

from ops.deployment.deploy import OWN_SETTINGS
from ops.terminal import setting_option


@pytest.mark.parametrize(
    ("text", "read"),
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
def test_a_setting_is_a_name_and_whatever_follows(text: str, read: tuple[str, str]) -> None:
    assert setting_option.setting(text) == read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DEFAULT_LANG", "'DEFAULT_LANG' is not NAME=VALUE."),
        ("=en", "'=en' is not NAME=VALUE."),
        ("DEFAULT_LNAG=en", "there is no setting DEFAULT_LNAG: is DEFAULT_LANG meant?"),
        ("default_lang=en", "there is no setting default_lang: is DEFAULT_LANG meant?"),
        ("COLOUR_OF_THE_SKY=blue", "the README's table of settings names them"),
        ("BASE_URL=https://example.org", "BASE_URL is what this run makes it."),
        # A name that is taken is no help to who misspelled it.
        ("BASE_URI=https://example.org", "the README's table of settings names them"),
    ],
)
def test_what_is_no_setting_is_refused(text: str, words: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        setting_option.setting(text, taken=OWN_SETTINGS)
    assert words in refused.value.message


def test_every_setting_that_a_run_makes_by_itself_is_one_of_the_apps() -> None:
    assert set(OWN_SETTINGS) < setting_option.names()
