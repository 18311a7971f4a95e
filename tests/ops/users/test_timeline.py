"""A user's life in plain words, from items of any writer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ops.users import person, timeline
from tests.support.stores import Plain, typed

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
CAME = "2031-05-04T11:00:00.900000Z"
LATER = "2031-05-04T11:30:00.000000Z"
ZOE = "arn:aws:sts::123456789012:assumed-role/Support/zoe"


def told(**attributes: object) -> list[str]:
    """The entries, each with the minutes from now."""
    user = person.plain(typed({"email": "alexis@example.org", **attributes}))
    return [
        f"{(entry.at - NOW).total_seconds() / 60:+.0f} {entry.words}" + (entry.by and " by zoe")
        for entry in timeline.entries(user, NOW)
    ]


def epoch(**after: int) -> int:
    return int((NOW + timedelta(**after)).timestamp())


def test_a_timeline_is_in_chronological_order() -> None:
    """A link's own moment has no fraction of a second."""
    assert told(
        created_at=CAME,
        said_at=CAME,
        mail="delivered",
        mail_at="2031-05-04T11:00:02.000000Z",
        links={"a": {"expires": epoch(hours=23)}},
        expires_at=epoch(days=7),
        acts=[{"at": LATER, "act": "resend", "by": ZOE}],
    ) == [
        "-60 Signed up",
        "-60 A mail with a link was made",
        "-60 The mailbox's server took the mail",
        "-30 Another mail requested by zoe",
        "+1380 This link expires",
        "+10080 All of this is deleted, unless the address is confirmed",
    ]


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({}, []),
        ({"created_at": "long ago", "links": 7, "acts": "x"}, []),
        ({"links": {"a": 7, "b": {"expires": "soon"}, "c": {"expires": 0}}, "acts": [1]}, []),
        ({"acts": [{"at": LATER, "act": "sing", "by": ZOE}]}, ["-30 Sing by zoe"]),
        ({"created_at": CAME, "said_at": LATER}, ["-60 Signed up", "-30 Signed up again"]),
        ({"mail": "failed", "mail_at": LATER, "mail_error": "No."}, ["-30 The mail failed: No."]),
        ({"mail": "refused", "mail_at": LATER}, ['-30 The user said "this was not me"']),
        (
            {"mail": "refused", "mail_at": LATER, "validated_at": CAME},
            ["-60 Confirmed the address", "-30 The user unsubscribed"],
        ),
        (
            {"mail": "refused", "mail_at": LATER, "refused_by": "operator"},
            ["-30 Mail refused on the user's request"],
        ),
        (
            {"mail": "owed", "mail_at": LATER, "delivered_at": CAME},
            ["-60 The mailbox's server took the mail", "-30 A mail is owed"],
        ),
        (
            {"validated_at": LATER, "validated_with": "code"},
            ["-30 Confirmed the address with a code"],
        ),
        ({"validated_at": LATER, "validated_by": "import"}, ["-30 Validated by an import"]),
        ({"validated_at": LATER, "validated_by": "operator"}, ["-30 Validated by the operator"]),
        (
            {"links": {"a": {"expires": epoch(hours=-1)}}},
            ["-1500 A mail with a link was made", "-60 A link expired"],
        ),
        (
            {"validated_at": LATER, "links": {"a": {"expires": epoch(hours=23)}}},
            ["-60 A mail with a link was made", "-30 Confirmed the address"],
        ),
        (
            {"mail": "bounced", "bounced_until": "2031-05-04T13:00:00Z"},
            ["+60 The bounce is forgotten: the user may request mail again"],
        ),
        ({"reminded_at": LATER}, ["-30 The user was reminded"]),
        (
            {"remind_at": "2031-05-04T13:00:00Z"},
            ["+60 The user is reminded, unless the address is confirmed"],
        ),
        ({"remind_at": LATER}, []),
        (
            {"remind_at": "2031-05-04T13:00:00Z", "validated_at": LATER},
            ["-30 Confirmed the address"],
        ),
        (
            {"validated_at": CAME, "welcomed_at": LATER},
            ["-60 Confirmed the address", "-30 The welcome was sent"],
        ),
        ({"expires_at": epoch(hours=-1)}, ["-60 Too old: counts as deleted"]),
    ],
)
def test_a_timeline_has_every_fact_of_the_item(attributes: Plain, words: list[str]) -> None:
    assert told(**attributes) == words


@pytest.mark.parametrize(
    ("act", "attributes"),
    [
        ("resend", {"mail": "owed", "mail_at": LATER}),
        ("refuse", {"mail": "refused", "mail_at": LATER, "refused_by": "operator"}),
        ("allow", {"mail": "failed", "mail_at": LATER, "mail_error": "the refusal was lifted"}),
        ("validate", {"validated_at": LATER, "validated_by": "operator"}),
        ("import", {"imported_at": LATER}),
    ],
)
def test_a_timeline_has_each_operators_act_once(act: str, attributes: Plain) -> None:
    (line,) = told(acts=[{"at": LATER, "act": act, "by": ZOE}], **attributes)
    assert line.endswith(" by zoe")
