"""People: what a sign-up says, what a mail needs, and how a click ends."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

NOTHING: Mapping[str, Any] = {}


class Consent(NamedTuple):
    """What a user agreed to: the text that was shown, and its language."""

    text: str
    lang: str


class SignUp(NamedTuple):
    """What one sign-up says. ``email`` is canonical; each name may be empty.

    ``fields`` are the values of the stage's own fields, and ``consent`` is what was agreed to, by
    name. ``return_to`` is the page of the operator's product that the browser goes to after the
    click.
    """

    email: str
    prenom: str
    nom: str
    lang: str
    fields: Mapping[str, Any] = NOTHING
    consent: Mapping[str, Consent] = NOTHING
    return_to: str = ""
    sent_from: Mapping[str, str] = NOTHING
    """What is kept of the request beside a consent: ``address`` and ``agent``, by the settings."""


class User(NamedTuple):
    """The recipient of a mail. Names and language are what the item says, however strange."""

    email: str
    prenom: str
    nom: str
    lang: str


class MailKind(Enum):
    """What a mail is for."""

    LINK = "link"
    """It carries the link that its user asked for."""
    REMINDER = "reminder"
    """It carries a new link to a user who has not opened the first one."""
    WELCOME = "welcome"
    """It greets a user who has just validated."""


class Validation(Enum):
    """How a click on a link, or a typed code, ends."""

    VALIDATED = "validated"
    ALREADY_VALIDATED = "already_validated"
    CONFIRM = "confirm"
    """The link is live, but another browser signed up: its user must press the button."""
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
    """Why an address gets no more mail. The values are those of the attribute ``mail``."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
