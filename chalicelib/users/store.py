"""The users' own transitions: sign up, resend, validate, refuse.

Each is one conditional UpdateItem. The conditions are the state machine, and the item that refuses
an update says why. docs/design.md has the table of transitions; outbox.py has those of the mail.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.logs import hashed
from chalicelib.users import codes, tokens
from chalicelib.users.item import (
    BOUNCE_LIFE,
    DELETED,
    ERASED,
    INDEXED,
    MAX_MAILS,
    MAX_OWN_MAILS,
    MAY_DROP_EXPIRY,
    PENDING,
    PROOF,
    RESERVED,
    WINDOW,
    WORDS,
    event_owed,
    has_foreign_expiry,
    is_from_other_program,
    is_live,
    is_open,
    link_hashes,
    link_of,
    owed_values,
    path,
)
from chalicelib.users.mailboxes import Mailboxes
from chalicelib.users.moments import epoch, iso
from chalicelib.users.people import NOTHING, Click, SignUp, Validation
from chalicelib.users.table import (
    Item,
    ItemFull,
    Outcome,
    Raw,
    Table,
    mapping,
    string,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

    from chalicelib.users.consent_texts import ConsentTexts

log = logging.getLogger(__name__)

COOLDOWN = timedelta(seconds=60)
UNDO_LIFE = timedelta(days=7)
"""The time in which a refusal undoes a click's validation. Links leak: old ones close nothing."""
MAX_GUESSES = 5

MAY_BE_MAILED = (
    "attribute_not_exists(validated_at)"
    " AND NOT mail IN (:complained, :refused)"
    " AND (NOT mail = :bounced OR bounced_until <= :now"
    " OR attribute_not_exists(bounced_until) AND mail_at <= :bounce_ended)"  # of the first edition
    " AND (attribute_not_exists(mail_at) OR mail_at <= :cooled_down)"
)
_WITHIN_BUDGET = (
    "(attribute_not_exists(mail_count) OR mail_count < :max_mails"
    " OR attribute_not_exists(mail_window_at) OR mail_window_at <= :window_ended)"
)
_CLOSED = {":refused": "refused", ":complained": "complained"}
_IS_CLOSED = "mail IN (:refused, :complained)"
_CLOSE = "mail = :refused, mail_at = :now"
_BY_CLICK = {":by_link": "link", ":by_code": "code"}
# Another program may have written anything to validated_at. Our own times compare as text.
_IS_UNDOABLE = (
    "validated_with IN (:by_link, :by_code) AND attribute_exists(validated_link)"
    " AND attribute_not_exists(validated_by)"
    " AND validated_at > :undoable AND validated_at <= :now"
)
_IN_TIME = "(attribute_not_exists(expires_at) OR expires_at > :epoch)"
_MAY_SIGN_UP = (
    "attribute_not_exists(email) OR attribute_exists(created_at)"
    " AND (attribute_not_exists(validated_at) AND expires_at <= :epoch"
    " AND NOT mail IN (:complained, :refused)"
    f" OR {MAY_BE_MAILED} AND {_WITHIN_BUDGET})"
)
_MAY_OWE_TO_ANOTHERS = (
    "attribute_exists(email) AND attribute_not_exists(created_at)"
    f" AND {MAY_BE_MAILED} AND {_WITHIN_BUDGET}"
)


