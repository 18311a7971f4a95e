"""The actions of support people: find a user, look at one, and act for one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from shlex import quote

from chalicelib.users.table import ItemFull
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.terminal import durations
from ops.users import acts, answers, listing, lookup, person
from ops.users.listing import Selection
from ops.users.person import Plain
from ops.users.store import Change, OperatorsUsers


@dataclass(frozen=True)
class Desk:
    """The users of a stage. All methods raise OpsError with a sentence for the page.

    ``aws`` makes words of the AWS CLI into a command line for the stage's account.
    """

    users: OperatorsUsers
    aws: Callable[[str], str]
    now: Callable[[], datetime] = durations.now

    def find(self, text: str) -> Iterator[Plain]:
        """Yield the users whose address or name has ``text`` in it, as they are found."""
        with in_plain_words():
            yield from lookup.matching(listing.people(self.users, Selection()), text)

    def look_up(self, typed: str) -> str:
        """Return the key of the user with this whole address; empty if there is none."""
        if "@" not in typed:
            return ""
        for key in lookup.spellings(typed):
            if self.read(key):
                return key
        return ""

    def read(self, key: str) -> Plain | None:
        """Return the user with this key; None if there is none."""
        with in_plain_words():
            item = self.users.read(key)
        return person.plain(item) if item else None

    def unsuppress(self, key: str) -> str:
        """Return the command that takes an address off SES's suppression list."""
        return self.aws(
            f"sesv2 delete-suppressed-destination --email-address {quote(lookup.mailed(key))}"
        )

    def act(self, name: str, key: str) -> Change:
        """Do what the act ``name`` says, and return the result."""
        now = self.now()
        deeds: Mapping[str, Callable[[str], Change]] = {
            acts.RESEND: partial(self.users.resend_by_hand, now=now),
            answers.RESEND_ALL_THE_SAME: partial(
                self.users.resend_by_hand, now=now, even_bounced=True
            ),
            acts.VALIDATE: partial(self.users.validate_by_hand, now=now),
            acts.REFUSE: partial(self.users.refuse_by_hand, now=now),
            acts.ALLOW: partial(self.users.allow, now=now),
            acts.DELETE: partial(self.users.delete, now=now),
        }
        try:
            with in_plain_words():
                return deeds[name](key)
        except ItemFull as error:
            raise OpsError(answers.cannot_store(error)) from error


def offers(user: Plain) -> list[str]:
    """Return the acts that make sense for a user, the likeliest first."""
    mail, is_validated = user.get("mail"), "validated_at" in user
    if mail == "refused":
        return [acts.ALLOW, acts.DELETE]
    if is_validated:
        return [acts.DELETE]
    first = {"complained": [], "bounced": [answers.RESEND_ALL_THE_SAME]}.get(
        str(mail), [acts.RESEND]
    )
    refuse = [] if mail == "complained" else [acts.REFUSE]
    return [*first, acts.VALIDATE, *refuse, acts.DELETE]
