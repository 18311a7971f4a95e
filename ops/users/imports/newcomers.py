"""A row of a file made into somebody to bring in, by the rules of a sign-up."""

from collections.abc import Mapping
from datetime import datetime, timezone

from chalicelib.templates import Templates
from chalicelib.web import forms
from ops.users.store import Newcomer

TEMPLATES = Templates()
COLUMNS = (*forms.FIELDS, "validated_at")


class Rejected(ValueError):
    """Somebody who cannot be brought in; the message says why, for who mends the file."""


def check(fields: Mapping[str, str], now: datetime) -> Newcomer:
    """The newcomer that ``fields`` describe. Raises Rejected."""
    reasons = []
    person = validated_at = None
    signing_up = {name: value for name, value in fields.items() if name != "validated_at"}
    if any("\ud800" <= c <= "\udfff" for value in fields.values() for c in value):
        raise Rejected("It holds bytes that are not in the file's encoding: see --encoding.")
    try:
        person = forms.read_sign_up(signing_up, "", TEMPLATES.languages)
    except forms.Invalid as invalid:
        words = TEMPLATES.words("en")
        reasons = [
            f"{problem.field}: {words[f'problem_{problem.code}_detail']}"
            for problem in invalid.problems
        ]
    try:
        validated_at = _moment(fields.get("validated_at", ""), now)
    except ValueError as error:
        reasons.append(f"validated_at: {error}")
    if person is None or reasons:
        raise Rejected(" ".join(reasons))
    return Newcomer(person, validated_at)


def _moment(text: str, now: datetime) -> datetime | None:
    """When somebody was validated; None if they were not. Raises ValueError."""
    text = text.strip()
    if not text:
        return None
    try:
        # Python 3.10 does not know the Z.
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1] in "Zz" else text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        moment = moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise ValueError("Write the moment as 2026-11-24T12:00:00Z, or leave it out.") from error
    if moment > now:
        raise ValueError("It lies in the future.")
    return moment
