"""The columns of a file of people: their names in several languages."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from ops.stage.errors import OpsError
from ops.terminal.text import printable

EMAIL, FIRST_NAME, LAST_NAME, LANG = "email", "prenom", "nom", "lang"
VALIDATED_AT = "validated_at"
WHOLE_NAME = "name"


def _plain(header: str) -> str:
    """Return ``header`` as letters and digits alone: ``E-Mail`` is ``email``."""
    decomposed = unicodedata.normalize("NFKD", header[:200].casefold())
    return "".join(c for c in decomposed if c.isalnum())


# Headers are compared without case, accents, blanks and punctuation. Sources: the exports of
# Mailchimp, Brevo, listmonk, Google, Outlook and Excel in these languages.
_HEADERS = {
    EMAIL: "email emailaddress emailaddresses primaryemail useremail email1value emailadresse "
    "adresseemail adressemail adresseelectronique adressedecourriel courriel mailadresse "
    "correo correoelectronico direcciondecorreo direcciondecorreoelectronico direccionemail "
    "emailadres mailadres indirizzoemail enderecodeemail adresemail epost epostadress eposta "
    "epostaadresi メールアドレス 邮箱 电子邮件 電子郵件",
    FIRST_NAME: "prenom firstname givenname forename fname vorname nombre voornaam nome imie "
    "fornamn ad 名 名字",
    LAST_NAME: "nom lastname surname familyname lname nomdefamille nachname familienname apellido "
    "apellidos achternaam cognome apelido sobrenome nazwisko efternamn soyad 姓 姓氏",
    WHOLE_NAME: "name fullname wholename displayname contactname nomcomplet nombrecompleto "
    "nombreyapellidos vollstandigername naam volledigenaam nomecompleto imieinazwisko adsoyad "
    "名前 氏名 姓名",
    LANG: "lang language locale langue sprache idioma taal lingua jezyk sprak dil 言語 语言",
    VALIDATED_AT: "validatedat",
}
_NAME_OF = {
    _plain(header): name for name, headers in _HEADERS.items() for header in headers.split()
}

# These parts of a header say that a column may tell who has confirmed, or who has left.
_CONFIRMED = (
    *("confirm", "verif", "valid", "bestatig", "bevestig", "potwierdz", "bekraft", "onay"),
    *("optin", "optout", "subscri", "desinscri", "abmeld", "bounce", "status"),
)

CHOICES = {
    EMAIL: EMAIL,
    FIRST_NAME: FIRST_NAME,
    "first_name": FIRST_NAME,
    LAST_NAME: LAST_NAME,
    "last_name": LAST_NAME,
    WHOLE_NAME: WHOLE_NAME,
    LANG: LANG,
    VALIDATED_AT: VALIDATED_AT,
}
"""The fields that ``--column`` may name, by their spellings."""


@dataclass(frozen=True)
class Columns:
    """``places`` is the index of each known column, ``ignored`` the headers of all others."""

    places: Mapping[str, int]
    ignored: tuple[str, ...]


def has_email(header: Iterable[str], chosen: Mapping[str, str]) -> bool:
    """Return True if one of ``header`` is the column of addresses."""
    wanted = _plain(chosen.get(EMAIL, ""))
    return any(_plain(name) == wanted if wanted else _known(name) == EMAIL for name in header)


def find(
    header: Sequence[str],
    chosen: Mapping[str, str],
    ours: Collection[str],
    own: Iterable[tuple[str, str]] = (),
) -> Columns:
    """Return where the known columns are.

    ``chosen`` are headers that the operator chose, by the name of what they hold; an empty header
    says that no column holds it. ``ours`` are headers that are ignored without a word, and ``own``
    are those of the stage's own fields with the names of their columns.
    Raises OpsError if a column is missing or unclear.
    """
    own_names = {_plain(spelled): name for spelled, name in own}
    names = [_known(column) or own_names.get(_plain(column), "") for column in header]
    for name, wanted in chosen.items():
        names = ["" if other == name else other for other in names]
        if wanted:
            names[_index(header, wanted)] = name
    if chosen.get(WHOLE_NAME):
        names = [
            "" if name in (FIRST_NAME, LAST_NAME) and not chosen.get(name) else name
            for name in names
        ]
    names = _with_whole_name(names)
    _refuse_doubles(header, names)
    ignored = tuple(
        column
        for column, name in zip(header, names, strict=True)
        if not name and column not in ours
    )
    if VALIDATED_AT not in names and VALIDATED_AT not in chosen:
        _ask_who_has_confirmed(ignored)
    return Columns({name: place for place, name in enumerate(names) if name}, ignored)


def _with_whole_name(names: list[str]) -> list[str]:
    """Return ``names`` with the column ``name`` in the place of the part that is missing.

    German files have ``Vorname`` and ``Name``, British ones ``Name`` and ``Surname``.
    """
    missing = [part for part in (FIRST_NAME, LAST_NAME) if part not in names]
    part = missing[0] if missing else ""
    return [part if name == WHOLE_NAME else name for name in names]


def _refuse_doubles(header: Sequence[str], names: list[str]) -> None:
    double = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if double is None:
        return
    columns = [column for column, name in zip(header, names, strict=True) if name == double]
    raise OpsError(
        f"Several columns may hold the {double}: {_listed(columns)}. Choose one:\n"
        f"--column {double}={_quoted(columns[0])}"
    )


def _ask_who_has_confirmed(ignored: tuple[str, ...]) -> None:
    unclear = [name for name in ignored if any(part in _plain(name) for part in _CONFIRMED)]
    if unclear:
        raise OpsError(
            f"These columns may say who has confirmed already, or who has left: {_listed(unclear)}."
            " Nobody was mailed yet. Name one that says when a user confirmed; they get no mail:\n"
            f"--column {VALIDATED_AT}={_quoted(unclear[0])}\n"
            f"Otherwise mail all users in the file:\n--column {VALIDATED_AT}="
        )


def _index(header: Sequence[str], wanted: str) -> int:
    exact = [place for place, column in enumerate(header) if column.strip() == wanted.strip()]
    alike = [place for place, column in enumerate(header) if _plain(column) == _plain(wanted)]
    places = exact or alike
    if len(places) != 1:
        which = "no column" if not places else "more than one column"
        raise OpsError(f"The file has {which} {wanted!r}. Its columns: {_listed(header)}.")
    return places[0]


def _known(header: str) -> str:
    return _NAME_OF.get(_plain(header), "")


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f'"{printable(column[:40])}"' for column in columns[:12])
    return shown + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")


def _quoted(column: str) -> str:
    return quote(printable(column.strip()))
