"""`make preview`: every page and mail in files, without service or account."""

from __future__ import annotations

import re
import webbrowser
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from click.testing import CliRunner

from chalicelib import templates
from chalicelib.templates import Templates
from ops.__main__ import ops
from ops.deploy import preconditions
from ops.preview import command as preview_command
from ops.preview import gallery, sending
from ops.stage import lookup, samples
from ops.stage.errors import OpsError
from ops.stage.samples import Specimen
from tests.support import own_fields

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

MAILS = 4 + 3 * len(samples.NAMES)
"""The mails of a language: four, and three of them for each sample of names."""


def test_the_index_shows_each_specimen_by_scheme_and_device(tmp_path: Path) -> None:
    index = gallery.build(tmp_path / "preview", {})
    shown = re.findall(r'<iframe src="(.*?)"', index.read_text(encoding="utf-8"))
    written = {path.name for path in index.parent.iterdir()} - {"index.html"}
    assert set(shown) == written
    assert len(shown) == 2 * len(written)
    specimens = list(samples.specimens(samples.read({})))
    assert len(written) == 2 * len(specimens)
    assert specimens[0].lang == "fr"
    assert {specimen.lang for specimen in specimens} == Templates().languages


def test_a_scheme_is_shown_whatever_the_reader_prefers(tmp_path: Path) -> None:
    folder = gallery.build(tmp_path, {}).parent
    for name in ("sign-up.fr", "mail.fr"):
        light, dark = (
            (folder / f"{name}.{scheme}.html").read_text(encoding="utf-8")
            for scheme in ("light", "dark")
        )
        assert "@media (max-width: 0)" in light
        assert "@media (min-width: 0)" in dark
        for html in (light, dark):
            assert "prefers-color-scheme" not in html
            assert "light dark" not in html


def test_a_stages_settings_are_shown_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    environment = {"DEFAULT_LANG": "en", "PRODUCT_NAME": "Acme & Co", "MAIL_FROM_NAME": "Ada"}
    index = gallery.build(tmp_path, environment).read_text(encoding="utf-8")
    assert "<title>Acme &amp; Co: pages and mails</title>" in index
    assert "Ada &lt;hello@example.org&gt;\nConfirm your email address for Acme &amp; Co" in index
    assert index.index('data-lang="en"') < index.index('data-lang="fr"')
    with pytest.raises(OpsError, match="ACCENT_COLOUR must be a colour"):
        gallery.build(tmp_path, {"ACCENT_COLOUR": "red"})


def test_a_bad_template_is_told_and_the_former_pages_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    brand = tmp_path / "chalicelib" / "acme"
    (brand / "words").mkdir(parents=True)
    (brand / "words/fr.json").write_text('{"mail_greeting": "Salut $nom"}')
    shown = gallery.build(tmp_path / "shown", {})
    told = r"chalicelib/acme/mail_greeting has \$nom, .*: fix that template"
    with pytest.raises(OpsError, match=told):
        gallery.build(tmp_path / "shown", {"TEMPLATES_FOLDER": "chalicelib/acme"})
    assert shown.exists()


def test_the_index_has_a_filter_for_each_difference(tmp_path: Path) -> None:
    index = gallery.build(tmp_path, {}).read_text(encoding="utf-8")
    for name, value in (
        ("name", "sent-code"),
        ("lang", "zh-Hans"),
        ("scheme", "dark"),
        ("device", "narrow"),
    ):
        (filter_,) = re.findall(rf'<select name="{name}">(.*?)</select>', index)
        assert f"<option>{value}</option>" in filter_
        assert f'data-{name}="{value}"' in index


def test_what_is_no_longer_a_specimen_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "old.html").touch()
    gallery.build(tmp_path, {})
    assert not (tmp_path / "old.html").exists()


@pytest.mark.parametrize("arguments", [["--no-open"], []], ids=["told where", "opened"])
def test_the_command_says_where_it_is_and_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(preview_command, "FOLDER", tmp_path)
    done = CliRunner().invoke(ops, ["preview", "--set", "PRODUCT_NAME=Acme", *arguments])
    assert (done.exit_code, done.output) == (0, f"{tmp_path}/index.html\n")
    assert opened == ([] if arguments else [(tmp_path / "index.html").as_uri()])
    assert "Acme" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_command_tells_a_mistake_in_a_sentence() -> None:
    done = CliRunner().invoke(ops, ["preview", "--set", "LOGO_URL=logo.png"])
    assert done.exit_code == 1
    assert "LOGO_URL must be https://host/path" in done.output
    assert "Traceback" not in done.output


# Sending


class Ses:
    """SES, with a memory of what it was asked to send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send_email(self, **mail: Any) -> None:
        self.sent.append(mail)


def test_each_mail_is_sent_and_no_faster_than_one_a_second() -> None:
    ses, pauses = Ses(), list[float]()
    stage = samples.read({"MAIL_FROM": "hello@example.org"})
    arabic = [one for one in samples.make(stage) if one.lang == "ar"]
    client = cast("SESV2Client", ses)
    assert sending.send(client, stage, arabic, "you@example.org", pause=pauses.append) == MAILS
    assert pauses == [sending.PAUSE] * (MAILS - 1)
    for mail in ses.sent:
        assert mail["FromEmailAddress"] == "hello@example.org"
        assert mail["Destination"] == {"ToAddresses": ["you@example.org"]}
        assert mail["Content"]["Simple"]["Subject"]["Data"].startswith("[ar ")


def test_the_command_sends_the_mails_of_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Specimen] = []

    def send(_client: object, _stage: object, specimens: list[Specimen], to: str) -> int:
        sent.extend(specimens)
        return len(to)

    account = SimpleNamespace(session=SimpleNamespace(client=lambda name: name))
    monkeypatch.setattr(lookup, "account", lambda: account)
    monkeypatch.setattr(sending, "send", send)
    command = ["preview", "--send", "you@x.org", "--lang", "pt-BR"]
    refused = CliRunner().invoke(ops, command, input="n\n")
    assert f"Send {MAILS} mails to you@x.org (about 1 min)?" in refused.stderr
    assert (refused.exit_code, sent) == (1, [])
    done = CliRunner().invoke(ops, command, input="y\n")
    assert (done.exit_code, done.stdout) == (0, "9 mails are on their way to you@x.org.\n")
    assert {specimen.lang for specimen in sent} == {"pt-BR"}


def test_a_stages_own_fields_are_shown_in_every_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    own_fields.write(tmp_path)
    stage = samples.read({"TEMPLATES_FOLDER": own_fields.FOLDER})
    pages = {(one.name, one.lang): one.html for one in samples.specimens(stage)}
    for lang in Templates().languages:
        assert 'name="company"' in pages["sign-up", lang]
        for name in ("company", "website", "plan", "terms"):
            assert f'id="own-{name}-error"' in pages["sign-up-errors", lang]


def test_a_mistake_in_the_own_fields_is_named_before_a_deploy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    own_fields.write(tmp_path, {"company": {"type": "text"}})
    with pytest.raises(OpsError, match=r"fields\.json: 'company' needs a label"):
        preconditions.check_settings({"TEMPLATES_FOLDER": own_fields.FOLDER})
