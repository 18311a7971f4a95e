"""The updates that each transition of a user's item can ask DynamoDB for.

A client without a table makes every transition on every state, with and without each option of a
stage. It lets an update pass or refuses it, and records the expressions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.users import codes
from chalicelib.users.event_outbox import EventOutbox
from chalicelib.users.item import DELETED
from chalicelib.users.mailboxes import Mailboxes
from chalicelib.users.outbox import Claim, Outbox
from chalicelib.users.people import Consent, MailKind, SignUp, User, Verdict
from chalicelib.users.store import Users
from tests.support.states import (
    CODE,
    EARLIER_STORED,
    EMAIL,
    LINK,
    NEW_LINK,
    NOW,
    OTHER_LINK,
    OTHER_TICKET,
    PROVEN,
    SAID,
    STATES,
    TICKET,
)
from tests.support.stores import Plain, typed

USER = User(EMAIL, "Alexis", "GÜNST HORN", "fr")
CONSENT: Plain = {"news": {"text": "hash", "lang": "fr", "at": EARLIER_STORED}}
SIGN_UPS = (
    SignUp(EMAIL, "", "", ""),
    SignUp(EMAIL, "A", "B", "fr", {"a": "b"}, {"news": Consent("Yes", "fr")}, "https://a.example/"),
)
CODES = typed({"codes": {TICKET: {**CODE, "code": codes.digest("key", LINK, "123456")}}})
CLAIMS = [
    Claim(USER, LINK, takes_code=False, kind=kind, may_expire=may_expire)
    for kind, may_expire in product(MailKind, (True, False))
]

REFUSED: list[set[int]] = [set(), {1}, {2}, {1, 2}]


class Update(NamedTuple):
    """The attributes that one UpdateItem sets, removes and has conditions on.

    ``mail`` is the state that it gives the mail, empty if it leaves the state.
    """

    sets: frozenset[str]
    removes: frozenset[str]
    conditions: frozenset[str]
    mail: str


class Stage(NamedTuple):
    """The stores of a stage, over one client."""

    users: Users
    outbox: Outbox
    events: EventOutbox


class Recorder:
    """A DynamoDB client that has one item, and refuses the updates of these numbers."""

    def __init__(self, item: Plain | None, refused: set[int]) -> None:
        self.item = typed({"email": EMAIL, **item}) if item is not None else {}
        self.updates: list[Update] = []
        self._refused = refused

    def update_item(self, **request: Any) -> dict[str, Any]:
        if "email" in request["Key"]:  # the other table is of mailboxes
            self.updates.append(_read(request))
            if len(self.updates) in self._refused:
                refusal = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": self.item}
                raise ClientError({**refusal, "ResponseMetadata": {}}, "UpdateItem")  # type: ignore[arg-type]
        return {"Attributes": {**CODES, **self.item}}


Call = Callable[[Stage, dict[str, Any]], object]
CALLS: dict[str, list[Call]] = {
    "Users.sign_up": [
        lambda stage, _, sign_up=sign_up: stage.users.sign_up(sign_up, TICKET, NOW)
        for sign_up in SIGN_UPS
    ],
    "Users.resend": [
        lambda stage, _: stage.users.resend(EMAIL, NOW, token_hash=LINK),
        lambda stage, _: stage.users.resend(EMAIL, NOW, ticket_hash=TICKET),
    ],
    "Users.validate": [
        lambda stage, _: stage.users.validate(EMAIL, LINK, NOW),
        lambda stage, _: stage.users.validate(EMAIL, LINK, NOW, TICKET),
        lambda stage, _: stage.users.validate(EMAIL, LINK, NOW, sent_from={"address": "::1"}),
    ],
    "Users.validate_by_code": [
        lambda stage, _: stage.users.validate_by_code(EMAIL, TICKET, "123456", NOW),
        lambda stage, _: stage.users.validate_by_code(
            EMAIL, TICKET, "123456", NOW, sent_from={"address": "::1"}
        ),
    ],
    "Users.refuse": [
        lambda stage, _: stage.users.refuse(EMAIL, LINK, NOW),
        lambda stage, _: stage.users.refuse(EMAIL, LINK, NOW, keeps_validation=True),
    ],
    "Outbox.claim": [
        lambda stage, image: stage.outbox.claim(image, NEW_LINK, NOW),
        lambda stage, image: stage.outbox.claim(image, NEW_LINK, NOW, "code"),
    ],
    "Outbox.release": [
        lambda stage, _, claim=claim: stage.outbox.release(claim, "Throttled.", NOW)
        for claim in CLAIMS
    ],
    "Outbox.sent": [
        lambda stage, _, claim=claim: stage.outbox.sent(claim, "0100", NOW) for claim in CLAIMS
    ],
    "Outbox.failed": [
        lambda stage, _, claim=claim: stage.outbox.failed(claim, "No.", NOW) for claim in CLAIMS
    ],
    "Outbox.give_up": [lambda stage, image: stage.outbox.give_up(image, "Full.", NOW)],
    "Outbox.refuse": [lambda stage, image: stage.outbox.refuse(image, NOW)],
    "Outbox.owe": [lambda stage, image: stage.outbox.owe(image, NOW)],
    "Outbox.leave_index": [lambda stage, image: stage.outbox.leave_index(image)],
    "Outbox.report_sent": [lambda stage, _: stage.outbox.report_sent(EMAIL, LINK, "0100", NOW)],
    "Outbox.report_delivered": [
        lambda stage, _: stage.outbox.report_delivered(EMAIL, LINK, "0100", 900, NOW)
    ],
    "Outbox.report_delayed": [
        lambda stage, _: stage.outbox.report_delayed(EMAIL, LINK, "0100", "Full", NOW)
    ],
    "Outbox.report_rejected": [
        lambda stage, _: stage.outbox.report_rejected(EMAIL, LINK, "Virus", NOW)
    ],
    "Outbox.report_verdict": [
        lambda stage, _, verdict=verdict: stage.outbox.report_verdict(EMAIL, LINK, verdict, NOW)
        for verdict in Verdict
    ],
    "EventOutbox.told": [lambda stage, image: stage.events.told(image, NOW)],
}


@cache
def updates_of(transition: str) -> frozenset[Update]:
    """Return the updates that the transition can ask for."""
    updates: set[Update] = set()
    for call, item, refused, has_options in product(
        CALLS[transition], _items(), REFUSED, (True, False)
    ):
        recorder = Recorder(item, refused)
        call(_stage(recorder, has_options=has_options), recorder.item)
        updates.update(recorder.updates)
    return frozenset(updates)


def _stage(client: Any, *, has_options: bool) -> Stage:
    mailboxes = Mailboxes(client, "limits", "a secret key of thirty-two letters")
    reminds = timedelta(hours=1) if has_options else None
    users = Users(client, "users", mailboxes, "key", welcomes=has_options, has_events=has_options)
    outbox = Outbox(
        client, "users", remind_after=reminds, welcomes=has_options, has_events=has_options
    )
    return Stage(users, outbox, EventOutbox(client, "users"))


def _items() -> Iterator[Plain | None]:
    """Yield the states of an item, and the variants of them that take other updates."""
    yield from STATES.values()
    events = {"owed_events": [{"kind": "validated", "at": EARLIER_STORED}]}
    reminder = {"remind_at": EARLIER_STORED, "owed": "00", "owed_at": EARLIER_STORED}
    code = {"codes": {TICKET: CODE, OTHER_TICKET: {**CODE, "expires": 1}}}
    consenting = {
        "expires": 2**33,
        "said": {**SAID, "fields": {"a": "b"}, "consent": CONSENT},
        "ticket": TICKET,
    }
    others = {"links": {LINK: {"expires": 2**33, "said": {"said_at": "later"}, "ticket": TICKET}}}
    welcome = {"owed": "w00", "owed_at": EARLIER_STORED, "mail": "owed"}
    for state in STATES.values():
        if state is not None:
            yield {**state, **events}
            yield {**state, **reminder}
            yield {**state, **code, "resend_of": OTHER_LINK}
            yield {**state, "links": {LINK: consenting}}
            yield {**state, **others}
            yield {**state, "expires_at": 2**33}
    yield {**PROVEN, **welcome}
    yield {"mail": DELETED, **events}


def _read(request: dict[str, Any]) -> Update:
    """Return the attributes that an update names."""
    change, _, removed = request["UpdateExpression"].partition("REMOVE ")
    changed = re.sub(r"\w+\([^()]*(\([^()]*\))?[^()]*\)", "", change.removeprefix("SET "))
    targets = [part.partition(" = ")[0] for part in changed.split(",")]
    condition = re.sub(
        r"(attribute_(not_)?exists|contains)(?=\()", "", request["ConditionExpression"]
    )
    names = request.get("ExpressionAttributeNames", {})
    (mail, *_) = [*re.findall(r"\bmail = (:\w+)", change), ""]
    return Update(
        _attributes(targets, names),
        _attributes(removed.split(","), names),
        _attributes(re.findall(r"(?<![\w:.#])[a-z_#][\w.#]*", condition), names),
        request["ExpressionAttributeValues"][mail]["S"] if mail else "",
    )


def _attributes(paths: Iterable[str], names: Mapping[str, str]) -> frozenset[str]:
    """Return the attributes in which ``paths`` begin."""
    roots = (path.strip().partition(".")[0] for path in paths)
    return frozenset(names.get(root, root) for root in roots if root)
