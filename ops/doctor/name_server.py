"""Records in the public DNS, as mailbox providers see them."""

from typing import Any

import dns.exception
import dns.resolver

from ops.doctor.http import NoAnswer

TIMEOUT = 5.0


def text_records(name: str) -> list[str]:
    """Return the TXT records of ``name``; none if it has none. Raises NoAnswer."""
    return [b"".join(record.strings).decode(errors="replace") for record in _look_up(name, "TXT")]


def mail_servers(name: str) -> list[str]:
    """Return the names in the MX records of ``name``; none if it has none. Raises NoAnswer."""
    return [_plain(record.exchange) for record in _look_up(name, "MX")]


def alias(name: str) -> str:
    """Return what ``name`` is a CNAME of; empty if it is none. Raises NoAnswer."""
    return next((_plain(record.target) for record in _look_up(name, "CNAME")), "")


def _look_up(name: str, kind: str) -> list[Any]:
    try:
        return list(dns.resolver.resolve(name, kind, lifetime=TIMEOUT))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise NoAnswer(f"The DNS gives no answer about the {kind} records of {name}.") from error


def _plain(name: Any) -> str:
    return str(name).rstrip(".").lower()
