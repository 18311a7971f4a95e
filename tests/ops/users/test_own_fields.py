"""`users …` of a stage with own fields: listed, imported, withdrawn and proven."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from chalicelib import templates
from chalicelib.mail.limits import Limits
from chalicelib.users.consent_texts import ConsentTexts
from chalicelib.users.people import Consent
from ops.stage.project import Project
from tests.ops.users.conftest import LIMITS
from tests.support import own_fields
from tests.support.own_fields import DEFINITION, FOLDER
from tests.support.stores import Store

EMAIL = "alexis@example.org"
THEN, LATER = "2026-05-04T12:00:00.000000Z", "2026-05-05T12:00:00.000000Z"
UNLIMITED = ("--rate", "1000", "--mails", "1000")
NEWS = Consent(f"{DEFINITION['news']['label']['en']}\n{DEFINITION['news']['hint']['en']}", "en")
AGREED = {
    "text": own_fields.own_fields.digest(NEWS.text),
    "lang": "en",
    "at": THEN,
    "address": "203.0.113.0",
}
VALIDATED = {
    "fields": {"company": "Acme", "beta": True},
    "consent": {"news": AGREED},
    "mail": "delivered",
    "mail_link": "1" * 64,
    "message_id": "ses-1",
    "validated_at": LATER,
    "validated_with": "link",
    "validated_link": "1" * 64,
    "validated_from": {"address": "198.51.100.0", "agent": "Firefox"},
}
Users = Callable[..., Result]


@pytest.fixture(autouse=True)
def fields_of_the_stage(
    project: Project, users: Users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert users
    own_fields.write(tmp_path)
    monkeypatch.setattr(templates, "PACKAGE", tmp_path)
    settings = {"TEMPLATES_FOLDER": FOLDER, "SOURCE_FIELDS": "ref"}
    project.record({**project.environment, **settings}, {})


@pytest.fixture
def text_of_news(store: Store, limits: Limits) -> None:
    assert limits
    moment = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)
    ConsentTexts(store.client, LIMITS).keep([NEWS], moment)


def imported(users: Users, tmp_path: Path, content: str, *options: str) -> Result:
    file = tmp_path / "people.csv"
    file.write_text(content, encoding="utf-8")
    return users("import", str(file), *UNLIMITED, *options)


def test_a_list_has_a_column_for_each_field(store: Store, users: Users) -> None:
    store.put(EMAIL, **VALIDATED)
    header, row = users("list").output.splitlines()
    assert '"fields.company"' in header
    assert header.endswith('"consent.terms","consent.news","fields.ref"')
    assert '"Acme"' in row
    assert '""at"": ""2026-05-04T12:00:00.000000Z""' in row


def test_what_a_list_wrote_is_imported_as_it_was(
    store: Store, users: Users, tmp_path: Path
) -> None:
    withdrawn = {**AGREED, "withdrawn_at": LATER, "withdrawn_by": "operator"}
    before = {**VALIDATED, "consent": {"news": withdrawn}}
    store.put(EMAIL, **before)
    listed = users("list").output
    store.delete(EMAIL)
    done = imported(users, tmp_path, listed)
    assert done.exit_code == 0, done.output
    after: Any = store.item(EMAIL)
    assert {name: after[name] for name in ("fields", "consent")} == {
        "fields": before["fields"],
        "consent": before["consent"],
    }


def test_an_import_knows_fields_by_name_and_label(
    store: Store, users: Users, tmp_path: Path
) -> None:
    done = imported(
        users,
        tmp_path,
        "email;Entreprise;fields.plan;beta;ref;news\n"
        f"{EMAIL};Acme;pro;x;friend;2025-01-02\n"
        "b@example.org;;;FALSE;;yes\n"
        "c@example.org;;;;;no\n",
    )
    assert done.exit_code == 0, done.output
    first, second, third = (
        store.item(email) or {} for email in (EMAIL, "b@example.org", "c@example.org")
    )
    assert first["fields"] == {"company": "Acme", "plan": "pro", "beta": True, "ref": "friend"}
    assert first["consent"] == {"news": {"by": "import", "at": "2025-01-02T00:00:00.000000Z"}}
    assert ("fields" in second, second["consent"]) == (False, {"news": {"by": "import"}})
    assert "consent" not in third


def test_a_row_with_a_wrong_value_is_rejected(users: Users, tmp_path: Path) -> None:
    done = imported(
        users,
        tmp_path,
        f"email,company,plan,consent.news\n{EMAIL},{'x' * 41},gold,perhaps\n",
    )
    assert done.exit_code == 3
    assert "company: Shorten this to 40\u00a0characters." in done.output
    assert "plan: Choose one of the answers in the list." in done.output
    assert "consent: Write the time as" in done.output


def test_an_operator_may_choose_the_column_of_a_field(
    store: Store, users: Users, tmp_path: Path
) -> None:
    content = f"email,Firm\n{EMAIL},Acme\n"
    done = imported(users, tmp_path, content, "--column", "company=Firm")
    assert done.exit_code == 0, done.output
    assert (store.item(EMAIL) or {})["fields"] == {"company": "Acme"}
    unknown = imported(users, tmp_path, content, "--column", "firm=Firm")
    assert unknown.exit_code == 2
    assert "company" in unknown.output


def test_show_says_what_was_agreed_to(store: Store, users: Users) -> None:
    store.put(EMAIL, **VALIDATED)
    shown = users("show", EMAIL).output
    assert "beta=True, company=Acme" in shown
    assert "news, given 2026-05-04 12:00:00 UTC" in shown
    store.put("b@example.org", consent={"news": AGREED}, created_at=THEN)
    assert "not proven by a click" in users("show", "b@example.org").output


def test_a_withdrawal_is_recorded_once_and_shown(store: Store, users: Users) -> None:
    store.put(EMAIL, **VALIDATED)
    done = users("withdraw", EMAIL, "news")
    assert done.output == f"{EMAIL}: the consent news is withdrawn.\n"
    stored: Any = store.item(EMAIL)
    assert stored["consent"]["news"].items() > AGREED.items()
    assert stored["consent"]["news"]["withdrawn_by"]
    assert "was withdrawn" in users("withdraw", EMAIL, "news").output
    assert "news, withdrawn" in users("show", EMAIL).output


@pytest.mark.parametrize("attributes", [{}, {"consent": {"news": AGREED}, "created_at": THEN}])
def test_what_was_not_given_cannot_be_withdrawn(
    store: Store, users: Users, attributes: dict[str, Any]
) -> None:
    store.put(EMAIL, **attributes)
    done = users("withdraw", EMAIL, "news")
    assert done.exit_code == 1
    assert "was never given by a validated user" in done.output


@pytest.mark.usefixtures("text_of_news")
def test_the_proof_is_one_document(store: Store, users: Users) -> None:
    store.put(EMAIL, **VALIDATED)
    content = json.loads(users("proof", EMAIL, "--json").output)
    assert content["about"] == EMAIL
    assert content["address"] == {
        "proven_at": LATER,
        "by": "the link of a mail to this address",
        "link": "1" * 64,
        "message_id": "ses-1",
        "from_address": "198.51.100.0",
        "from_browser": "Firefox",
    }
    assert content["consents"] == [
        {
            "name": "news",
            "given_at": THEN,
            "language": "en",
            "text_sha256": AGREED["text"],
            "from_address": "203.0.113.0",
            "text": NEWS.text,
            "text_is_whole": True,
        }
    ]
    assert "not a statement that anyone" in content["statement"]


@pytest.mark.usefixtures("text_of_news")
def test_the_proof_can_be_read(store: Store, users: Users) -> None:
    store.put(EMAIL, **VALIDATED)
    users("withdraw", EMAIL, "news")
    document = users("proof", EMAIL).output
    for fact in (
        f"Consents of {EMAIL}",
        f"Address proven  {LATER}",
        f"given at: {THEN}",
        "withdrawn at: ",
        "    Send me the newsletter, once a month.\n    You can withdraw this at any time.",
        "This is evidence",
    ):
        assert fact in document


@pytest.mark.usefixtures("limits")
def test_a_lost_text_is_not_called_whole(store: Store, users: Users) -> None:
    store.put(EMAIL, **VALIDATED)
    (consent,) = json.loads(users("proof", EMAIL, "--json").output)["consents"]
    assert (consent["text"], consent["text_is_whole"]) == ("", False)


@pytest.mark.usefixtures("limits")
def test_nothing_is_proven_before_the_click(store: Store, users: Users) -> None:
    store.put(EMAIL, consent={"news": AGREED, "old": True}, created_at=THEN)
    document = users("proof", EMAIL).output
    assert "The address is not validated: none of these consents counts yet." in document
    assert "stored by: another program" in document
