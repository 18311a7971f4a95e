"""Typos in the domains of big mail providers, and the domains probably meant."""

from functools import lru_cache

REMEMBERED = 256  # domains: a few of them have most addresses

# About 40 domains in which most addresses end, and the endings of each provider.
_PROVIDERS = {
    "gmail": "com",
    "googlemail": "com",
    "yahoo": "com fr de it es co.uk co.in co.jp com.br ca",
    "hotmail": "com fr de it es co.uk be nl",
    "outlook": "com fr de it es",
    "icloud": "com",
    "protonmail": "com ch",
    "proton": "me",
    "laposte": "net",
    "orange": "fr",
    "wanadoo": "fr",
    "t-online": "de",
    "libero": "it",
    "comcast": "net",
    "verizon": "net",
    "yandex": "ru com",
    "rediffmail": "com",
    "btinternet": "com",
    "bluewin": "ch",
}
_BIG = frozenset(f"{name}.{end}" for name, ends in _PROVIDERS.items() for end in ends.split())
# One letter away from a big domain, but the domain of another known provider.
_REAL = frozenset(("mail.com", "email.com", "ymail.com", "fmail.com", "hotmail.ca", "outlook.be"))
_CUT_SHORT = ("co", "cm", "om")
"""``com`` without one letter: each of these endings exists."""
# Typos of more than one letter, or with an ending that exists.
_TABLE = {
    "gmail.net": "gmail.com",
    "gmail.fr": "gmail.com",
    "gmal.co": "gmail.com",
    "gmaill.co": "gmail.com",
    "hotmial.fr": "hotmail.fr",
    "icloud.fr": "icloud.com",
}


def suggest(email: str) -> str:
    """Return the address that the user probably meant; empty if the canonical one looks right."""
    local, _, domain = email.rpartition("@")
    if domain in _BIG or domain in _REAL:
        return ""
    meant = _TABLE.get(domain) or _nearest(domain)
    return f"{local}@{meant}" if meant else ""


@lru_cache(REMEMBERED)
def _nearest(domain: str) -> str:
    name, _, end = domain.partition(".")
    if end in _CUT_SHORT and f"{name}.com" in _BIG:
        return f"{name}.com"
    return next(
        (
            f"{big}.{end}"
            for big in _PROVIDERS
            if f"{big}.{end}" in _BIG and name != big and _is_one_slip_away(name, big)
        ),
        "",
    )


def _is_one_slip_away(typed: str, meant: str) -> bool:
    """Return True if one letter is missing, extra or wrong, or two are swapped."""
    if abs(len(typed) - len(meant)) > 1:
        return False
    start = 0
    while start < min(len(typed), len(meant)) and typed[start] == meant[start]:
        start += 1
    rest, wanted = typed[start:], meant[start:]
    return (
        rest[1:] == wanted[1:]
        or rest[1:] == wanted
        or rest == wanted[1:]
        or (rest[1::-1] + rest[2:] == wanted and len(rest) > 1)
    )
