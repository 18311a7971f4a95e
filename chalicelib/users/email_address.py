"""E-mail addresses: which of them SES can deliver to, and the one spelling each is stored under."""

import re

MAX_LENGTH = 254  # RFC 5321 §4.5.3.1.3: a path of 256, less its angle brackets
MAX_LOCAL_LENGTH = 64  # RFC 5321 §4.5.3.1.1; email-validator asks for it only when strict
MAX_KEY_BYTES = 2048  # DynamoDB's limit for a partition key

_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_CERTAIN = re.compile(rf"{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+(?P<top>[A-Za-z]{{2,63}})")
# Top-level domains of no mailbox (RFC 6761, 6762, 7686), as email-validator has them.
_NOWHERE = frozenset(("arpa", "invalid", "local", "localhost", "onion", "test"))


class AddressError(ValueError):
    """No mail can be sent there. ``code`` says why: ``address_invalid``, ``address_too_long`` or
    ``address_not_ascii`` (SES has no SMTPUTF8, so the part before the @ must be ASCII)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def canonical(text: str) -> str:
    """The stored spelling of a typed address: trimmed, lower case, its domain in punycode.

    The part before the @ is lower-cased too: RFC 5321 lets a host tell cases apart, none that
    people use does, and two accounts for one mailbox help nobody. Raises AddressError.
    """
    return _checked(text.strip()).lower()


def deliverable(key: str) -> str:
    """The address to mail for a key that another writer chose: its own spelling, its domain in
    punycode. Raises AddressError."""
    if len(key) <= MAX_LENGTH and _PLAIN.fullmatch(key):
        return key
    return _checked(key)


def keys(mailed: str) -> list[str]:
    """The keys whose mail goes to the address ``mailed``: its own spelling, and the one that has
    the domain in Unicode, where another writer may have stored that. Nothing for no address."""
    local, _, domain = mailed.rpartition("@")
    if not local or "xn--" not in domain:
        return [mailed] if local else []
    import idna

    try:
        return [mailed, f"{local}@{idna.decode(domain)}"]
    except UnicodeError:
        return [mailed]


def stored(text: str) -> str:
    """``text`` as it stands, if it could be a user's key: a link carries the stored spelling, and
    another writer's may be any. Raises AddressError."""
    try:
        if 0 < len(text.encode()) <= MAX_KEY_BYTES:
            return text
    except UnicodeEncodeError:  # a lone surrogate
        pass
    raise AddressError("address_invalid")


def _checked(text: str) -> str:
    local = text.rpartition("@")[0]
    if len(text) > MAX_LENGTH or len(local) > MAX_LOCAL_LENGTH:
        raise AddressError("address_too_long")
    if not local.isascii():
        raise AddressError("address_not_ascii")
    if _is_certain(text):
        return text
    # Here and not above: it costs a cold start a tenth, and hardly any address needs it.
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except (EmailNotValidError, UnicodeError) as error:
        raise AddressError("address_invalid") from error
    return f"{checked.local_part}@{checked.ascii_domain}"


def _is_certain(text: str) -> bool:
    """Whether email-validator would certainly have nothing to say or to change: most addresses."""
    found = _CERTAIN.fullmatch(text)
    return found is not None and "--" not in text and found["top"].lower() not in _NOWHERE
