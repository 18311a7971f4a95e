"""The web pages where people read their mail, by the domain of their address."""

from collections.abc import Mapping

_PAGES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("Gmail", "https://mail.google.com/mail/"): ("gmail.com", "googlemail.com"),
    ("Outlook", "https://outlook.live.com/mail/"): (
        *("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.fr", "hotmail.fr"),
        *("live.fr", "outlook.de", "hotmail.de", "hotmail.co.uk", "hotmail.it", "hotmail.es"),
    ),
    ("Yahoo", "https://mail.yahoo.com/"): (
        *("yahoo.com", "yahoo.fr", "yahoo.de", "yahoo.co.uk", "yahoo.es", "yahoo.it"),
        *("ymail.com", "aol.com"),
    ),
    ("iCloud", "https://www.icloud.com/mail/"): ("icloud.com", "me.com", "mac.com"),
    ("Proton Mail", "https://mail.proton.me/"): ("proton.me", "protonmail.com", "pm.me"),
    ("GMX", "https://www.gmx.net/"): ("gmx.de", "gmx.net", "gmx.at", "gmx.ch"),
    ("WEB.DE", "https://web.de/"): ("web.de",),
    ("Orange", "https://messagerie.orange.fr/"): ("orange.fr", "wanadoo.fr"),
    ("Laposte.net", "https://www.laposte.net/"): ("laposte.net",),
}
_BY_DOMAIN = {domain: page for page, domains in _PAGES.items() for domain in domains}


def find(email: str) -> tuple[str, str] | None:
    """Return the name and the address of the page for ``email``; None if the domain has none."""
    return _BY_DOMAIN.get(email.rpartition("@")[2].lower())
