"""Records in the public DNS, as mailbox providers see them."""

import dns.exception
import dns.resolver

from ops.doctor.http import NoAnswer

TIMEOUT = 5.0


def text_records(name: str) -> list[str]:
    """Return the TXT records of ``name``; none if it has none. Raises NoAnswer."""
    try:
        records = list(dns.resolver.resolve(name, "TXT", lifetime=TIMEOUT))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise NoAnswer(f"The DNS does not say the TXT records of {name}.") from error
    return [b"".join(record.strings).decode(errors="replace") for record in records]