class Users:
    """The users in a table, and the transitions that users and anonymous requests may make.

    ``mailboxes`` remember who refused mail. ``secret_key`` keys the hashes of codes. With
    ``welcomes``, a click owes its user a welcome. With ``has_events``, transitions owe events too.
    ``consent_texts`` keep what users agree to.
    DynamoDB's own errors pass through.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        mailboxes: Mailboxes,
        secret_key: str = "",
        *,
        consent_texts: "ConsentTexts | None" = None,
        welcomes: bool = False,
        has_events: bool = False,
    ) -> None:
        self.table = Table(client, table, "email")
        self.mailboxes = mailboxes
        self._secret_key = secret_key
        self._consent_texts = consent_texts
        self._welcomes = welcomes
        self._has_events = has_events

    def sign_up(self, sign_up: SignUp, ticket_hash: str, now: datetime) -> bool:
        """Store a sign-up and owe it a mail; return False if a limit forbids that.

        The item then shows the data of this sign-up. Its link makes them the user's. An item that
        another program put keeps its own data, so that a stranger can ask only for its mail: this
        takes a second update. The text of a consent is stored before the consent.
        """
        if sign_up.consent and self._consent_texts:
            self._consent_texts.keep(sign_up.consent.values(), now)
        said: dict[str, Any] = {
            "prenom": sign_up.prenom,
            "nom": sign_up.nom,
            "lang": sign_up.lang,
            "fields": sign_up.fields,
            "consent": _consents(sign_up, now),
            "return_to": sign_up.return_to,
        }
        given = {f":{name}": value for name, value in said.items() if value}
        owed = owed_values(sign_up.email, now)
        owed |= _limits(now)
        outcome = self._try(
            sign_up.email,
            _sign_up_change(tuple(given)),
            _MAY_SIGN_UP,
            {**owed, **given, ":ticket": ticket_hash, ":epoch": epoch(now)},
            RESERVED,
        )
        if not outcome.done and is_from_other_program(outcome.item):
            change = (
                "SET mail = :owed, mail_at = :now, owed = :slot, owed_at = :owed_at"
                " REMOVE resend_of"
            )
            outcome = self._try(sign_up.email, change, _MAY_OWE_TO_ANOTHERS, owed)
        is_new = outcome.item.get("created_at") == {"S": owed[":now"]}
        return _log_request(sign_up.email, outcome, "signed up" if is_new else "resend asked for")

    def resend(
        self, email: str, now: datetime, *, token_hash: str = "", ticket_hash: str = ""
    ) -> bool:
        """Owe a known user another mail; return False if there is no user or a limit forbids it.

        The new link carries the data of the sign-up of ``token_hash``'s link, or else of
        ``ticket_hash``. A token of the item proves that its sender reads the mailbox. So requests
        with a token have their own budget, which strangers cannot use up. An expired item counts as
        absent: DynamoDB may delete it before the user opens the new link.
        """
        values = {**owed_values(email, now), **_limits(now), ":epoch": epoch(now)}
        values[":asked"] = token_hash or ticket_hash
        change = (
            "SET mail = :owed, mail_at = :now, owed = :slot, owed_at = :owed_at, resend_of = :asked"
        )
        outcome = self._owe_again(
            email,
            change,
            f"attribute_exists(email) AND NOT mail = :deleted AND {_IN_TIME}"
            f" AND {MAY_BE_MAILED} AND {_WITHIN_BUDGET}",
            {**values, ":deleted": DELETED},
        )
        link = mapping(outcome.item, "links").get(token_hash)
        if not outcome.done and link is not None:
            outcome = self._owe_again(
                email,
                change,
                f"attribute_exists(links.#link) AND {_IN_TIME} AND {MAY_BE_MAILED}"
                f" AND {_WITHIN_BUDGET}",
                {**values, ":max_mails": MAX_OWN_MAILS},
                {"#link": token_hash},
            )
        return _log_request(email, outcome, "resend asked for")

    def validate(
        self,
        email: str,
        link_hash: str,
        now: datetime,
        ticket_hash: str | None = None,
        *,
        sent_from: Mapping[str, str] = NOTHING,
    ) -> Click:
        """Mark the address as validated if the link is live.

        With a ``ticket_hash``, the link must belong to the sign-up that got this ticket. Otherwise
        the outcome is CONFIRM, and nothing changes. ``sent_from`` is the sender of the click, which
        is kept if its sign-up gave a consent.
        """
        return self._validate(email, link_hash, now, ticket_hash, "link", sent_from)

    def validate_by_code(
        self,
        email: str,
        ticket_hash: str,
        code: str,
        now: datetime,
        *,
        sent_from: Mapping[str, str] = NOTHING,
    ) -> Click:
        """Mark the address as validated if ``code`` was mailed for the ticket's sign-up.

        The guess counts before it is compared, so parallel guesses cannot exceed MAX_GUESSES.
        """
        counted = self._try(
            email,
            "SET codes.#ticket.tries = codes.#ticket.tries + :one",
            "attribute_not_exists(validated_at) AND codes.#ticket.tries < :max"
            " AND codes.#ticket.expires > :epoch",
            {":one": 1, ":max": MAX_GUESSES, ":epoch": epoch(now)},
            {"#ticket": ticket_hash},
        )
        if not counted.done:
            return _click_of_validator(counted.item, ticket_hash)
        stored: Item = mapping(counted.item, "codes")[ticket_hash]["M"]
        link_hash = string(stored, "link")
        if not codes.is_right(string(stored, "code"), self._secret_key, link_hash, code):
            return Click(Validation.INVALID)
        return self._validate(email, link_hash, now, None, "code", sent_from)

    def refuse(
        self, email: str, link_hash: str, now: datetime, *, keeps_validation: bool = False
    ) -> Click:
        """Record that the mailbox's owner did not sign up, and send no more mail there.

        Erase the data of strangers. Keep the data of another program, but do not mail its item.
        Undo a validation by link or code of the last UNDO_LIFE: a stranger or a mail scanner may
        have made it. Keep any other. With ``keeps_validation``, keep every validation and the
        user's data: the user only wants no mail. Write the item first, because it knows the link.
        It then refuses mail by itself and never expires, so the refusal holds even if the write of
        the mailbox fails. A second press writes the mailbox again.
        """
        click = self._refuse(email, link_hash, now, keeps_validation)
        if click.outcome is Validation.REFUSED:
            self.mailboxes.refuse(email, now)
        return click

    def _refuse(self, email: str, link_hash: str, now: datetime, keeps_validation: bool) -> Click:
        """Refuse mail, in one update for a sign-up that nobody has validated, else in more."""
        event, owed = self._event_owed("refused", now)
        moment = {**_CLOSED, ":now": iso(now)}
        values = {**moment, **owed, ":bare": {link_hash: {"expires": 0}}}
        erase = f"links = :bare{event} REMOVE"
        known, names = "attribute_exists(links.#link)", {"#link": link_hash}
        pending = f"{known} AND NOT {_IS_CLOSED} AND attribute_not_exists(validated_at)"
        outcome = self._try(
            email,
            f"SET {_CLOSE}, {erase} {', '.join(ERASED)}",
            f"{pending} AND attribute_exists(created_at)",
            values,
            {**names, **RESERVED},
            wants_old=True,
        )
        item = outcome.item
        is_validated, is_anothers = "validated_at" in item, is_from_other_program(item)
        if outcome.done or link_of(item, link_hash) is None:
            pass
        elif is_validated and keeps_validation:
            outcome = self._try(
                email,
                f"SET {_CLOSE} REMOVE {', '.join(INDEXED)}",
                f"{known} AND NOT {_IS_CLOSED} AND attribute_exists(validated_at)",
                moment,
                names,
            )
        elif is_validated:  # a complaint stays: nothing lifts it
            is_closed = string(item, "mail") in _CLOSED.values()
            erased = (*INDEXED, *PROOF) if is_anothers else (*ERASED, *PROOF, "validated_from")
            outcome = self._try(
                email,
                f"SET {'' if is_closed else f'{_CLOSE}, '}{erase} {', '.join(erased)}",
                f"{known} AND {'' if is_closed else 'NOT '}{_IS_CLOSED} AND {_IS_UNDOABLE}"
                f" AND attribute_{'not_' if is_anothers else ''}exists(created_at)",
                {**values, **_BY_CLICK, ":undoable": iso(now - UNDO_LIFE)},
                names if is_anothers else {**names, **RESERVED},
                wants_old=True,
            )
        elif is_anothers:
            outcome = self._try(
                email,
                f"SET {_CLOSE}, {erase} {', '.join(INDEXED)}",
                f"{pending} AND attribute_not_exists(created_at)",
                values,
                names,
                wants_old=True,
            )
        if outcome.done:
            log.info("refused user=%s", hashed(email))
            if not (is_validated and keeps_validation):
                self._keep_bare_links(email, outcome.item, link_hash)
            return Click(Validation.REFUSED)
        if link_of(outcome.item, link_hash) is None:
            return Click(Validation.INVALID)
        lang = string(outcome.item, "lang")
        if "validated_at" in outcome.item and not keeps_validation:
            return Click(Validation.ALREADY_VALIDATED, lang)
        return Click(Validation.REFUSED, lang)

    def _keep_bare_links(self, email: str, old: Item, link_hash: str) -> None:
        """Keep the hashes of all links, so that the button of every mail says "refused"."""
        bare = {known: {"expires": 0} for known in link_hashes(old)}
        if len(bare) > 1:
            self._try(
                email,
                "SET links = :bare",
                f"attribute_exists(links.#link) AND {_IS_CLOSED}"
                " AND attribute_not_exists(validated_at)",
                {**_CLOSED, ":bare": bare},
                {"#link": link_hash},
            )

    def _validate(
        self,
        email: str,
        link_hash: str,
        now: datetime,
        ticket_hash: str | None,
        how: str,
        sent_from: Mapping[str, str],
        *,
        may_welcome: bool = True,
    ) -> Click:
        live = "links.#link.expires > :epoch"
        former = " OR contains(link_hashes, :link) AND link_expires_at > :epoch"
        moment = iso(now)
        values: dict[str, Any] = {
            ":now": moment,
            ":epoch": epoch(now),
            ":link": link_hash,
            ":how": how,
            ":refused": "refused",
        }
        if ticket_hash is not None:
            live += " AND links.#link.ticket = :ticket"
            former = ""  # links of the first edition have no ticket
            values[":ticket"] = ticket_hash
        event, owed = self._event_owed("validated", now, validated_at=moment, validated_with=how)
        values |= owed
        welcome, removed = "", [*PENDING]
        condition = "attribute_not_exists(validated_at) AND NOT mail = :refused"
        owes_welcome = self._welcomes and may_welcome
        if owes_welcome:
            condition += " AND NOT mail IN (:bounced, :complained)"
            values |= {":bounced": "bounced", ":complained": "complained"}
            welcome = ", mail = :owed, mail_at = :now, owed = :slot, owed_at = :owed_at"
            removed = [name for name in PENDING if name not in ("owed", "owed_at")]
            values |= owed_values(email, now, is_welcome=True)
        change = (
            "SET validated_at = :now, validated_with = :how, validated_link = :link"
            f"{event}{welcome}"
        )
        # The item shows the data of the latest sign-up, most often this link's. The sender of
        # the click is kept only beside a consent.
        without_consent = " AND attribute_not_exists(links.#link.said.consent)" if sent_from else ""
        outcome = self._try(
            email,
            f"{change} REMOVE {', '.join(removed)}",
            f"{condition}{without_consent} AND ({live} AND (attribute_not_exists(links.#link.said)"
            f" OR said_at = links.#link.said.said_at){former})",
            values,
            {"#link": link_hash},
            moment="validated_at",
        )
        if owes_welcome and string(outcome.item, "mail") in ("bounced", "complained"):
            return self._validate(
                email, link_hash, now, ticket_hash, how, sent_from, may_welcome=False
            )
        link = None if outcome.done else link_of(outcome.item, link_hash)
        if link and is_live(link, now) and _is_of(link, ticket_hash) and is_open(outcome.item):
            said = mapping(link, "said")
            kept = [name for name in WORDS if name in said]
            words = "".join(f", {path(name)} = :{name}" for name in kept)
            absent = "".join(f", {path(name)}" for name in WORDS if name not in kept)
            own: dict[str, Any] = {f":{name}": Raw(said[name]) for name in kept}
            if sent_from and "consent" in kept:
                words += ", validated_from = :sent_from"
                own[":sent_from"] = sent_from
            outcome = self._try(
                email,
                f"{change}{words} REMOVE {', '.join(removed)}{absent}",
                f"{condition} AND {live}",
                {**values, **own},
                {"#link": link_hash, **RESERVED},
                moment="validated_at",
            )
        click = _click(outcome, link_hash, now, ticket_hash)
        if click.outcome is Validation.VALIDATED:
            log.info("validated user=%s", hashed(email))
        return click

    def _event_owed(self, kind: str, now: datetime, **facts: str) -> tuple[str, dict[str, Any]]:
        """Return what a transition sets to owe an event; nothing if the stage has no events."""
        return event_owed(kind, now, **facts) if self._has_events else ("", {})

    def _owe_again(
        self,
        email: str,
        change: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Owe a known user a mail. The item does not expire until the mail is tried.

        A time to live from another program stays: this takes a second update.
        """
        outcome = self._try(
            email,
            f"{change} REMOVE expires_at",
            f"{condition} AND {MAY_DROP_EXPIRY}",
            values,
            names,
        )
        if not outcome.done and has_foreign_expiry(outcome.item):
            anothers = f"{condition} AND attribute_not_exists(created_at)"
            outcome = self._try(email, change, anothers, values, names)
        return outcome

    def _try(
        self,
        email: str,
        change: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
        moment: str = "mail_at",
        *,
        wants_old: bool = False,
    ) -> Outcome:
        """Update. Treat an item of another program that is full as a refusal."""
        try:
            return self.table.update(
                email, change, condition, values, names, moment=moment, wants_old=wants_old
            )
        except ItemFull:
            return Outcome(False, {})


