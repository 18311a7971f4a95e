"""The operator's rules for the domains of addresses that may sign up."""

from typing import NamedTuple

from chalicelib.settings import Settings
from chalicelib.users import domain_typo


class DomainRules(NamedTuple):
    """The domains that may and may not sign up. A domain includes its subdomains.

    ``allowed``: only these may; if empty, all may. ``refused``: these may not. With
    ``refuse_disposable``, providers of throw-away addresses may not either.
    """

    allowed: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    refuse_disposable: bool = False

    @classmethod
    def of(cls, stage: Settings) -> "DomainRules":
        """Return the rules of a stage."""
        return cls(stage.allowed_domains, stage.refused_domains, stage.refuses_disposable)

    def may_sign_up(self, email: str) -> bool:
        """Return True if the rules let a canonical address sign up."""
        if not (self.allowed or self.refused or self.refuse_disposable):
            return True
        domains = _with_parents(email.rpartition("@")[2])
        if self.allowed and self.allowed.isdisjoint(domains):
            return False
        if not self.refused.isdisjoint(domains):
            return False
        return not (self.refuse_disposable and _is_disposable(domains))

    def suggest(self, email: str) -> str:
        """Return the address that the user probably meant, if it may sign up; empty otherwise."""
        meant = domain_typo.suggest(email)
        return meant if meant and self.may_sign_up(meant) else ""


ANYBODY = DomainRules()


def _is_disposable(domains: list[str]) -> bool:
    # Not at the top: 10,000 domains take 10 ms, and only some stages ask.
    from disposable_email_domains import blocklist

    return not blocklist.isdisjoint(domains)


def _with_parents(domain: str) -> list[str]:
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]
