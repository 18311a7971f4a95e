"""Checks and findings. All checks run at once, and none ends another."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum

from botocore.exceptions import ClientError

from ops.doctor.facts import Facts, NotThere
from ops.doctor.http import NoAnswer
from ops.stage.aws_errors import in_plain_words, is_forbidden, is_unaccepted
from ops.stage.errors import OpsError

AT_ONCE = 12
MAX_NAMES = 3

_DENIED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:\w+)", re.IGNORECASE)


class Light(Enum):
    """A check's result: good, worth a look, broken, or nothing to see."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    GREY = "grey"


@dataclass(frozen=True)
class Finding:
    """The result of a check, its fix, and the command for that, if there is one.

    Green and grey findings need no fix.
    """

    light: Light
    text: str
    fix: str = ""
    command: str = ""


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report. ``look`` needs ``permissions`` and changes nothing."""

    group: str
    name: str
    permissions: tuple[str, ...]
    look: Callable[[Facts], Finding]


def green(text: str) -> Finding:
    return Finding(Light.GREEN, text)


def amber(text: str, fix: str, command: str = "") -> Finding:
    return Finding(Light.AMBER, text, fix, command)


def red(text: str, fix: str, command: str = "") -> Finding:
    return Finding(Light.RED, text, fix, command)


def grey(text: str) -> Finding:
    return Finding(Light.GREY, text)


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def run(checks: Sequence[Check], facts: Facts) -> Iterator[tuple[Check, Finding]]:
    """Run all checks, several at a time, and yield each as soon as it is done."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(look, check, facts): check for check in checks}
        for future in as_completed(running):
            yield running[future], future.result()


def look(check: Check, facts: Facts) -> Finding:
    """Return what the check finds, or why it could not look.

    That is red only where AWS does not answer at all: a program that reads the exit status must not
    take the stage for well.
    """
    try:
        with in_plain_words():
            return check.look(facts)
    except NotThere as absent:
        return grey(str(absent))
    except OpsError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and is_forbidden(cause):
            permission = _permission(cause, check.permissions)
            return amber(
                f"not seen: {permission} is missing",
                f"Give these credentials the permission {permission}, or use others.",
            )
        is_answered = isinstance(cause, ClientError) and not is_unaccepted(cause)
        finding = amber if is_answered or isinstance(error, NoAnswer) else red
        return finding(f"not seen: {error}", "Fix that, then run doctor again.")
    except Exception as error:  # noqa: BLE001 - a bug in one check: the others count
        return amber(
            f"not seen: {type(error).__name__} ({error})",
            "This is a bug in the doctor: please report it.",
        )


def worst(findings: Sequence[Finding]) -> Light:
    """Return red if any finding is red, else amber if any is, else green."""
    lights = [finding.light for finding in findings]
    return next((light for light in (Light.RED, Light.AMBER) if light in lights), Light.GREEN)


def _permission(error: ClientError, permissions: Sequence[str]) -> str:
    """Return the missing permission as AWS names it, or else as the check does."""
    if named := _DENIED.search(error.response["Error"].get("Message", "")):
        return named.group(1)
    operation = error.operation_name
    own = (name for name in permissions if name.endswith(f":{operation}"))
    # API Gateway's permissions are HTTP's methods, which come first in a check that needs one.
    return next(own, permissions[0])
