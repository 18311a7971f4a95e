"""The evidence of a user's consents, as one document."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from chalicelib.users import tokens
from chalicelib.users.moments import iso
from ops.users.person import Plain

STATEMENT = (
    "This is evidence of what a browser or program sent, and of who read the mailbox. It is not a "
    "statement that anyone complied with a law."
)
_BY = {"import": "the operator's word, in an import", "operator": "the operator's word"}


def document(user: Plain, texts: Callable[[str], str], table: str, now: datetime) -> dict[str, Any]:
    """Return the evidence in JSON's types. ``texts`` returns the text of a hash. Moments: UTC."""
    consents = user.get("consent")
    given = consents if isinstance(consents, Mapping) else {}
    return {
        "about": user["email"],
        "made_at": iso(now),
        "table": table,
        "address": _proven(user),
        "consents": [_consent(name, entry, texts) for name, entry in sorted(given.items())],
        "statement": STATEMENT,
    }


def lines(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the document's lines for readers."""
    yield f"Consents of {content['about']}"
    yield f"Made {content['made_at']} from the table {content['table']}"
    yield ""
    address = content["address"]
    if "proven_at" not in address:
        yield "The address is not validated: none of these consents counts yet."
    else:
        yield f"Address proven  {address['proven_at']}"
        yield from _labelled(address, ("by", "link", "message_id", "from_address", "from_browser"))
    for consent in content["consents"]:
        yield ""
        yield f"Consent  {consent['name']}"
        yield from _labelled(consent, [key for key in consent if key not in ("name", "text")])
        if "text" in consent:
            yield "  text shown:"
            yield from (f"    {line}" for line in consent["text"].splitlines())
    if not content["consents"]:
        yield ""
        yield "No consent is stored."
    yield ""
    yield content["statement"]


def _proven(user: Plain) -> dict[str, Any]:
    """Return how the address was proven; empty if it was not."""
    if "validated_at" not in user:
        return {}
    proven = {"proven_at": user["validated_at"]}
    if how := user.get("validated_with"):
        proven["by"] = f"the {how} of a mail to this address"
    elif by := user.get("validated_by"):
        proven["by"] = _BY.get(str(by), str(by))
    if link := user.get("validated_link"):
        proven["link"] = link
        if user.get("mail_link") == link and "message_id" in user:
            proven["message_id"] = user["message_id"]
    return {**proven, **_sender(user.get("validated_from"))}


def _consent(name: str, entry: object, texts: Callable[[str], str]) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        return {"name": name, "stored_by": "another program", "value": entry}
    shown: dict[str, Any] = {"name": name}
    for key, label in (("at", "given_at"), ("lang", "language"), ("text", "text_sha256")):
        if key in entry:
            shown[label] = entry[key]
    if by := entry.get("by"):
        shown["by"] = _BY.get(str(by), str(by))
    shown |= _sender(entry)
    for key in ("withdrawn_at", "withdrawn_by"):
        if key in entry:
            shown[key] = entry[key]
    if text_hash := entry.get("text"):
        text = texts(str(text_hash))
        shown["text"] = text
        shown["text_is_whole"] = tokens.digest(text) == text_hash
    return shown


def _sender(entry: object) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        return {}
    names = {"address": "from_address", "agent": "from_browser"}
    return {label: entry[key] for key, label in names.items() if key in entry}


def _labelled(entry: Mapping[str, Any], keys: Any) -> Iterator[str]:
    return (f"  {key.replace('_', ' ')}: {entry[key]}" for key in keys if key in entry)
