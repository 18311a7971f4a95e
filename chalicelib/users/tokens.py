"""Link tokens: random, mailed once, and stored only as a hash."""

import hashlib
import re
import secrets

BYTES = 32

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


def mint() -> str:
    """Return a new token: 256 random bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(BYTES)


def digest(token: str) -> str:
    """Return the token's SHA-256 in hex. Nothing else of the token is stored.

    A fast hash is enough: nobody can guess 256 random bits. The store looks the hash up and
    compares no tokens, so the time of an answer reveals nothing.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def well_formed(text: str) -> bool:
    """Return True if ``text`` has the form of a token."""
    return _SHAPE.fullmatch(text) is not None
