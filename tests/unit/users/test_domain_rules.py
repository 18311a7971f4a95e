"""Domain rules: who may sign up, and what the rules cost where there are none."""

import sys

import pytest

from chalicelib.users.domain_rules import ANYBODY, DomainRules

ACME = frozenset(("acme.org", "acme.co.uk"))


@pytest.mark.parametrize(
    ("rules", "email", "may"),
    [
        (ANYBODY, "ada@mailinator.com", True),
        (DomainRules(allowed=ACME), "ada@acme.org", True),
        (DomainRules(allowed=ACME), "ada@mail.acme.co.uk", True),
        (DomainRules(allowed=ACME), "ada@notacme.org", False),
        (DomainRules(allowed=ACME), "ada@acme.org.example.com", False),
        (DomainRules(refused=ACME), "ada@acme.org", False),
        (DomainRules(refused=ACME), "ada@a.b.acme.org", False),
        (DomainRules(refused=ACME), "ada@example.org", True),
        (DomainRules(ACME, frozenset(("old.acme.org",))), "ada@old.acme.org", False),
        (DomainRules(ACME, frozenset(("old.acme.org",))), "ada@new.acme.org", True),
        (DomainRules(refuse_disposable=True), "ada@mailinator.com", False),
        (DomainRules(refuse_disposable=True), "ada@x.mailinator.com", False),
        (DomainRules(refuse_disposable=True), "ada@gmail.com", True),
        (DomainRules(refuse_disposable=True), "ada@example.org", True),
    ],
)
def test_a_rule_holds_for_a_domain_and_those_below_it(
    rules: DomainRules, email: str, may: bool
) -> None:
    assert rules.may_sign_up(email) is may


def test_the_list_is_loaded_only_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "disposable_email_domains", None)
    assert DomainRules(refused=ACME).may_sign_up("ada@mailinator.com")
    with pytest.raises(ImportError):
        DomainRules(refuse_disposable=True).may_sign_up("ada@mailinator.com")