@cache  # of at most 64 sets of words
def _sign_up_change(given: tuple[str, ...]) -> str:
    """Return the update of a sign-up. ``given`` are the values of its words.

    Words that are not given are removed.
    """
    words = [*WORDS, "return_to"]
    said = "".join(f", {path(name)} = :{name}" for name in words if f":{name}" in given)
    not_said = "".join(f", {path(name)}" for name in words if f":{name}" not in given)
    return (
        "SET mail = :owed, mail_at = :now, owed = :slot, owed_at = :owed_at"
        ", said_at = :now, ticket = :ticket, created_at = if_not_exists(created_at, :now)"
        f"{said} REMOVE resend_of, expires_at{not_said}"
    )


def _consents(sign_up: SignUp, now: datetime) -> dict[str, Any]:
    """Return the record of each consent for an item. It names the text by its hash."""
    return {
        name: {
            "text": tokens.digest(consent.text),
            "lang": consent.lang,
            "at": iso(now),
            **sign_up.sent_from,
        }
        for name, consent in sign_up.consent.items()
    }


def _limits(now: datetime) -> dict[str, Any]:
    return {
        ":bounced": "bounced",
        ":bounce_ended": iso(now - BOUNCE_LIFE),
        ":complained": "complained",
        ":refused": "refused",
        ":cooled_down": iso(now - COOLDOWN),
        ":max_mails": MAX_MAILS,
        ":window_ended": iso(now - WINDOW),
    }


