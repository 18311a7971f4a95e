"""The people: what a sign-up says of one, what a mail needs, and how a click ends."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class SignUp:
    """Somebody who wants in. ``email`` is canonical; one of ``prenom`` and ``nom`` may be empty."""

    email: str
    prenom: str
    nom: str
    lang: str


@dataclass(frozen=True)
class User:
    """Who a mail is for. Names and language are what the item says, however strange."""

    email: str
    prenom: str
    nom: str
    lang: str


class Validation(Enum):
    """What became of a click on a link."""

    VALIDATED = "validated"
    ALREADY_VALIDATED = "already_validated"
    EXPIRED = "expired"
    INVALID = "invalid"


@dataclass(frozen=True)
class Click:
    """What became of a click, and the language of whose link it was; empty if nobody's."""

    outcome: Validation
    lang: str


class Verdict(Enum):
    """Why an address gets no more mail."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
