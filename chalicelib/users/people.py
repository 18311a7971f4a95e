"""People: the data of a sign-up, the recipient of a mail, the result of a click."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

NOTHING: Mapping[str, Any] = {}


class Consent(NamedTuple):
    """A consent: the text that the user saw, and its language."""

    text: str
    lang: str


class SignUp(NamedTuple):
    """The data of one sign-up. ``email`` is canonical; each name may be empty.

    ``fields`` holds the values of the stage's own fields, and ``consent`` the consents by name.
    ``return_to`` is the page of the operator's product that the browser opens after the click.
    """

    email: str
    prenom: str
    nom: str
    lang: str
    fields: Mapping[str, Any] = NOTHING
    consent: Mapping[str, Consent] = NOTHING
    return_to: str = ""
    sent_from: Mapping[str, str] = NOTHING
    """Data of the request kept beside a consent, by the settings: ``address`` and ``agent``."""


class User(NamedTuple):
    """The recipient of a mail. Names and language are those of the item, however strange."""

    email: str
    prenom: str
    nom: str
    lang: str


class MailKind(Enum):
    """The purpose of a mail."""

    LINK = "link"
    """It carries the link that its user requested."""
    REMINDER = "reminder"
    """It carries a new link to a user who has not opened the first one."""
    WELCOME = "welcome"
    """It greets a user who has just validated."""


class Validation(Enum):
    """The outcome of a click on a link, or of a typed code."""

    VALIDATED = "validated"
    ALREADY_VALIDATED = "already_validated"
    CONFIRM = "confirm"
    """The link works, but another browser signed up: the user must press the button."""
    EXPIRED = "expired"
    INVALID = "invalid"
    REFUSED = "refused"


class Click(NamedTuple):
    """The result of a click.

    ``lang`` is the language of the link's sign-up, and ``return_to`` its return address. Both are
    empty for an unknown link.
    """

    outcome: Validation
    lang: str = ""
    return_to: str = ""


class Verdict(Enum):
    """The reason why an address gets no more mail: a value of the attribute ``mail``."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
