"""Mail exchanges: a domain takes mail unless DNS is certain that it does not."""

from types import SimpleNamespace

import dns.resolver
import pytest
from dns.exception import Timeout

from chalicelib.mail import mail_exchange
from chalicelib.mail.mail_exchange import DnsFault, MailExchanges, NoSuchName


class Zone:
    """A DNS of one name: the records of each type, or what is raised."""

    def __init__(self, **records: list[str] | Exception) -> None:
        self.records = records
        self.asked: list[tuple[str, str]] = []

    def __call__(self, name: str, record_type: str) -> list[str]:
        self.asked.append((name, record_type))
        answer = self.records.get(record_type, [])
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("zone", "takes_mail"),
    [
        pytest.param(Zone(MX=["mx.example.org."]), True, id="an exchange"),
        pytest.param(Zone(A=["192.0.2.1"]), True, id="an address alone"),
        pytest.param(Zone(AAAA=["2001:db8::1"]), True, id="an IPv6 address alone"),
        pytest.param(Zone(), False, id="no records"),
        pytest.param(Zone(MX=["."], A=["192.0.2.1"]), False, id="a null MX"),
        pytest.param(Zone(MX=NoSuchName()), False, id="no such domain"),
        pytest.param(Zone(MX=DnsFault()), True, id="a fault"),
        pytest.param(Zone(A=DnsFault()), True, id="a fault at the second question"),
    ],
)
def test_a_domain_takes_mail(zone: Zone, takes_mail: bool) -> None:
    assert MailExchanges(zone).takes_mail("ada@mail.example.org") is takes_mail
    assert {name for name, _ in zone.asked} == {"mail.example.org"}


def test_only_certain_good_news_is_remembered() -> None:
    zone = Zone(MX=["mx.example.org."])
    exchanges = MailExchanges(zone)
    assert [exchanges.takes_mail(f"{name}@example.org") for name in "ab"] == [True, True]
    assert len(zone.asked) == 1

    zone = Zone(MX=NoSuchName())
    exchanges = MailExchanges(zone)
    assert [exchanges.takes_mail(f"{name}@example.org") for name in "ab"] == [False, False]
    zone.records["MX"] = ["mx.example.org."]
    assert exchanges.takes_mail("c@example.org")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (dns.resolver.NXDOMAIN(), NoSuchName),
        (dns.resolver.NoNameservers(), DnsFault),
        (Timeout(), DnsFault),
        (OSError(), DnsFault),
    ],
)
def test_what_dns_raises_is_certain_or_a_fault(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception]
) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("dns.resolver.Resolver", lambda: SimpleNamespace(resolve=resolve))
    with pytest.raises(expected):
        mail_exchange.ask_dns("example.org", "MX")


def test_records_are_read_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"MX": [SimpleNamespace(exchange="mx.example.org.")], "A": ["192.0.2.1"]}

    def resolve(_: str, record_type: str, **__: object) -> object:
        if record_type not in answers:
            raise dns.resolver.NoAnswer(response=SimpleNamespace(question="?"))
        return answers[record_type]

    monkeypatch.setattr("dns.resolver.Resolver", lambda: SimpleNamespace(resolve=resolve))
    assert mail_exchange.ask_dns("example.org", "MX") == ["mx.example.org."]
    assert mail_exchange.ask_dns("example.org", "A") == ["192.0.2.1"]
    assert mail_exchange.ask_dns("example.org", "AAAA") == []
