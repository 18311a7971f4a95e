"""Six-digit codes: made for a mail, then stored only as a keyed hash."""

import hashlib
import hmac
import secrets

DIGITS = 6


def mint() -> str:
    """Return a new code: six random decimal digits."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def digest(secret_key: str, link_hash: str, code: str) -> str:
    """Return the hash of ``code`` that the table stores: an HMAC-SHA-256 in hexadecimal.

    A million codes are quickly tried against a plain hash, so the hash needs a key that the table
    does not hold. ``link_hash`` ties the code to one mail.
    """
    message = f"{link_hash}:{code}".encode(errors="replace")
    return hmac.new(secret_key.encode(), message, hashlib.sha256).hexdigest()


def is_right(stored: str, secret_key: str, link_hash: str, code: str) -> bool:
    """Return True if ``code`` is the one whose hash is ``stored``; compared in constant time."""
    return hmac.compare_digest(stored, digest(secret_key, link_hash, code))
