"""Link tokens: random, mailed once, and stored only as a hash."""

import hashlib
import re
import secrets

BYTES = 32

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


def mint() -> str:
    """Return a fresh token: 256 random bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(BYTES)


def digest(token: str) -> str:
    """Return the token's SHA-256 in hex, which is all that is stored of it.

    A fast hash is right here: there is nothing to guess in 256 random bits. Looking the hash up,
    rather than comparing tokens, leaves nothing to learn from how long a comparison takes.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def well_formed(text: str) -> bool:
    """Return True if ``text`` has the form of a token."""
    return _SHAPE.fullmatch(text) is not None
