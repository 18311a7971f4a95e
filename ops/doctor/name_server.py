"""Records in the public DNS, as mailbox providers see them."""

import dns.exception
import dns.resolver

from ops.doctor.http import NoAnswer

TIMEOUT = 5.0


def text_records(name: str) -> list[str]:
    """Return the TXT records of ``name``; none if it has none. Raises NoAnswer."""
    return [b"".join(record.strings).decode(errors="replace") for record in _records(name, "TXT")]


def mail_servers(name: str) -> list[str]:
    """Return the mail servers that the MX records of ``name`` name. Raises NoAnswer."""
    return [str(record.exchange).rstrip(".").lower() for record in _records(name, "MX")]


def _records(name: str, kind: str) -> list[dns.resolver.Answer]:
    try:
        return list(dns.resolver.resolve(name, kind, lifetime=TIMEOUT))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise NoAnswer(f"The DNS does not say the {kind} records of {name}.") from error
