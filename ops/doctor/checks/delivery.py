"""SPF, DMARC, and where links lead: what mailbox providers look at.

https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dmarc.html
"""

from typing import Any
from urllib.parse import urlsplit

from ops.doctor import name_server
from ops.doctor.check import Check, Finding, amber, green
from ops.doctor.facts import Facts, NotThere
from ops.resources.mail import mail_identity
from ops.stage import local_stage

# Labels under which countries sell names: example.co.uk is one domain, and co.uk is none.
_SHARED = frozenset(("ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"))
_DMARC = "v=dmarc1"


def _mail_from(facts: Facts) -> Finding:
    """Look at the MAIL FROM domain: bounces go there, and its SPF record is the one that counts."""
    domain = _sender_domain(facts)
    state = _mail_from_state(facts)
    name = state.get("MailFromDomain", "")
    if not name:
        return amber(
            "SES's own: SPF passes for amazonses.com, not for the sender's domain",
            f"Take a subdomain of {domain}. DKIM alone satisfies DMARC, so this is not urgent.",
            facts.stage.ops(f"deploy --mail-from-domain bounce.{domain}"),
        )
    region = facts.stage.cloud.region
    server = mail_identity.feedback_server(region)
    servers = name_server.mail_servers(name)
    if servers != [server]:
        seen = f"leads to {', '.join(servers)}" if servers else "has no MX record"
        return amber(
            f"{name} {seen}, so SES takes its own",
            f"Let the DNS of {domain} have this MX record of {name}, and no other:"
            + mail_identity.mail_server_record(name, region),
        )
    status = state.get("MailFromDomainStatus", "unknown").lower().replace("_", " ")
    if status == "success":
        return green(f"{name}, whose MX record leads to SES")
    return amber(
        f"{name} ({status}), though its MX record leads to SES; until then SES takes its own",
        "Wait for SES, up to three days, once the DNS has both records:"
        + mail_identity.mail_from_records(name, region),
    )


def _spf(facts: Facts) -> Finding:
    domain = _sender_domain(facts)
    name = _mail_from_state(facts).get("MailFromDomain", "")
    if not name:
        raise NotThere("not seen: there is no MAIL FROM domain")
    wanted = mail_identity.spf_record(name)
    policies = [text for text in name_server.text_records(name) if _is_spf(text)]
    if len(policies) > 1:
        return amber(
            f"{name} has {len(policies)} SPF records, so mailbox providers use none",
            f"Leave one in the DNS of {domain}, with everything that the others allow:{wanted}",
        )
    if not any("include:amazonses.com" in text.lower().split() for text in policies):
        said = "has no SPF record" if not policies else "does not let SES send"
        return amber(f"{name} {said}", f"Add this record to the DNS of {domain}:{wanted}")
    if not are_aligned(name, domain):
        return amber(
            f"{name} lets SES send, but it is not of {domain}, so DMARC does not count it",
            f"Take a subdomain of {domain}.",
            facts.stage.ops(f"deploy --mail-from-domain bounce.{domain}"),
        )
    return green(f"{name} lets SES send, and belongs to {domain}")


def _dmarc(facts: Facts) -> Finding:
    domain = _sender_domain(facts)
    name, policy = _dmarc_policy(domain)
    if not policy:
        return amber(
            f"{domain} has no DMARC policy: Gmail and Yahoo ask for one",
            f"Add this record to the DNS of {domain}:{_dmarc_record(domain, 'none')}",
        )
    try:
        signing = facts.identity()["Name"].rpartition("@")[2]
        mail_from = _mail_from_state(facts).get("MailFromDomain", "")
    except NotThere:  # before a first deploy, which has SES sign for the sender's domain
        signing, mail_from = domain, ""
    aligned = [
        words
        for words, other, mode in (
            ("DKIM", signing, policy.get("adkim", "r")),
            ("SPF", mail_from, policy.get("aspf", "r")),
        )
        if other and are_aligned(other, domain, strict=mode == "s")
    ]
    if not aligned:
        bounces = mail_from or "amazonses.com"
        return amber(
            f"neither DKIM ({signing}) nor SPF ({bounces}) aligns with {domain}",
            "Make related domains count as one, by adkim=r and aspf=r in this "
            f"record:{_dmarc_record(domain, policy.get('p', 'none'))}",
        )
    line = f"{' and '.join(aligned)} aligned; {name} says p={policy.get('p', 'none')}"
    if policy.get("p") in ("quarantine", "reject"):
        return green(line)
    return amber(
        f"{line}, so mailboxes also take forged mail",
        "Once its reports show that all your mail passes, change to this record in the DNS of "
        f"{domain}:{_dmarc_record(domain, 'quarantine')}",
    )


def _links(facts: Facts) -> Finding:
    """Compare the links' domain with the sender's: a mail with two of them looks like phishing."""
    domain = _sender_domain(facts)
    host = urlsplit(facts.stage.base_url).hostname or ""
    if are_aligned(host, domain):
        return green(f"links lead to {host}, mail is from {domain}")
    return amber(
        f"links lead to {host}, but mail is from {domain}",
        f"Give the API a name of {domain}. Deploy says which DNS records it needs.",
        facts.stage.ops(f"deploy --domain hello.{domain}"),
    )


def are_aligned(domain: str, other: str, *, strict: bool = False) -> bool:
    """Return True if two domains count as one (RFC 7489, section 3.1).

    Of the list of public suffixes this knows the usual ones alone.
    """
    if strict:
        return domain.lower() == other.lower()
    return _organisation(domain) == _organisation(other)


def _organisation(domain: str) -> list[str]:
    labels = domain.lower().rstrip(".").split(".")
    is_shared = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SHARED
    return labels[-3:] if is_shared else labels[-2:]


def _is_spf(text: str) -> bool:
    return text.lower().split(" ")[0] == "v=spf1"


def _dmarc_policy(domain: str) -> tuple[str, dict[str, str]]:
    """Return the name of the record that holds for ``domain``, and its tags; none without one."""
    for owner in dict.fromkeys((domain, ".".join(_organisation(domain)))):
        name = f"_dmarc.{owner}"
        texts = [text for text in name_server.text_records(name) if _is_dmarc(text)]
        if len(texts) == 1:  # with several, there is none (RFC 7489, section 6.6.3)
            tags = (part.partition("=") for part in texts[0].split(";"))
            return name, {key.strip().lower(): value.strip().lower() for key, _, value in tags}
    return "", {}


def _is_dmarc(text: str) -> bool:
    return text.lower().replace(" ", "").startswith(_DMARC)


def _dmarc_record(domain: str, policy: str) -> str:
    return f'\n  _dmarc.{domain}  TXT  "v=DMARC1; p={policy}; rua=mailto:dmarc@{domain}"'


def _sender_domain(facts: Facts) -> str:
    if facts.stage.name == local_stage.STAGE:
        raise NotThere("not seen: a run on this machine delivers no mail")
    return facts.sender.rpartition("@")[2].lower()


def _mail_from_state(facts: Facts) -> Any:
    return facts.identity().get("MailFromAttributes", {})


_IDENTITY = ("ses:GetEmailIdentity",)

DNS = (
    Check("Delivery", "MAIL FROM", _IDENTITY, _mail_from),
    Check("Delivery", "SPF", _IDENTITY, _spf),
    Check("Delivery", "DMARC", _IDENTITY, _dmarc),
)
CHECKS = (*DNS, Check("Delivery", "Links' domain", (), _links))
