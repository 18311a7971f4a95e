"""Published events, made again from the users' items under the same ids."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from chalicelib.events import event
from chalicelib.events.event import Event
from chalicelib.users.moments import iso
from chalicelib.users.table import Item, mapping, string

WITHDRAWN = "consent_withdrawn"


def published_events(items: Iterable[Item], since: datetime) -> Iterator[list[Event]]:
    """Yield the events of each user since ``since`` that were published, in their order.

    ``told`` keeps when each kind was last, and each consent when it was withdrawn. An event that is
    still owed is left to the drain.
    """
    moment = iso(since)
    for item in items:
        latest = {kind: at.get("S", "") for kind, at in mapping(item, "told").items()}
        earlier = (at for at in _withdrawals(item) if at < latest.get(WITHDRAWN, ""))
        moments = {
            *((at, kind) for kind, at in latest.items()),
            *((at, WITHDRAWN) for at in earlier),
        }
        in_order = sorted((at, kind) for at, kind in moments if at >= moment)
        if in_order:
            yield [event.make(item, kind, at, _facts(item, kind, at)) for at, kind in in_order]


def _withdrawals(item: Item) -> Iterator[str]:
    """Yield when each consent was withdrawn that was."""
    for consent in mapping(item, "consent").values():
        if withdrawn_at := string(consent.get("M", {}), "withdrawn_at"):
            yield withdrawn_at


def _facts(item: Item, kind: str, at: str) -> dict[str, str]:
    """Return what the transition knew, as far as the item has kept it."""
    if kind in ("bounced", "complained"):
        return {"reason": string(item, "mail_error") or kind}
    if kind == "refused" and "refused_by" in item:
        return {"refused_by": string(item, "refused_by")}
    if kind == WITHDRAWN:
        return _withdrawal(item, at)
    return {}


def _withdrawal(item: Item, at: str) -> dict[str, str]:
    for name, consent in mapping(item, "consent").items():
        given: Item = consent.get("M", {})
        if string(given, "withdrawn_at") == at:
            return {"withdrawn": name, "withdrawn_by": string(given, "withdrawn_by")}
    return {}
