"""Email addresses: those that SES can deliver to, in their canonical spelling."""

import re
from urllib.parse import unquote

from chalicelib.users import invisible, top_level_domains

MAX_LENGTH = 254  # RFC 5321 §4.5.3.1.3: a path of 256, less its angle brackets
MAX_LOCAL_LENGTH = 64  # RFC 5321 §4.5.3.1.1; email-validator enforces it only when strict
MAX_TYPED = 1024  # checked before any other work; leaves room for "mailto:" and a subject
MAX_KEY_BYTES = 2048  # DynamoDB's limit for a partition key

_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?P<domain>[A-Za-z0-9.-]{1,255})")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_CERTAIN = re.compile(rf"{_ATOM}(\.{_ATOM})*@(?P<domain>({_LABEL}\.)+[A-Za-z]{{2,63}})")

_MAILTO = "mailto:"
_FULL_WIDTH = {0xFEE0 + code: code for code in range(0x21, 0x7F)}
"""East Asian keyboards type these for ASCII (Unicode, "Halfwidth and Fullwidth Forms")."""
_EDGES = invisible.EDGES + invisible.DIRECTIONS
_EXAMPLE = "example"  # RFC 2606: no mail arrives there, but documents and tests need it
_NO_MAIL = ("arpa", "onion")  # in the list, but only for look-ups and for Tor (RFC 3172, RFC 7686)


class AddressError(ValueError):
    """No mail can be sent there. ``code`` says why: ``address_invalid``, ``address_too_long``,
    ``address_invisible_character``, ``address_domain_unknown`` (no such top-level domain) or
    ``address_not_ascii`` (SES has no SMTPUTF8, so the part before the @ must be ASCII)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def canonical(text: str) -> str:
    """Return the stored spelling of a typed address: lower case, the domain in punycode.

    The part before the @ is lower-cased too: RFC 5321 lets a host distinguish cases, but no host
    in use does. Raise AddressError.
    """
    return _checked(without_additions(text)).lower()


def deliverable(key: str) -> str:
    """Return the address to mail for a key of another program: its own spelling without
    additions, the domain in punycode. Raise AddressError."""
    if len(key) <= MAX_LENGTH and (plain := _PLAIN.fullmatch(key)):
        if "." in plain["domain"] and not _has_top_level_domain(plain["domain"]):
            raise AddressError("address_domain_unknown")
        return key
    return _checked(without_additions(key))


def is_plain(text: str) -> bool:
    """Return True if ``text`` looks like most addresses: ASCII, and without additions."""
    return _PLAIN.fullmatch(text) is not None


def without_additions(text: str) -> str:
    """Return an address without the additions of copying and keyboards: spaces and invisible
    characters around it, ``mailto:`` before it, full-width forms."""
    text = text.strip()
    if len(text) > MAX_TYPED or is_plain(text):
        return text
    text = _folded(text)
    if text[: len(_MAILTO)].lower() == _MAILTO:
        address, _, _ = text[len(_MAILTO) :].partition("?")  # RFC 6068: a subject may follow
        return _folded(unquote(address))
    return text


def keys(mailed: str) -> list[str]:
    """Return the keys whose mail goes to the address ``mailed``; empty if it is no address.

    These are its own spelling, and the spelling with the domain in Unicode, which another program
    may have stored. They include no keys with additions: see ``tags_of`` in mail/ses.py.
    """
    local, _, domain = mailed.rpartition("@")
    if not local or "xn--" not in domain:
        return [mailed] if local else []
    import idna

    try:
        return [mailed, f"{local}@{idna.decode(domain)}"]
    except UnicodeError:
        return [mailed]


def stored(text: str) -> str:
    """Return ``text`` unchanged if it can be a user's key. Raise AddressError.

    A link carries the stored spelling, and another program may spell its keys in any way.
    """
    try:
        if 0 < len(text.encode()) <= MAX_KEY_BYTES:
            return text
    except UnicodeEncodeError:  # a lone surrogate
        pass
    raise AddressError("address_invalid")


def _folded(text: str) -> str:
    return text.strip(_EDGES).translate(_FULL_WIDTH)


def _checked(text: str) -> str:
    local = text.rpartition("@")[0]
    if len(text) > MAX_LENGTH or len(local) > MAX_LOCAL_LENGTH:
        raise AddressError("address_too_long")
    if not text.isascii() and invisible.is_hidden(text):
        raise AddressError("address_invisible_character")
    if not local.isascii():
        raise AddressError("address_not_ascii")
    if not _is_certain(text):
        text = _validated(text)
    if not _has_top_level_domain(text):
        raise AddressError("address_domain_unknown")
    return text


def _validated(text: str) -> str:
    # Not at the top: it adds 10 % to a cold start, and hardly any address needs it.
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except (EmailNotValidError, UnicodeError) as error:
        raise AddressError("address_invalid") from error
    return f"{checked.local_part}@{checked.ascii_domain}"


def _is_certain(text: str) -> bool:
    """Return True if email-validator would accept ``text`` unchanged, as it does most addresses."""
    certain = _CERTAIN.fullmatch(text)
    return certain is not None and "--" not in text and _has_top_level_domain(certain["domain"])


def _has_top_level_domain(text: str) -> bool:
    top = text.rpartition(".")[2].lower()
    return top not in _NO_MAIL and (top == _EXAMPLE or top in top_level_domains.in_ascii())
