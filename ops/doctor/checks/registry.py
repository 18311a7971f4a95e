"""All the checks, in the order of the screen, and the permissions that they need together."""

from ops.doctor.check import Check
from ops.doctor.checks import account, alarms, api, functions, mail, stack, stream, table

CHECKS: tuple[Check, ...] = (
    *account.CHECKS,
    *stack.CHECKS,
    *functions.CHECKS,
    *stream.CHECKS,
    *mail.CHECKS,
    *api.CHECKS,
    *table.CHECKS,
    *alarms.CHECKS,
)
PERMISSIONS = tuple(sorted({one for check in CHECKS for one in check.asks}))
