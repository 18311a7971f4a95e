"""The doctor's rows on delivery, each with the record to paste."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.exception
import dns.resolver
import pytest

from ops.doctor import check, name_server
from ops.doctor.check import Finding, Light
from ops.doctor.checks import delivery
from ops.stage.project import Project
from tests.ops.doctor.world import SERVERS, World, set_up_dns

CHECKS = {one.name: one for one in delivery.CHECKS}
MAIL_FROM = "bounce.example.org"
SPF = "v=spf1 include:amazonses.com ~all"
DMARC = "v=DMARC1; p=reject; rua=mailto:dmarc@example.org"
WELL = {MAIL_FROM: [SPF], "_dmarc.example.org": [DMARC]}
DKIM = {"Status": "SUCCESS", "SigningEnabled": True, "Tokens": ["one"]}
Look = Callable[..., Finding]


def identity(name: str = MAIL_FROM, status: str = "SUCCESS") -> dict[str, Any]:
    return {
        "VerifiedForSendingStatus": True,
        "DkimAttributes": DKIM,
        "MailFromAttributes": {"MailFromDomain": name, "MailFromDomainStatus": status},
    }


@pytest.fixture
def look(project: Project, monkeypatch: pytest.MonkeyPatch) -> Look:
    def look(
        name: str, records: Any = WELL, ses: Any = None, servers: Any = SERVERS, **settings: str
    ) -> Finding:
        set_up_dns(monkeypatch, records, servers)
        world = World(project.folder, {"sesv2.GetEmailIdentity": ses or identity()})
        world.stage.project.record(settings, {})
        ((_, finding),) = check.run([CHECKS[name]], world.facts)
        return finding

    return look


@pytest.mark.parametrize("name", CHECKS)
def test_good_delivery_is_green(look: Look, name: str) -> None:
    finding = look(name)
    assert (finding.light, finding.fix, finding.command) == (Light.GREEN, "", "")


def test_sess_own_mail_from_is_amber_with_the_command(look: Look) -> None:
    finding = look("MAIL FROM", ses=identity(name=""))
    assert finding.light is Light.AMBER
    assert finding.command.endswith("deploy --mail-from-domain bounce.example.org --stage prod")
    assert look("SPF", ses=identity(name="")).light is Light.GREY


def test_a_mail_from_that_waits_has_both_records(look: Look) -> None:
    finding = look("MAIL FROM", ses=identity(status="TEMPORARY_FAILURE"))
    assert finding.light is Light.AMBER
    assert "(temporary failure)" in finding.text
    assert f"{MAIL_FROM}  MX   10 feedback-smtp.eu-west-3.amazonses.com" in finding.fix
    assert f'{MAIL_FROM}  TXT  "{SPF}"' in finding.fix


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ([], "has no MX record"),
        (["mx.example.org"], "leads to mx.example.org"),
        ([*SERVERS[MAIL_FROM], "mx.example.org"], "leads to feedback-smtp"),
    ],
)
@pytest.mark.parametrize("status", ["PENDING", "SUCCESS"])
def test_a_mail_from_is_looked_up_whatever_ses_says(
    look: Look, servers: list[str], words: str, status: str
) -> None:
    finding = look("MAIL FROM", ses=identity(status=status), servers={MAIL_FROM: servers})
    assert finding.light is Light.AMBER
    assert words in finding.text
    assert f"{MAIL_FROM}  MX   10 feedback-smtp.eu-west-3.amazonses.com" in finding.fix


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "has no SPF record"),
        (["v=spf1 -all"], "does not let SES send"),
        (["v=spf10 include:amazonses.com"], "has no SPF record"),
        ([SPF, "v=spf1 -all"], "has 2 SPF records"),
    ],
)
def test_a_wrong_spf_record_is_amber(look: Look, records: list[str], words: str) -> None:
    finding = look("SPF", {MAIL_FROM: records})
    assert finding.light is Light.AMBER
    assert words in finding.text
    assert f'{MAIL_FROM}  TXT  "{SPF}"' in finding.fix


def test_an_spf_record_of_another_domain_does_not_align(look: Look) -> None:
    other = "bounce.example.com"
    assert "not of example.org" in look("SPF", {other: [SPF]}, identity(other)).text


def test_no_dmarc_policy_is_amber_with_one_to_paste(look: Look) -> None:
    for records in ({}, {"_dmarc.example.org": [DMARC, DMARC]}):
        finding = look("DMARC", records)
        assert finding.light is Light.AMBER
        assert '_dmarc.example.org  TXT  "v=DMARC1; p=none; rua=' in finding.fix


def test_a_policy_of_none_goes_on_to_quarantine(look: Look) -> None:
    finding = look("DMARC", {"_dmarc.example.org": ["v=DMARC1; p=none"]})
    assert (finding.light, finding.text) == (
        Light.AMBER,
        "DKIM and SPF aligned; _dmarc.example.org says p=none, so mailboxes also take forged mail",
    )
    assert "p=quarantine" in finding.fix


def test_the_policy_of_the_domain_above_holds_too(look: Look) -> None:
    finding = look("DMARC", MAIL_FROM="hello@mail.example.org")
    assert finding.light is Light.GREEN
    assert "_dmarc.example.org says p=reject" in finding.text


def test_strict_alignment_is_told_where_it_fails(look: Look) -> None:
    strict = {"_dmarc.example.org": ["v=DMARC1; p=reject; adkim=s; aspf=s"]}
    assert look("DMARC", strict).text.startswith("DKIM aligned;")
    above = look("DMARC", strict, MAIL_FROM="hello@mail.example.org")
    assert (above.light, above.text.split(",")[0]) == (
        Light.GREEN,
        "DKIM aligned; _dmarc.example.org says p=reject",
    )


def test_links_to_another_domain_are_amber(look: Look) -> None:
    finding = look("Links' domain", BASE_URL="https://x.execute-api.eu-west-3.amazonaws.com/api")
    assert finding.light is Light.AMBER
    assert finding.command.endswith("deploy --domain hello.example.org --stage prod")


@pytest.mark.parametrize("name", ["SPF", "DMARC"])
def test_a_fault_of_dns_is_amber(
    monkeypatch: pytest.MonkeyPatch, project: Project, name: str
) -> None:
    def time_out(*_: object, **__: object) -> None:
        raise dns.resolver.LifetimeTimeout(timeout=5, errors=[])

    monkeypatch.setattr(dns.resolver, "resolve", time_out)
    world = World(project.folder, {"sesv2.GetEmailIdentity": identity()})
    ((_, finding),) = check.run([CHECKS[name]], world.facts)
    assert finding.light is Light.AMBER
    assert "The DNS gives no answer about the TXT records of" in finding.text


def test_a_name_without_records_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver, "resolve", nothing)
    assert name_server.text_records("nothing.example.org") == []


@pytest.mark.parametrize(
    ("one", "other", "aligned"),
    [
        ("bounce.example.org", "example.org", True),
        ("a.example.org", "b.example.org", True),
        ("example.com", "example.org", False),
        ("notexample.org", "example.org", False),
        ("a.example.co.uk", "b.example.co.uk", True),
        ("other.co.uk", "example.co.uk", False),
    ],
)
def test_domains_of_one_owner_are_aligned(one: str, other: str, *, aligned: bool) -> None:
    assert delivery.are_aligned(one, other) is aligned
    assert delivery.are_aligned(one, one, strict=True)
