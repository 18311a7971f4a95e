"""Messages about the result of an operator's act, one sentence each."""

from chalicelib.users.table import ItemFull
from ops.users import acts
from ops.users.store import Change

RESEND_ALL_THE_SAME = "resend-all-the-same"
"""Another mail after a bounce."""

_DONE = {
    acts.RESEND: "{} is owed a mail again. The mailer sends it within seconds.",
    RESEND_ALL_THE_SAME: "{} is owed a mail again. The mailer sends it within seconds.",
    acts.VALIDATE: "{} is validated.",
    acts.REFUSE: "{} gets no more mail.",
    acts.ALLOW: "{} may sign up again. No mail is sent until then.",
    acts.DELETE: "{} is deleted.",
}
_REFUSED = {
    acts.RESEND: {
        Change.VALIDATED: "{} is already validated and needs no mail.",
        Change.REFUSED: '{} said "this was not me", so no mail is sent.',
        Change.COMPLAINED: "{} marked a mail as spam, so no mail is sent.",
        Change.BOUNCED: "Mail to {} bounced, so no mail is sent.",
    },
    acts.VALIDATE: {Change.VALIDATED: "{} was already validated."},
    acts.REFUSE: {
        Change.VALIDATED: "{} is validated, so nothing was changed. Bienvenue sends validated "
        "users no more mail.",
        Change.REFUSED: "{} already gets no more mail.",
        Change.COMPLAINED: "{} already gets no more mail.",
        Change.NOBODY: "{} is not a user. Later sign-ups get no mail.",
    },
    acts.ALLOW: {Change.COMPLAINED: "{} marked a mail as spam, so no mail is sent."},
    acts.DELETE: {Change.NOBODY: "{} was deleted by another program meanwhile."},
}
_REFUSED[RESEND_ALL_THE_SAME] = _REFUSED[acts.RESEND]


def answer(act: str, change: Change, email: str) -> str:
    """Return the result of an act on the user ``email`` in words."""
    if change is Change.DONE:
        return _DONE[act].format(email)
    if words := _REFUSED.get(act, {}).get(change):
        return words.format(email)
    if change is Change.NOBODY and act != acts.ALLOW:
        return f"There is no user with the address {email}."
    return f"{email} has not refused mail: nothing was changed."


def cannot_store(error: ItemFull) -> str:
    """Return why an item took no more, and what to do."""
    return f"This cannot be stored, because {error}: remove some of it."
