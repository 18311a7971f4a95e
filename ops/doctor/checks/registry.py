"""All checks in the order of the report, and the permissions that they need."""

from ops.doctor.check import Check
from ops.doctor.checks import (
    account,
    alarms,
    api,
    delivery,
    functions,
    limits,
    mail,
    stack,
    stream,
    table,
)

CHECKS: tuple[Check, ...] = (
    *account.CHECKS,
    *stack.CHECKS,
    *functions.CHECKS,
    *stream.CHECKS,
    *mail.CHECKS,
    *limits.CHECKS,
    *delivery.CHECKS,
    *api.CHECKS,
    *table.CHECKS,
    *alarms.CHECKS,
)
PERMISSIONS = tuple(sorted({name for check in CHECKS for name in check.permissions}))
