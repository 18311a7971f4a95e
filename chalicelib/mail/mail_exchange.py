"""DNS look-ups: the domains that take mail."""

from collections.abc import Callable
from functools import lru_cache

LIFETIME = 0.9  # seconds for a query with all its tries
REMEMBERED = 1024  # domains that take mail, for as long as a function stays warm

Ask = Callable[[str, str], list[str]]
"""Returns the records of a name and a type. Raises NoSuchName or DnsFault."""


class NoSuchName(Exception):
    """DNS says that the domain certainly does not exist."""


class DnsFault(Exception):
    """DNS gave no answer, or an error."""


class MailExchanges:
    """Remembers which domains take mail, and asks DNS about others."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._takes_mail = lru_cache(REMEMBERED)(self._look_up)

    def takes_mail(self, email: str) -> bool:
        """Return False only if DNS says that no mail can arrive there.

        That is a domain that does not exist, has neither MX nor address records (RFC 5321 §5.1), or
        says so itself (RFC 7505, "null MX"). A fault of DNS refuses nobody.
        """
        try:
            self._takes_mail(email.rpartition("@")[2])
        except NoSuchName:
            return False
        except DnsFault:
            pass
        return True

    def _look_up(self, domain: str) -> None:
        """Raise NoSuchName if the domain takes no mail. lru_cache forgets what is raised."""
        exchanges = self._ask(domain, "MX")
        if exchanges and set(exchanges) != {"."}:
            return
        if exchanges or not (self._ask(domain, "A") or self._ask(domain, "AAAA")):
            raise NoSuchName


def ask_dns(name: str, record_type: str) -> list[str]:
    """Return the exchanges or addresses that DNS has for ``name``. Raise NoSuchName or DnsFault."""
    # Not at the top: it takes 100 ms, and only stages with CHECK_DOMAIN ask.
    from dns.exception import DNSException
    from dns.resolver import NXDOMAIN, NoAnswer, Resolver

    try:
        answer = Resolver().resolve(name, record_type, lifetime=LIFETIME, search=False)
    except NXDOMAIN as error:
        raise NoSuchName from error
    except NoAnswer:
        return []
    except (DNSException, OSError) as error:
        raise DnsFault from error
    return [str(getattr(record, "exchange", record)) for record in answer]
