"""One address in any order of events: its owner, a stranger, SES and time.

The owner reads the mailbox. The stranger knows the address, may send any request, may forge
reports, has a mailbox and a link of their own, and gets the owner's mails once their links are
dead. Scanners and prefetches also read the pages of live links. Whatever the stranger does, the
owner gets in, with the owner's words.

SES reports what it likes of each mail, at any time: a bounce or a complaint of the mail itself is
no stranger's doing, and it does close the address.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chalicelib.users import codes, tokens
from chalicelib.users.item import LEASE, is_claimable, is_requested_by_owner, kind_of, slot
from chalicelib.users.links import Link
from chalicelib.users.mailboxes import Allowance
from chalicelib.users.moments import iso
from chalicelib.users.outbox import Claim, Outbox
from chalicelib.users.people import MailKind, SignUp, Validation, Verdict
from chalicelib.users.store import UNDO_LIFE
from chalicelib.users.table import Item, string
from tests.support.link_pages import PAGES, READERS, LinkPages, may_bring_any_ticket
from tests.support.stores import Plain, Store, typed

START = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
HOUR, DAY = 3600, 86400
KEY = "a secret key of thirty-two letters"
TICKETS = {"owner": "o" * 43, "stranger": "s" * 43, "nobody": ""}
OWNER, STRANGER = (tokens.digest(TICKETS[name]) for name in ("owner", "stranger"))
TICKET_OF = {tokens.digest(ticket): ticket for ticket in TICKETS.values()}
NOT_MAILED = "c" * 64
WORDS = {OWNER: ("Owner", "fr"), STRANGER: ("Mallory", "en")}

NOTES = {"remind_at", "reminded_at", "welcomed_at", "mailed_at"}

user_numbers = itertools.count()
# Time goes by before a step: none, short of the cooldown and past it, past a lease, a day.
pauses = st.sampled_from([0, 59, 60, 61, 61, 61, 301, 301, HOUR, DAY - 61, DAY])


@dataclass
class Mail:
    """A mail that SES took, as its reader sees it, and what SES has reported of it."""

    token: str
    link: str  # the token's hash
    greets: str
    code: str
    claim: Claim
    is_recorded: bool


class Life(RuleBasedStateMachine):
    """The real store, and beside it only what the promises need to be checked."""

    def __init__(self, store: Store, remind_after: timedelta | None = None) -> None:
        super().__init__()
        self.store = store
        self.reminds = remind_after is not None  # and welcomes
        self.users = store.users_with(KEY, welcomes=self.reminds)
        self.outbox = Outbox(
            store.client, store.table, remind_after=remind_after, welcomes=self.reminds
        )
        self.unasked: list[Mail] = []  # reminders and welcomes
        self.email = f"user-{next(user_numbers)}@example.org"
        self.now = START
        self.tokens = (f"{number:043}" for number in itertools.count())
        self.pages = LinkPages(self.users)
        self.images: list[Item] = []  # what the stream has shown, oldest first
        self.mails: list[Mail] = []  # of this item: DynamoDB may have deleted others
        self.all_mails: list[Mail] = []  # of any item of the address, reminders and welcomes too
        self.requests = 0  # accepted ones: each owes one mail
        self.doubts = 0  # claims whose lease ended with no word of SES
        self.counted: set[tuple[str, str]] = set()
        self.ends: dict[str, int] = {}  # of the links that were mailed, and of those in doubt
        self.claims: list[datetime] = []  # of mails that no mailed token asked for
        self.validated: Plain | None = None
        self.is_put = False
        self.put_until: int | None = None
        self.last_word = ""  # of the owner
        self.strangers_link = self._mail_the_stranger()

    # Few rules, each with several acts: hypothesis leaves whole rules out of many of its lives.

    @rule(
        pause=pauses,
        act=st.sampled_from(["sign up", "ask again", "link", "link", "ticket", "code"]),
        which=st.integers(0, 9),
        is_mailed=st.booleans(),
    )
    def the_owner_acts(self, pause: int, act: str, which: int, is_mailed: bool) -> None:
        self._wait(pause)
        mails = self._own_mails()
        if act == "sign up" or not mails:
            self._sign_up(OWNER, is_mailed)
        elif act == "ask again":  # as the page of an expired link does, with its token
            mail = mails[which % len(mails)]
            self._count(self.users.resend(self.email, self.now, token_hash=mail.link))
        else:
            self._validate(mails[which % len(mails)], act)

    @rule(
        pause=pauses,
        act=st.sampled_from(
            ["sign up", "sign up", "ask again", "guess", "forge", "spell", "replay", "replay"]
        ),
        by=st.sampled_from(["", "ticket", "token"]),
        which=st.integers(0, 9),
        is_mailed=st.booleans(),
    )
    def the_stranger_acts(self, pause: int, act: str, by: str, which: int, is_mailed: bool) -> None:
        self._wait(pause)
        if act == "sign up":
            self._sign_up(STRANGER, is_mailed)
        elif act == "ask again":
            ticket, token = (
                (STRANGER if by == "ticket" else ""),
                (NOT_MAILED if by == "token" else ""),
            )
            self._count(
                self.users.resend(self.email, self.now, token_hash=token, ticket_hash=ticket)
            )
        elif act == "guess":
            self._guess()
        elif act == "replay":
            self._replay(which, by)
        elif act == "spell":  # the mailbox gets a mail to another spelling of its address
            self._count_mail(self.email.replace("@", "+stranger@"), iso(self.now))
        else:
            self._forge()

    @precondition(lambda self: self.all_mails)
    @rule(
        which=st.integers(0, 2),
        page=st.sampled_from(["/validate", *PAGES]),
        reader=st.sampled_from(sorted(READERS)),
        another=st.sampled_from(["stranger", "nobody"]),
    )
    def a_page_is_read_that_nobody_asked_for(
        self, which: int, page: str, reader: str, another: str
    ) -> None:
        """Whoever reads it, and however live its link is, nothing changes.

        A prefetch brings the ticket of the link's own sign-up, as it comes from the same browser.
        """
        mail = self.all_mails[-1 - which % len(self.all_mails)]
        ticket_hash = self._item().get("links", {}).get(mail.link, {}).get("ticket", "")
        of_link = TICKET_OF.get(ticket_hash, "")
        ticket = of_link if may_bring_any_ticket(reader) else TICKETS[another]
        if ticket == of_link and not may_bring_any_ticket(reader):
            ticket = ""  # a click in the browser that signed up is asked for
        before = self._item()
        self.pages.read(page, Link(self.email, mail.token), self.now, reader, ticket)
        assert self._item() == before

    @initialize(
        put=st.sampled_from(["", "", "", "", "put", "put to expire"]),
        last_word=st.sampled_from(["", "", "refuse", "unsubscribe"]),
    )
    def another_program_may_have_put_the_item(self, put: str, last_word: str) -> None:
        self.last_word = last_word
        if put:
            end = int(self.now.timestamp()) + 3 * DAY
            self.put_until = end if "expire" in put else None
            attributes = {"expires_at": end} if self.put_until else {}
            self.store.put(self.email, prenom="Program", plan="gold", **attributes)
            self.is_put = True
            self.requests += 1
            self._show()

    # The mailer, by old and new records of the stream, or by the drain

    @precondition(lambda self: self.images)
    @rule(
        pause=pauses,
        which=st.sampled_from(["newest", "newest", "newest", "oldest", "now"]),
        end=st.sampled_from(["sent", "sent", "sent", "in doubt", "released", "lost in doubt"]),
    )
    def the_mailer_sends(self, pause: int, which: str, end: str) -> None:
        self._wait(pause)
        image = {"newest": self.images[-1], "oldest": self.images[0], "now": typed(self._item())}
        self._mail(image[which], end)

    @precondition(lambda self: self._is_to_be_reminded())
    @rule(end=st.sampled_from(["sent", "sent", "in doubt", "released", "lost in doubt"]))
    def the_drain_reminds(self, end: str) -> None:
        item = self._item()
        self.now = max(self.now, moment(item["remind_at"]))
        may_be = item["expires_at"] > int(self.now.timestamp())
        claims = len(self.unasked)
        self._mail(typed(item), end)
        if may_be and end in ("sent", "in doubt"):
            window = moment(item["mail_window_at"])
            is_full = item["mail_count"] == 5 and self.now - window < timedelta(days=1)
            assert len(self.unasked) == claims + (not is_full)

    # SES, in any order, early, late and twice, also of mails that are replaced or forgotten

    @precondition(lambda self: self.all_mails)
    @rule(
        which=st.integers(0, 9),
        kind=st.sampled_from(["send", "send", "send", "delivery", "delivery", "delay", "own"]),
    )
    def ses_reports(self, which: int, kind: str) -> None:
        mail = self.all_mails[-1 - which % len(self.all_mails)]
        before = self._item()
        about: tuple[Any, ...] = (self.email, mail.link)
        reports: dict[str, Callable[[], bool]] = {
            "send": lambda: self.outbox.report_sent(*about, "0100", self.now),
            "delivery": lambda: self.outbox.report_delivered(*about, "0100", 1, self.now),
            "delay": lambda: self.outbox.report_delayed(*about, "0100", "delayed: x", self.now),
            "own": lambda: self.outbox.sent(mail.claim, "0100", self.now),
        }
        order = ["owed", "sending", "sent", "delivered"]
        if reports[kind]():
            after = self._item()
            assert after["mail_link"] == mail.link
            assert before["mail"] in order[1:3]
            assert order.index(after["mail"]) >= order.index(before["mail"])
            assert ("owed" in after) == ("remind_at" in after)
        else:
            assert self._item() == before

    @precondition(lambda self: self.all_mails)
    @rule(which=st.integers(0, 9))
    def ses_rejects(self, which: int) -> None:
        mail = self.all_mails[-1 - which % len(self.all_mails)]
        before = self._item()
        is_its = before.get("mail_link") == mail.link and before["mail"] in ("sending", "sent")
        assert self.outbox.report_rejected(self.email, mail.link, "rejected: x", self.now) == is_its
        after = self._item()
        if is_its:
            assert (after["mail"], "owed" in after) == ("failed", False)
        else:
            assert after == before

    @precondition(lambda self: self.all_mails)
    @rule(
        which=st.integers(0, 9),
        verdict=st.sampled_from([Verdict.BOUNCED, Verdict.BOUNCED, Verdict.COMPLAINED]),
        days=st.sampled_from([14, 90]),
    )
    def a_mail_bounces_or_is_complained_about(
        self, which: int, verdict: Verdict, days: int
    ) -> None:
        """SES knows the mail by its tag. A complaint outweighs a bounce, and neither a word."""
        mail = self.all_mails[-1 - which % len(self.all_mails)]
        before = self._item()
        is_heard = mail.link in before.get("links", {})
        is_heard &= before.get("mail") not in (verdict.value, "complained")
        life = timedelta(days=days)
        about = (self.email, mail.link, verdict, self.now)
        assert self.outbox.report_verdict(*about, reason="x", life=life) == is_heard
        after = self._item()
        if not is_heard:
            assert after == before
            return
        assert (after["mail"], "owed" in after) == (verdict.value, False)
        if not self.is_put and self.validated is None:
            assert not {"prenom", "nom", "lang", "ticket", "codes", "expires_at"} & set(after)
            assert after["links"] == {mail.link: {"expires": 0}}
            self.ends.clear()
        self._show()

    @precondition(lambda self: "expires_at" in self._item())
    @rule(days=st.integers(1, 9))
    def dynamodb_deletes_what_has_expired(self, days: int) -> None:
        self._wait(days * DAY)
        item = self._item()
        if item["expires_at"] <= int(self.now.timestamp()):
            assert self.is_put or item["mail"] not in ("owed", "sending"), "a mail is lost"
            self.is_put = False
            self.store.delete(self.email)
            self.images.clear()
            self.mails.clear()
            self.ends.clear()
            self.unasked.clear()
            self.requests = self.doubts = 0

    # What always holds

    @invariant()
    def every_promise_is_kept(self) -> None:
        item = self._item()
        self._validated_is_for_ever_and_changes_no_word(item)
        self._another_programs_words_stay(item)
        self._owed_mail_is_in_the_index_and_no_other(item)
        self._only_a_sign_up_that_was_mailed_expires(item)
        self._links_live_to_their_end_and_refuse_for_a_week(item)
        self._a_rolling_day_has_five_mails()
        # No request is answered by two mails, but for a claim that SES stayed silent about.
        assert len(self.mails) <= self.requests + self.doubts
        for kind in (MailKind.REMINDER, MailKind.WELCOME):
            mails = [mail for mail in self.unasked if mail.claim.kind is kind]
            assert len(mails) <= 1 + self.doubts

    def _validated_is_for_ever_and_changes_no_word(self, item: Plain) -> None:
        words = ("prenom", "nom", "lang", "validated_at", "validated_with")
        assert ("validated_at" in item) == (self.validated is not None)
        if self.validated is not None:
            assert [item.get(name) for name in words] == [
                self.validated.get(name) for name in words
            ]

    def _links_live_to_their_end_and_refuse_for_a_week(self, item: Plain) -> None:
        links = item.get("links", {})
        for link, end in self.ends.items():
            if end > self.now.timestamp() - 7 * DAY:
                assert links[link]["expires"] == end
        live = [link for link in links.values() if link["expires"] > self.now.timestamp()]
        assert len(live) <= 20 + self.doubts

    def _another_programs_words_stay(self, item: Plain) -> None:
        if self.is_put:
            assert (item["prenom"], item["plan"]) == ("Program", "gold")
            assert not {"created_at", "nom", "lang"} & set(item)

    def _only_a_sign_up_that_was_mailed_expires(self, item: Plain) -> None:
        if self.is_put:
            assert item.get("expires_at") == (None if self.validated else self.put_until)
            return
        was_tried = item.get("mail") in ("sent", "delivered", "failed")
        assert ("expires_at" in item) == (was_tried and self.validated is None)

    def _owed_mail_is_in_the_index_and_no_other(self, item: Plain) -> None:
        is_owed = item.get("mail") in ("owed", "sending")
        if "validated_at" in item:  # a welcome, or a mail that is owed no more
            is_owed = self.reminds and is_owed and "owed" in item
            assert not is_owed or item["owed_at"] == item["validated_at"]
        elif item.get("mail") in ("sent", "delivered") and "remind_at" in item:
            is_owed = self.reminds and not self.is_put and "reminded_at" not in item
            assert item["owed_at"] == item["remind_at"]
        part = slot(self.email, is_welcome="validated_at" in item)
        assert item.get("owed") == (part if is_owed else None)
        assert ("owed_at" in item) == is_owed
        assert self.reminds or not NOTES & set(item)

    def _a_rolling_day_has_five_mails(self) -> None:
        for first, sixth in zip(self.claims, self.claims[5:], strict=False):
            assert sixth - first >= timedelta(seconds=DAY)

    def teardown(self) -> None:
        """A day later, sign the owner up, mail them and let them in, whatever was before.

        A mail of theirs that bounced is forgotten later; one that they complained about, never.
        Some owners say instead that none of it was theirs.
        """
        known = self._item().get("links", {})
        if self.last_word and (mails := [mail for mail in self.all_mails if mail.link in known]):
            self._refuse(mails[-1], unsubscribes=self.last_word == "unsubscribe")
            return
        if self.validated is not None:
            return
        self._wait(DAY + HOUR)
        sign_up = SignUp(self.email, *self._words(OWNER))
        if (item := self._item()).get("mail") == "complained":
            assert not self.users.sign_up(sign_up, OWNER, self.now)
            return
        if item.get("mail") == "bounced":
            self.now = max(self.now, moment(item["bounced_until"]))
        assert self.users.sign_up(sign_up, OWNER, self.now)
        link = tokens.digest(next(self.tokens))
        image = typed(self._item())
        assert self.store.mailboxes.count_mail(self.email, "last", self.now) is Allowance.FREE
        claim = self.outbox.claim(image, link, self.now)
        assert claim is not None
        assert self.outbox.sent(claim, "0100", self.now)
        click = self.users.validate(self.email, link, self.now, None if self.is_put else OWNER)
        assert click.outcome is Validation.VALIDATED
        item = self._item()
        assert item["prenom"] == ("Program" if self.is_put else "Owner")

    def _refuse(self, mail: Mail, *, unsubscribes: bool) -> None:
        """Have the owner refuse: nothing that anybody does then mails or validates the address."""
        before = self._item()
        refuse = partial(self.users.refuse, self.email, mail.link, keeps_validation=unsubscribes)
        outcome = refuse(self.now).outcome
        is_old = self.validated and (self.now - moment(self.validated["validated_at"]) >= UNDO_LIFE)
        if is_old and not unsubscribes:
            assert (outcome, self._item()) == (Validation.ALREADY_VALIDATED, before)
            return
        assert outcome is Validation.REFUSED
        refused = self._item()
        assert refused["mail"] == ("complained" if before["mail"] == "complained" else "refused")
        assert "owed" not in refused
        assert self.is_put or "expires_at" not in refused
        if self.validated and unsubscribes:
            changed = {"mail", "mail_at", "owed", "owed_at"}
            assert {name for name in before if before[name] != refused.get(name)} <= changed
        else:
            assert "validated_at" not in refused
            assert self.is_put or not {"prenom", "nom", "lang", "ticket"} & set(refused)
        self._wait(DAY + HOUR)
        for ticket in (OWNER, STRANGER):
            sign_up = SignUp(self.email, *self._words(ticket))
            assert not self.users.sign_up(sign_up, ticket, self.now)
            assert not self.users.resend(self.email, self.now, ticket_hash=ticket)
        for each in self.all_mails:
            assert not self.users.resend(self.email, self.now, token_hash=each.link)
            click = self.users.validate(self.email, each.link, self.now)
            assert click.outcome is not Validation.VALIDATED
            assert not self.outbox.report_sent(self.email, each.link, "0100", self.now)
        for image in (*self.images, typed(refused)):
            assert self.outbox.claim(image, NOT_MAILED, self.now) is None
        assert self._item() == refused
        self.store.delete(self.email)  # and what signs up again is not mailed
        assert self.users.sign_up(SignUp(self.email, *self._words(STRANGER)), STRANGER, self.now)
        assert self.store.mailboxes.count_mail(self.email, "again", self.now) is Allowance.REFUSED

    def _mail(self, image: Item, end: str) -> None:
        before = self._item()
        token = next(self.tokens)
        code = f"{int(token) + 100_000}"  # another for each mail
        link = tokens.digest(token)
        code_hash = codes.digest(KEY, link, code)
        # As the mailer does, also for an old record.
        if is_claimable(image, self.now) and kind_of(image) is MailKind.LINK:
            owed_at = string(image, "owed_at") or iso(self.now)
            if not is_requested_by_owner(image):
                room = self._count_mail(self.email, owed_at)
            else:
                room = self.store.mailboxes.count_mail(
                    self.email, owed_at, self.now, has_limit=False
                )
            if room is Allowance.FULL:
                if self.outbox.give_up(image, "full", self.now):
                    self.requests -= 1
                    self._show()
                return
        claim = self.outbox.claim(image, link, self.now, code_hash)
        if claim is None:
            assert self._item() == before
            return
        if before["mail"] == "sending" if "mail" in before else False:
            self.doubts += 1
            assert self.now - moment(before["mail_at"]) >= LEASE
        if end != "released":
            self.ends[link] = int(self._item()["links"][link]["expires"])
        if end == "released":
            assert self.outbox.release(claim, "Throttled.", self.now)
        elif end != "lost in doubt":
            shown = code if claim.takes_code else ""
            mail = Mail(token, link, claim.user.prenom, shown, claim, False)
            self.all_mails.append(mail)
            (self.mails if claim.kind is MailKind.LINK else self.unasked).append(mail)
            if end == "sent":
                mail.is_recorded = self.outbox.sent(claim, "0100", self.now)
        self._show()

    def _count_mail(self, email: str, owed_at: str) -> Allowance:
        """Count a mail as the mailer does. One that is tried again was counted before."""
        room = self.store.mailboxes.count_mail(email, owed_at, self.now)
        if room is Allowance.FREE and (email, owed_at) not in self.counted:
            self.counted.add((email, owed_at))
            self.claims.append(self.now)
        return room

    def _sign_up(self, ticket: str, is_mailed: bool) -> None:
        sign_up = SignUp(self.email, *self._words(ticket))
        is_accepted = self.users.sign_up(sign_up, ticket, self.now)
        self._count(is_accepted)
        if is_accepted and is_mailed:
            self._mail(self.images[-1], "sent")

    def _validate(self, mail: Mail, by: str) -> None:
        if by == "code":
            click = self.users.validate_by_code(self.email, OWNER, mail.code, self.now)
        else:
            ticket = OWNER if by == "ticket" else None
            click = self.users.validate(self.email, mail.link, self.now, ticket)
        if click.outcome is Validation.VALIDATED:
            assert self.validated is None
            self.validated = self._item()
            if not self.is_put:
                assert (self.validated["prenom"], self.validated["lang"]) == WORDS[OWNER]

    def _guess(self) -> None:
        before = self._item()
        for click in (
            self.users.validate(self.email, NOT_MAILED, self.now),
            self.users.validate(self.email, NOT_MAILED, self.now, STRANGER),
            self.users.refuse(self.email, NOT_MAILED, self.now),
            self.users.validate_by_code(self.email, STRANGER, "000000", self.now),
        ):
            assert click.outcome is Validation.INVALID
        assert {**self._item(), "codes": None} == {**before, "codes": None}

    def _forge(self) -> None:
        """Report of the owner's mail what SES said of none of it, by tags of the stranger's own."""
        before = self._item()
        for tag in (NOT_MAILED, self.strangers_link):
            for verdict in Verdict:
                assert not self.outbox.report_verdict(self.email, tag, verdict, self.now)
            assert not self.outbox.report_sent(self.email, tag, "0100", self.now)
            assert not self.outbox.report_delivered(self.email, tag, "0100", 1, self.now)
            assert not self.outbox.report_delayed(self.email, tag, "0100", "delayed: x", self.now)
            assert not self.outbox.report_rejected(self.email, tag, "rejected: x", self.now)
        assert self._item() == before

    def _mail_the_stranger(self) -> str:
        """Mail the stranger a live link at an address of their own; return its hash."""
        email = f"mallory-{self.email}"
        assert self.users.sign_up(SignUp(email, *self._words(STRANGER)), STRANGER, self.now)
        link = tokens.digest("m" * 43)
        assert self.outbox.claim(typed(self.store.item(email) or {}), link, self.now)
        return link

    def _replay(self, which: int, by: str) -> None:
        """Use the stranger's own link, and one of the owner's that is dead: expired or replaced.

        An expired one still refuses, as its reader may be late, and asks for a mail to the owner.
        """
        before = self._item()
        links = before.get("links", {})
        dead = [
            mail
            for mail in self.all_mails
            if links.get(mail.link, {"expires": 0})["expires"] <= self.now.timestamp()
        ]
        old = dead[which % len(dead)] if dead else None
        for link in filter(None, (self.strangers_link, old and old.link)):
            for ticket in (None, STRANGER, tokens.digest("")):
                click = self.users.validate(self.email, link, self.now, ticket)
                assert click.outcome is not Validation.VALIDATED
            if link not in links:
                assert self.users.refuse(self.email, link, self.now).outcome is Validation.INVALID
        if old and old.code:
            click = self.users.validate_by_code(self.email, STRANGER, old.code, self.now)
            assert click.outcome is not Validation.VALIDATED
        assert {**self._item(), "codes": None} == {**before, "codes": None}
        if by == "token" and old:
            self._count(self.users.resend(self.email, self.now, token_hash=old.link))

    def _words(self, ticket: str) -> tuple[str, str, str]:
        prenom, lang = WORDS[ticket]
        return prenom, "", lang

    def _own_mails(self) -> list[Mail]:
        """Return the mails that greet the owner by their own sign-up or another program's item."""
        mails = [*self.mails, *self.unasked]
        return [mail for mail in mails if mail.greets != WORDS[STRANGER][0]]

    def _count(self, is_accepted: bool) -> None:
        if is_accepted:
            self.requests += 1
            self._show()

    def _is_to_be_reminded(self) -> bool:
        item = self._item()
        return "remind_at" in item and item["mail"] in ("sent", "delivered")

    def _show(self) -> None:
        """Have the stream show the item as it is now."""
        self.images.append(typed(self._item()))

    def _item(self) -> Plain:
        return self.store.item(self.email) or {}

    def _wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)


def moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored.replace("Z", "+00:00"))


@pytest.fixture
def store(moto_store: Store) -> Store:
    """The local cloud is too slow for so many steps."""
    return moto_store


# It takes 40 s of processor time, which a busy machine stretches to several minutes.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("remind_after", [None, timedelta(hours=48)])
def test_any_life_keeps_the_promises(store: Store, remind_after: timedelta | None) -> None:
    life: Any = partial(Life, store, remind_after)
    # Many short lives reach more corners than a few long ones, and a short one need not be made
    # shorter to be understood, which takes minutes. After a change of a transition: LIVES=500.
    lives = int(os.environ.get("LIVES", "60"))
    short = settings(max_examples=lives, stateful_step_count=25, phases=[Phase.generate])
    run_state_machine_as_test(life, settings=short)