def _log_request(email: str, outcome: Outcome, request: str) -> bool:
    """Log the request. A refused request logs as much, so that both take the same time."""
    log.info("%s user=%s", request if outcome.done else "asked in vain", hashed(email))
    return outcome.done


def _is_of(link: Item | None, ticket_hash: str | None) -> bool:
    """Return True if no ticket is required, or if it is the link's."""
    if ticket_hash is None:
        return True
    return link is not None and ticket_hash != "" and ticket_hash == string(link, "ticket")


def _click(outcome: Outcome, link_hash: str, now: datetime, ticket_hash: str | None) -> Click:
    """Return the outcome of a click, from the item after it."""
    item = outcome.item
    link = link_of(item, link_hash)
    if link is None:
        return Click(Validation.INVALID)
    said = mapping(link, "said")
    lang = string(said, "lang") or string(item, "lang")
    return_to = string(said, "return_to")
    if outcome.done:
        return Click(Validation.VALIDATED, lang, return_to)
    if "validated_at" in item:
        return Click(Validation.ALREADY_VALIDATED, lang, return_to)
    if is_live(link, now) and is_open(item) and not _is_of(link, ticket_hash):
        return Click(Validation.CONFIRM, lang, return_to)
    return Click(Validation.EXPIRED, lang, return_to)


def _click_of_validator(item: Item, ticket_hash: str) -> Click:
    """Return ALREADY_VALIDATED to the browser that validated, and INVALID to all others."""
    link = link_of(item, string(item, "validated_link"))
    if link is None or not ticket_hash or string(link, "ticket") != ticket_hash:
        return Click(Validation.INVALID)
    said = mapping(link, "said")
    return Click(Validation.ALREADY_VALIDATED, string(said, "lang"), string(said, "return_to"))
