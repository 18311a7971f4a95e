"""The headers of other people's files, in several languages."""

from __future__ import annotations

import pytest

from ops.stage.errors import OpsError
from ops.users.imports import columns

OURS = ("line", "reason")


def places(header: str, **chosen: str) -> dict[str, int]:
    return dict(columns.find(header.split(";"), chosen, OURS).places)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        # German, Spanish, Dutch, French, Italian, Portuguese, Polish, Swedish, Turkish, Japanese
        ("E-Mail-Adresse;Vorname;Nachname", {"email": 0, "prenom": 1, "nom": 2}),
        ("Vorname;Name;E-Mail", {"prenom": 0, "nom": 1, "email": 2}),
        ("Correo electrónico;Nombre;Apellidos", {"email": 0, "prenom": 1, "nom": 2}),
        ("E-mailadres;Voornaam;Achternaam;Taal", {"email": 0, "prenom": 1, "nom": 2, "lang": 3}),
        ("Adresse e-mail;Prénom;Nom de famille", {"email": 0, "prenom": 1, "nom": 2}),
        ("Courriel;Nom;Prénom;Langue", {"email": 0, "nom": 1, "prenom": 2, "lang": 3}),
        ("Indirizzo e-mail;Nome;Cognome", {"email": 0, "prenom": 1, "nom": 2}),
        ("Endereço de e-mail;Nome;Sobrenome", {"email": 0, "prenom": 1, "nom": 2}),
        ("Adres e-mail;Imię;Nazwisko", {"email": 0, "prenom": 1, "nom": 2}),
        ("E-postadress;Förnamn;Efternamn", {"email": 0, "prenom": 1, "nom": 2}),
        ("Ad;Soyad;E-posta", {"prenom": 0, "nom": 1, "email": 2}),
        ("メールアドレス;姓;名", {"email": 0, "nom": 1, "prenom": 2}),
        # Mailchimp, Google, Outlook, databases
        ("Email Address;First Name;Last Name", {"email": 0, "prenom": 1, "nom": 2}),
        ("EMAIL;FNAME;LNAME", {"email": 0, "prenom": 1, "nom": 2}),
        ("E-mail 1 - Value;Given Name;Family Name", {"email": 0, "prenom": 1, "nom": 2}),
        ("FIRSTNAME;lastName;user_email", {"prenom": 0, "nom": 1, "email": 2}),
        # One column holds the whole name.
        ("email;name", {"email": 0, "prenom": 1}),
        ("email;Full Name;locale", {"email": 0, "prenom": 1, "lang": 2}),
        ("email;Name;Surname", {"email": 0, "prenom": 1, "nom": 2}),
        ("email;name;first_name;last_name", {"email": 0, "prenom": 2, "nom": 3}),
        ("email;validated at", {"email": 0, "validated_at": 1}),
        ("line;reason;email", {"email": 2}),
    ],
)
def test_headers_are_known(header: str, expected: dict[str, int]) -> None:
    assert places(header) == expected


def test_other_columns_are_named() -> None:
    found = columns.find(["line", "id", "email", "Société"], {}, OURS)
    assert found.ignored == ("id", "Société")


@pytest.mark.parametrize(
    ("header", "chosen", "expected"),
    [
        ("Contact;x", {"email": "Contact"}, {"email": 0}),
        ("Contact;Email", {"email": " contact "}, {"email": 0}),
        ("Email;E-Mail", {"email": "E-Mail"}, {"email": 1}),
        ("email;Who;Name", {"name": "Who"}, {"email": 0, "prenom": 1}),
        ("email;name;Firma", {"name": "", "nom": "Firma"}, {"email": 0, "nom": 2}),
        ("email;confirmed_at", {"validated_at": "confirmed_at"}, {"email": 0, "validated_at": 1}),
        ("email;confirmed_at", {"validated_at": ""}, {"email": 0}),
    ],
)
def test_the_operator_may_choose_a_column(
    header: str, chosen: dict[str, str], expected: dict[str, int]
) -> None:
    assert places(header, **chosen) == expected


@pytest.mark.parametrize(
    ("header", "chosen", "words"),
    [
        ("email;Email", {}, 'Several columns may hold the email: "email", "Email".*\n--column'),
        ("email;prenom;first_name", {}, "Several columns may hold the prenom"),
        ("email;x", {"nom": "y"}, 'The file has no column \'y\'. Its columns: "email", "x".'),
        ("email;x y;x-y", {"nom": "xy"}, "has more than one column 'xy'"),
    ],
)
def test_an_unclear_column_is_refused(header: str, chosen: dict[str, str], words: str) -> None:
    with pytest.raises(OpsError, match=words):
        places(header, **chosen)


@pytest.mark.parametrize(
    "column",
    [
        "confirmed_at",
        "CONFIRM_TIME",
        "email_verified_at",
        "Email Confirmed?",
        "Optin Time",
        "double opt-in",
        "Bestätigt am",
        "Bevestigd op",
        "Validé le",
        "Date de validation",
        "Potwierdzony",
        "subscribed",
        "Unsubscribed At",
        "Status",
    ],
)
def test_a_column_that_may_say_confirmed_is_asked_about(column: str) -> None:
    with pytest.raises(OpsError) as refused:
        places(f"email;{column}")
    assert f'"{column}"' in str(refused.value)
    assert "Nobody was mailed yet." in str(refused.value)
    assert "\n--column validated_at=" in str(refused.value)
    assert places(f"email;{column};validated_at") == {"email": 0, "validated_at": 2}


def test_a_printed_choice_can_be_pasted() -> None:
    with pytest.raises(OpsError) as refused:
        places("email;Who's \x1b[31mconfirmed")
    assert """\n--column validated_at='Who'"'"'s �[31mconfirmed'\n""" in str(refused.value)
