"""A user in words, exported in full, and found by a part of a name."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone

import boto3
import pytest

from chalicelib.logs import hashed
from ops.stage.cloud import Cloud
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.project import CHECKOUT, Project
from ops.users import lookup, person, personal_data
from tests.support.stores import Plain, typed

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
EMAIL = "alexis@example.org"
BEFORE = "2031-05-04T11:57:00.000000Z"
HASH = "1" * 64


def told(**attributes: object) -> dict[str, str]:
    return dict(person.facts(person.plain(typed({"email": EMAIL, **attributes})), NOW))


def test_show_has_the_life_of_a_sign_up() -> None:
    facts = told(
        prenom="Alexis",
        nom="GÜNST HORN",
        lang="fr",
        created_at=BEFORE,
        mail="sent",
        mail_at=BEFORE,
        mail_count=1,
        link_hashes={HASH},
        link_expires_at=int((NOW + timedelta(hours=23)).timestamp()),
        expires_at=int((NOW + timedelta(days=7)).timestamp()),
    )
    ago = "2031-05-04 11:57:00 UTC (3 minutes ago)"
    assert facts == {
        "state": "pending",
        "name": "Alexis GÜNST HORN",
        "language": "fr",
        "came": ago,
        "mail": f"sent {ago}",
        "next": "SES took the mail. The mailbox's server has not confirmed it yet.",
        "mails sent": "1",
        "links": "1 works until 2031-05-05 11:00:00 UTC (in 23 hours)",
        "deleted": "2031-05-11 12:00:00 UTC (in 7 days), unless validated",
        "in the logs": f"user={hashed(EMAIL)}",
    }


@pytest.mark.parametrize(
    ("attributes", "label", "fact"),
    [
        ({}, "mail", "owed, not yet claimed"),
        ({}, "name", "none"),
        ({}, "language", "the stage's"),
        ({"mail": "failed", "mail_error": "MessageRejected: No."}, "why", "MessageRejected: No."),
        ({"mail": "failed"}, "state", "failed"),
        ({"mail": "complained"}, "state", "complained"),
        (
            {"validated_at": BEFORE},
            "state",
            "validated 2031-05-04 11:57:00 UTC (3 minutes ago)",
        ),
        ({"validated_at": BEFORE}, "mail", "none needed"),
        ({"validated_at": BEFORE, "mail": "owed", "mail_at": BEFORE}, "mail", "none needed"),
        (
            {"validated_at": BEFORE, "owed_at": BEFORE, "mail": "owed"},
            "mail",
            "owed",
        ),
        (
            {"validated_at": BEFORE, "validated_by": "operator"},
            "state",
            "validated 2031-05-04 11:57:00 UTC (3 minutes ago), by the operator",
        ),
        (
            {"validated_at": BEFORE, "mail": "bounced"},
            "state",
            "bounced, confirmed 2031-05-04 11:57:00 UTC (3 minutes ago)",
        ),
        ({"phone": "1", "address": "2"}, "also held", "address, phone"),
        ({"created_at": "long ago"}, "came", "long ago"),
        ({"created_at": 10**30}, "came", str(10**30)),
        ({"mail": {"not": "ours"}}, "mail", "{'not': 'ours'}"),
    ],
)
def test_facts_survive_any_attribute_of_another_program(
    attributes: Plain, label: str, fact: str
) -> None:
    assert told(**attributes)[label] == fact


def test_no_hash_of_a_link_or_code_is_shown() -> None:
    link = {"expires": 1, "said": {"prenom": "Stranger"}, "ticket": "3" * 64}
    shown = str(
        told(
            link_hashes={HASH},
            links={HASH: link},
            codes={"3" * 64: {"code": "4" * 64, "link": HASH, "tries": 1}},
            mail_link=HASH,
            mail="sent",
        )
    )
    for secret in (HASH, "3" * 64, "4" * 64, "Stranger"):
        assert secret not in shown


def test_show_has_the_time_of_a_delivery() -> None:
    mail = told(mail="delivered", mail_at=BEFORE, delivered_at=BEFORE, delivery_ms=1234)["mail"]
    assert mail == "delivered 2031-05-04 11:57:00 UTC (3 minutes ago), in 1.23 s"


def test_show_counts_live_links() -> None:
    def link(hours: int) -> dict[str, int]:
        return {"expires": int((NOW + timedelta(hours=hours)).timestamp())}

    assert told(links={"a": link(1), "b": link(2), "c": link(-1)})["links"] == (
        "2 work until 2031-05-04 14:00:00 UTC (in 2 hours)"
    )
    assert told(links={"a": link(-1)})["links"] == "none works"
    assert "links" not in told(links={"a": link(1)}, validated_at=BEFORE)
    assert told(links={"a": 7, "b": {"expires": "soon"}})["links"] == "none works"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, "Another program put this item."),
        ({"mail": "owed", "owed_at": "2031-05-04T11:59:30Z"}, "sends it within seconds"),
        ({"mail": "owed", "owed_at": BEFORE}, "as soon as SES's rate and the budget allow"),
        ({"mail": "owed", "owed_at": BEFORE}, "It has waited 3 min."),
        ({"mail": "owed", "mail_at": "soon"}, "as soon as SES's rate and the budget allow"),
        ({"mail": "sending", "mail_at": BEFORE}, "waits for SES's own report"),
        (
            {"mail": "sending", "mail_at": "2031-05-04T11:50:00Z"},
            "SES reports nothing. It is sent again",
        ),
        ({"mail": "sent", "mail_at": BEFORE}, "has not confirmed it yet"),
        ({"mail": "sent", "mail_at": "2031-05-04T11:00:00Z"}, "look for a typo in the domain"),
        ({"mail": "sent", "mail_error": "452 full"}, "SES keeps trying for some hours"),
        ({"mail": "delivered"}, "has not opened the link: look in spam"),
        ({"mail": "failed"}, "users resend"),
        ({"mail": "bounced"}, "--even-bounced"),
        ({"mail": "complained"}, "marked the mail as spam"),
        ({"mail": "refused"}, "users allow"),
        ({"mail": "refused", "validated_at": BEFORE}, "The user unsubscribed"),
        ({"mail": "refused", "validated_at": BEFORE}, "users allow"),
    ],
)
def test_show_says_where_a_mail_is_stuck(attributes: dict[str, str], words: str) -> None:
    assert words in told(**attributes)["next"]


@pytest.mark.parametrize("mail", ["owed", "sent", "delivered", {"odd": 1}, 7])
def test_a_validated_user_has_no_next_step(mail: object) -> None:
    assert "next" not in told(mail=mail, validated_at=BEFORE)


def test_users_are_found_by_a_part_of_address_or_name() -> None:
    users = [
        {"email": "alexis@example.org", "prenom": "Alexis", "nom": "GÜNST HORN"},
        {"email": "zoe@bücher.example", "prenom": "Zoé"},
        {"email": "x@example.com", "nom": 7},
    ]

    def found(text: str) -> list[str]:
        return [str(user["email"])[0] for user in lookup.matching(users, text)]

    assert found("gunst") == found("xis günst") == found("ALEXIS@") == ["a"]
    assert found("zoe") == found("ZOÉ") == found("bucher") == ["z"]
    assert found("example") == ["a", "z", "x"]
    assert found("7") == ["x"]
    assert found("nobody") == []


def test_an_item_of_any_types_is_plain_json() -> None:
    item = typed(
        {
            "email": EMAIL,
            "count": 3,
            "flags": {"b", "a"},
            "numbers": {2, 1},
            "raw": b"\x00\xff",
            "nested": {"list": [1, None, True, {"x"}]},
        }
    )
    item["half"] = {"N": "0.5"}
    assert json.loads(json.dumps(person.plain(item))) == {
        "email": EMAIL,
        "count": 3,
        "flags": ["a", "b"],
        "numbers": [1, 2],
        "raw": "00ff",
        "nested": {"list": [1, None, True, ["x"]]},
        "half": 0.5,
    }


def test_an_export_has_each_attribute_with_its_meaning() -> None:
    held = personal_data.everything(
        {"phone": "1", "nom": "GÜNST HORN", "email": EMAIL, "link_hashes": [HASH]}, "users", NOW
    )
    assert (held["about"], held["table"]) == (EMAIL, "users")
    assert held["exported_at"] == "2031-05-04T12:00:00.000000Z"
    assert [(one["name"], one["value"]) for one in held["held"]] == [
        ("email", EMAIL),
        ("nom", "GÜNST HORN"),
        ("link_hashes", [HASH]),
        ("phone", "1"),
    ]
    assert all(one["meaning"] for one in held["held"])
    assert hashed(EMAIL) in held["logs"]


def test_every_attribute_of_the_app_has_a_meaning() -> None:
    page = (CHECKOUT / "docs" / "item.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(person.MEANINGS)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (EMAIL, [EMAIL]),
        ("Alexis@Example.org", ["Alexis@Example.org", EMAIL]),
        (" alexis@example.org ", [" alexis@example.org ", EMAIL]),
        (
            "Zoe@Bücher.example",
            [
                "Zoe@Bücher.example",
                "zoe@xn--bcher-kva.example",
                "zoe@bücher.example",
            ],
        ),
        (f" mailto:{EMAIL}", [f" mailto:{EMAIL}", EMAIL]),
        ("mailto%3AZ%40a.org", ["mailto%3AZ%40a.org", "mailto:Z@a.org"]),
        ("%E2%80%8BZ@a.org%0A", ["%E2%80%8BZ@a.org%0A", "\u200bZ@a.org\n"]),
        ("no address at all", ["no address at all"]),
    ],
)
def test_an_address_is_looked_up_as_typed_then_as_stored(typed: str, keys: list[str]) -> None:
    assert lookup.spellings(typed) == keys


@pytest.mark.parametrize("typed", ["", "x" * 3000, "a\udcff@example.org"])
def test_a_text_that_cannot_be_a_key_is_refused(typed: str) -> None:
    with pytest.raises(OpsError, match="Type an address"):
        lookup.spellings(typed)


def test_the_first_spelling_of_a_user_is_found(project: Project) -> None:
    stage = Stage(Cloud(boto3.Session(), "1", "", lambda *_: ""), project)
    people = {EMAIL: "canonical", "Alexis@Example.org": "verbatim"}
    assert lookup.first(stage, "Alexis@Example.org", people.get) == (
        "Alexis@Example.org",
        "verbatim",
    )
    assert lookup.first(stage, "ALEXIS@example.org", people.get) == (EMAIL, "canonical")
    with pytest.raises(OpsError, match=r"no user with the address x@example\.org"):
        lookup.first(stage, "x@example.org", people.get)


def test_show_says_who_is_or_was_reminded_and_welcomed() -> None:
    later = "2031-05-06T12:00:00.000000Z"
    assert told(mail="sent", remind_at=later)["reminder"] == "2031-05-06 12:00:00 UTC (in 2 days)"
    facts = told(mail="sent", reminded_at=BEFORE, validated_at=BEFORE, welcomed_at=BEFORE)
    assert facts["reminded"] == facts["welcomed"] == "2031-05-04 11:57:00 UTC (3 minutes ago)"


def test_a_welcome_that_is_owed_is_the_next_step() -> None:
    assert told(mail="owed", validated_at=BEFORE, owed_at=BEFORE)["next"].startswith("A welcome")


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("Zoe+x@example.org", "Zoe+x@example.org"),
        ("zo\u00e9@b\u00fccher.example", "zo\u00e9@b\u00fccher.example"),
        ("mailto:Zoe@example.org", "mailto:Zoe@example.org"),
        ("\u200bZoe@example.org\n", "%E2%80%8BZoe@example.org%0A"),
        (" Zoe@example.org", "%20Zoe@example.org"),
        ("Zoe\u3164@example.org", "Zoe%E3%85%A4@example.org"),
        ("\x1b[2JZoe@example.org", "%1B%5B2JZoe@example.org"),
    ],
)
def test_a_key_that_is_shown_can_be_typed(key: str, shown: str) -> None:
    assert person.key({"email": key}) == shown
    assert key in lookup.spellings(shown)
