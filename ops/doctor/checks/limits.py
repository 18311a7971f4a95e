"""The limits of mail: the budget of a day and an hour, and the brake."""

from chalicelib.users.table import string
from ops.doctor.check import Check, Finding, amber, green, grey, red
from ops.doctor.facts import Facts, NotThere
from ops.users import limits, person

NEARLY_USED = 0.8
"""80 % of a budget."""


def _budget(facts: Facts) -> Finding:
    budgets = [limits.budget(facts.stage, setting) for setting in limits.SETTINGS]
    if None in budgets and facts.stage.cloud.endpoint:
        return grey("the local cloud has none, unless MAILS_PER_DAY and MAILS_PER_HOUR are set")
    if None in budgets:
        return amber("MAILS_PER_DAY or MAILS_PER_HOUR is not set", *facts.deploy_again)
    try:
        used = limits.used(facts.limits(), facts.now())
    except NotThere:
        return red("there is no table of limits", *facts.deploy_again)
    (day, hour), (per_day, per_hour) = used, [budget or 0 for budget in budgets]
    line = f"{day:,} of {per_day:,} mails today, {hour:,} of {per_hour:,} this hour (UTC)"
    if day >= per_day or hour >= per_hour:
        return red(line, "More mail waits. Raise the budget within SES's quota, then deploy.")
    quota = facts.account()["SendQuota"]["Max24HourSend"]
    if 0 <= quota < per_day:
        return amber(
            f"{line}; SES allows only {quota:,.0f} a day", "Lower MAILS_PER_DAY, then deploy."
        )
    if day >= NEARLY_USED * per_day or hour >= NEARLY_USED * per_hour:
        return amber(line, "Raise the budget within SES's quota, then deploy.")
    return green(line)


def _brake(facts: Facts) -> Finding:
    state = facts.limits()
    if reason := string(state, "brake"):
        since = person.moment(string(state, "brake_at"), facts.now())
        return red(
            f"on since {since}: {reason}",
            "Mail to addresses that were never validated is stopped. Find out who signs up wrong "
            "addresses. Then:",
            facts.stage.ops("mail resume"),
        )
    return green("off")


CHECKS = (
    Check("Mail", "Budget", ("dynamodb:GetItem", "ses:GetAccount"), _budget),
    Check("Mail", "Brake", ("dynamodb:GetItem",), _brake),
)
