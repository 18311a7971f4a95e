"""One user's life in any order of events, held against a model that is plain Python."""

from __future__ import annotations

import itertools
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

from chalicelib.users.people import SignUp, Validation, Verdict
from chalicelib.users.store import Unusable
from tests.support.stores import Plain, Store

START = datetime(2031, 5, 4, 12, tzinfo=timezone.utc)
HOUR, DAY = 3600, 86400
PATIENCE = timedelta(minutes=15)

user_numbers = itertools.count()


def stored(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def links(count: int) -> set[str]:
    return {f"earlier link {number}" for number in range(count)}


# What other programs may put: items of the article's kind, and some in the middle of our own work.
ARTICLE: Plain = {"prenom": "Alexis", "nom": "GÜNST HORN"}
PUTS: list[Plain] = [
    ARTICLE,
    {"nom": {"family": "GÜNST HORN"}, "plan": "gold"},
    {"mail": "owed", "link_hashes": links(18), "link_expires_at": epoch(START) + 40 * DAY},
    {"mail": "sending", "link_hashes": links(20), "link_expires_at": epoch(START) + HOUR},
    {"mail": "sent", "mail_count": 4, "mail_at": stored(START)},
    {"mail": "sent", "mail_count": 5},
    {"mail": "complained"},
    {"mail": 5},
    {"mail": "owed", "link_hashes": "no set"},
    {"mail": "owed", "validated_at": stored(START)},
]

# Time goes by before each step: short of the cooldown, past it, short of a link's end, past it.
pauses = st.sampled_from([0, 59, 60, 61, HOUR, DAY - 61, DAY])
mail_ends = st.sampled_from(["sent", "sent", "sent", "not known yet", "failed", "taken back"])


class Life(RuleBasedStateMachine):
    """``item`` is what the model says is stored. The other attributes remember, apart from the
    model's own arithmetic, what the invariants promise."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.users = store.users
        self.email = f"user-{next(user_numbers)}@example.org"
        self.now = START
        self.link_numbers = itertools.count()
        self.claimed: list[str] = []
        self.upheavals = 0
        self.item: Plain | None = None
        self.validated_at: object = None
        self._begin(None)

    @initialize(attributes=st.one_of(st.none(), st.none(), st.sampled_from(PUTS)))
    def there_is_nobody_or_another_writers_user(self, attributes: Plain | None) -> None:
        if attributes is not None:
            self._put(attributes)

    @rule(
        pause=pauses,
        how=st.sampled_from(["sign up", "sign up in English", "resend", "sweep"]),
        end=st.one_of(st.none(), mail_ends, mail_ends),
    )
    def somebody_asks_for_a_mail(self, pause: int, how: str, end: str | None) -> None:
        """And a record of the stream is read at once, old or new, or, without ``end``, later."""
        self._wait(pause)
        if how == "resend":
            self._resend()
        elif how == "sign up":
            self._sign_up("", "fr")
        elif how == "sweep":
            self._ask_again()
        else:
            self._sign_up("Ada", "en")
        if end:
            self._claim(end)

    @precondition(lambda self: self._is_claimable())
    @rule(pause=pauses, end=mail_ends)
    def a_record_is_read(self, pause: int, end: str) -> None:
        self._wait(pause)
        self._claim(end)

    @precondition(lambda self: self.claimed)
    @rule(end=mail_ends)
    def the_end_of_a_mail_is_told_late_or_twice(self, end: str) -> None:
        self._end(self.claimed[-1], end)

    @precondition(lambda self: self.claimed)
    @rule(pause=pauses, which=st.sampled_from(["last", "last", "last", "first", "earlier link 3"]))
    def a_link_is_clicked(self, pause: int, which: str) -> None:
        self._wait(pause)
        link = {"last": self.claimed[-1], "first": self.claimed[0]}.get(which, which)
        expected = self._expected(link)
        assert self.users.validate(self.email, link, self.now).outcome is expected
        if expected is Validation.VALIDATED:
            assert link in self.mailable
            self.validated_at = stored(self.now)
            self._set(validated_at=self.validated_at)
            self._unset("expires_at")

    # Once a life: more often, and no life would get anywhere.
    @precondition(lambda self: self.item and not self.upheavals)
    @rule(what=st.one_of(st.sampled_from(Verdict), st.sampled_from(PUTS)))
    def others_write(self, what: Verdict | Plain) -> None:
        """SES's report on the mailbox is written down, or another program puts the whole item."""
        self.upheavals += 1
        if not isinstance(what, Verdict):
            self._put(what)
            return
        worse = self.item is not None and self.item.get("mail") not in (what.value, "complained")
        assert self.users.record_feedback(self.email, what, self.now) == worse
        if worse:
            self._set(mail=what.value, mail_at=stored(self.now))
            assert self.item is not None
            self.item.pop("expires_at", None)

    @precondition(lambda self: "expires_at" in (self.item or {}))
    @rule(days=st.integers(1, 9))
    def what_has_lapsed_is_deleted(self, days: int) -> None:
        self._wait(days * DAY)
        assert self.item is not None
        if self.item["expires_at"] <= epoch(self.now):
            self.store.delete(self.email)
            self._begin(None)

    @invariant()
    def what_is_stored_is_what_the_model_says(self) -> None:
        assert self.store.item(self.email) == self.item

    @invariant()
    def validated_is_for_ever(self) -> None:
        assert (self.item or {}).get("validated_at") == self.validated_at

    @invariant()
    def nobody_is_mailed_too_often(self) -> None:
        assert (self.item or {}).get("mail_count", 0) <= self.most_mails

    @invariant()
    def links_are_bounded(self) -> None:
        assert len((self.item or {}).get("link_hashes", ())) <= 20

    @invariant()
    def only_an_unvalidated_sign_up_lapses(self) -> None:
        assert "expires_at" not in (self.item or {}) or (self.lapses and not self.validated_at)

    def _wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def _begin(self, item: Plain | None) -> None:
        """There is ``item`` now, and nothing is promised of what was before it."""
        self.item = item
        self.lapses = False
        self.mailable: set[str] = self._links() or set()
        self.owed_at: datetime | None = None
        # Another writer's item without ``mail`` is owed one, whatever its count says.
        self.most_mails = max(5, int((item or {}).get("mail_count", 0)) + 1)
        self.validated_at = (item or {}).get("validated_at")

    def _put(self, attributes: Plain) -> None:
        self.store.put(self.email, **attributes)
        self._begin({"email": self.email, **attributes})

    def _sign_up(self, prenom: str, lang: str) -> None:
        allowed = self.item is None or self._may_be_owed()
        made = self.users.sign_up(SignUp(self.email, prenom, "King", lang), self.now)
        assert made == allowed
        if made:
            if self.item is None:
                self._begin({"email": self.email})
                self.lapses = True
            self._is_owed()
            self._set(lang=lang)
            given = {"created_at": stored(self.now), "nom": "King"}
            if prenom:
                given["prenom"] = prenom
            self.item = {**given, **(self.item or {})}

    def _resend(self) -> None:
        allowed = self.item is not None and self._may_be_owed()
        made = self.users.resend(self.email, self.now)
        assert made == allowed
        if made:
            self._is_owed()

    def _ask_again(self) -> None:
        unanswered = (self.item or {}).get("mail_at", "") <= stored(self.now - PATIENCE)
        allowed = self._is_claimable() and ("mail" not in (self.item or {}) or unanswered)
        made = self.users.ask_again(self.email, self.now, PATIENCE)
        assert made == allowed
        if made:
            self._set(mail="owed", mail_at=stored(self.now))

    def _claim(self, end: str) -> None:
        link = f"link {next(self.link_numbers)} of {self.email}"
        claimable, links = self._is_claimable(), self._links()
        if claimable and links is None:
            with pytest.raises(Unusable):
                self.users.claim(self.email, link, self.now, lapses=self.lapses)
            return
        user = self.users.claim(self.email, link, self.now, lapses=self.lapses)
        assert (user is not None) == claimable
        if not claimable or links is None:
            return
        self._set(
            mail="sending",
            mail_at=stored(self.now),
            link_hashes={link} if len(links) >= 20 else {*links, link},
            link_expires_at=epoch(self.now) + DAY,
        )
        if self.lapses:
            self._set(expires_at=epoch(self.now) + 7 * DAY)
        self.claimed.append(link)
        self.mailable.add(link)
        self._end(link, end)

    def _end(self, link: str, end: str) -> None:
        """Write down what became of a mail; what is not known yet is not written down."""
        sending = (self.item or {}).get("mail") == "sending"
        if end == "sent":
            assert self.users.sent(self.email, self.now) == sending
            if sending:
                count = (self.item or {}).get("mail_count", 0) + 1
                self._set(mail="sent", mail_at=stored(self.now), mail_count=count)
                self._unset("mail_error")
        elif end == "failed":
            assert self.users.failed(self.email, "Rejected.", self.now) == sending
            if sending:
                self._set(mail="failed", mail_at=stored(self.now), mail_error="Rejected.")
        elif end == "taken back":
            assert self.users.take_back(self.email, link, "Throttled.") == sending
            if sending:
                self._set(mail_error="Throttled.", link_hashes=(self._links() or set()) - {link})
                self.mailable.discard(link)
                if not self._links():
                    self._unset("link_hashes")

    def _expected(self, link: str) -> Validation:
        item = self.item or {}
        if link not in (self._links() or ()):
            return Validation.INVALID
        if "validated_at" in item:
            return Validation.ALREADY_VALIDATED
        alive = item["link_expires_at"] > epoch(self.now)
        return Validation.VALIDATED if alive else Validation.EXPIRED

    def _is_owed(self) -> None:
        assert self.owed_at is None or self.now - self.owed_at >= timedelta(seconds=60)
        self.owed_at = self.now
        self._set(mail="owed", mail_at=stored(self.now))

    def _may_be_owed(self) -> bool:
        item = self.item or {}
        return (
            "validated_at" not in item
            and item.get("mail") not in ("bounced", "complained")
            and item.get("mail_at", "") <= stored(self.now - timedelta(seconds=60))
            and item.get("mail_count", 0) < 5
        )

    def _is_claimable(self) -> bool:
        return (
            self.item is not None
            and "validated_at" not in self.item
            and self.item.get("mail", "owed") in ("owed", "sending")
        )

    def _links(self) -> set[str] | None:
        """The hashes of their links; None where another writer put something else there."""
        links = (self.item or {}).get("link_hashes", set())
        return set(links) if isinstance(links, set) else None

    def _set(self, **attributes: object) -> None:
        assert self.item is not None
        self.item = {**self.item, **attributes}

    def _unset(self, name: str) -> None:
        self.item = {key: value for key, value in (self.item or {}).items() if key != name}


def test_any_life_follows_the_model(store: Store) -> None:
    life: Any = partial(Life, store)
    # Many short lives reach more corners than a few long ones, and a short one need not be made
    # shorter to be understood, which takes minutes.
    short = settings(max_examples=50, stateful_step_count=12, phases=[Phase.generate])
    run_state_machine_as_test(life, settings=short)
