"""A row of a file as a user, by the rules of a sign-up."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ops.users.imports import newcomers
from ops.users.imports.newcomers import Rejected

NOW = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
GOOD = {"email": "alexis@example.org", "nom": "GÜNST HORN"}


def validated_at(text: str) -> datetime | None:
    return newcomers.check({**GOOD, "validated_at": text}, NOW).validated_at


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"email": "alexis"}, "email: Enter a complete email address"),
        ({"email": ""}, "email: "),
        ({"email": "zoé@example.org"}, "email: Before the @, use only unaccented letters"),
        ({"nom": "http://evil.example"}, "nom: This name looks like a web"),
        ({"prenom": "A", "first_name": "B"}, "first_name: This field was given more than once"),
        ({"email": "a@example.nope"}, "email: No email address ends like this"),
        ({"email": "a@example.o"}, "email: No email address ends like this"),
        ({"prenom": "Lia.it"}, "prenom: This name looks like a web"),
        ({"prenom": "\u0437\u043b\u043e.\u0440\u0444"}, "prenom: This name looks like a web"),
        ({"email": "a\u2060b@example.org"}, "email: This address contains an invisible character"),
        ({"validated_at": "soon"}, "validated_at: Write the time as 2026-11-24T12:00:00Z"),
        ({"validated_at": "2031-05-05"}, "validated_at: This is in the future."),
        ({"validated_at": "1987-03-02"}, "validated_at: This is before 1990."),
        ({"validated_at": "1700000000"}, "validated_at: Write the time as"),
        ({"nom": "caf\udce9"}, "bytes that are not in the file's encoding"),
        ({"email": "x", "validated_at": "x"}, "validated_at: Write the time as"),
    ],
)
def test_a_row_must_follow_the_rules_of_a_sign_up(fields: dict[str, str], reason: str) -> None:
    newcomers.check(GOOD, NOW)
    with pytest.raises(Rejected) as rejected:
        newcomers.check({**GOOD, **fields}, NOW)
    assert reason in str(rejected.value)


@pytest.mark.parametrize(
    ("fields", "person"),
    [
        ({"prenom": "K.Ramesh"}, ("alexis@example.org", "K.Ramesh", "GÜNST HORN", "")),
        ({"prenom": "\u2068Ana\u2069"}, ("alexis@example.org", "Ana", "GÜNST HORN", "")),
        ({"prenom": "Ines @ Jo"}, ("alexis@example.org", "Ines @ Jo", "GÜNST HORN", "")),
        ({"prenom": "\ufa10\u672c"}, ("alexis@example.org", "\ufa10\u672c", "GÜNST HORN", "")),
        ({"prenom": "\u2060\u200b"}, ("alexis@example.org", "", "GÜNST HORN", "")),
        ({"prenom": "Md\uff0eKarim"}, ("alexis@example.org", "Md\uff0eKarim", "GÜNST HORN", "")),
        ({"email": "mailto:Eva@example.org"}, ("eva@example.org", "", "GÜNST HORN", "")),
        ({"email": "\u202aEva@example.org\u202c\u200b"}, ("eva@example.org", "", "GÜNST HORN", "")),
        ({"email": "\uff25va\uff20example\uff0eorg"}, ("eva@example.org", "", "GÜNST HORN", "")),
        ({"lang": "en_IE.UTF-8"}, ("alexis@example.org", "", "GÜNST HORN", "en")),
        ({"lang": "tlh"}, ("alexis@example.org", "", "GÜNST HORN", "")),
    ],
)
def test_a_row_is_read_as_a_sign_up(
    fields: dict[str, str], person: tuple[str, str, str, str]
) -> None:
    imported = newcomers.check({**GOOD, **fields}, NOW).person
    assert (imported.email, imported.prenom, imported.nom, imported.lang) == person


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2030-01-02", datetime(2030, 1, 2, tzinfo=timezone.utc)),
        (" 2030-01-02T03:04:05Z ", datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2030-01-02 03:04:05+02:00", datetime(2030, 1, 2, 1, 4, 5, tzinfo=timezone.utc)),
        ("2030-01-02T03:04:05.123456Z", datetime(2030, 1, 2, 3, 4, 5, 123456, timezone.utc)),
        ("2030-01-02 03:04:05.5+00", datetime(2030, 1, 2, 3, 4, 5, 500000, timezone.utc)),
        ("true", NOW),
        ("Yes", NOW),
        ("1", NOW),
    ],
)
def test_a_moment_of_validation_is_read_in_utc(written: str, meant: datetime) -> None:
    assert validated_at(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "NULL", "\\N", "None", "NaT", "n/a", "-", "0", "false", "No"),
        *("0000-00-00", "0000-00-00 00:00:00", "0001-01-01", "0001-01-01T00:00:00Z"),
        *("1970-01-01", "1970-01-01T00:00:00Z", "1970-01-01 01:00:00", "1970-01-01T01:00:00+01:00"),
        *("1969-12-31T16:00:00-08:00", "1899-12-30T00:00:00", "1900-01-01", "1601-01-01T00:00:00Z"),
        *("1980-01-01 00:00:00", "1979-12-31T19:00:00-05:00"),
    ],
)
def test_a_placeholder_is_not_a_moment_of_validation(written: str) -> None:
    assert validated_at(written) is None
