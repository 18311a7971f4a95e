"""What a check is and what it finds; all of them made at once, none ended by another's failure."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import Enum

from botocore.exceptions import ClientError

from ops.doctor.facts import Facts, NotThere
from ops.doctor.http import NoAnswer
from ops.stage.cloud import in_plain_words, is_forbidden, is_unaccepted
from ops.stage.errors import OpsError

AT_ONCE = 12
MOST_NAMED = 3

_DENIED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:\w+)", re.IGNORECASE)


class Light(Enum):
    """How a thing is: well, to be looked after, broken; or not there to be seen."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    GREY = "grey"


@dataclass(frozen=True)
class Finding:
    """What a check saw. ``mend`` says in a sentence how to mend it, ``command`` by what, if by any.

    What is green or grey has neither.
    """

    light: Light
    said: str
    mend: str = ""
    command: str = ""


@dataclass(frozen=True)
class Check:
    """One line of the doctor's screen. ``asks`` are the permissions that ``look`` needs."""

    group: str
    name: str
    asks: tuple[str, ...]
    look: Callable[[Facts], Finding]


def green(said: str) -> Finding:
    return Finding(Light.GREEN, said)


def amber(said: str, mend: str, command: str = "") -> Finding:
    return Finding(Light.AMBER, said, mend, command)


def red(said: str, mend: str, command: str = "") -> Finding:
    return Finding(Light.RED, said, mend, command)


def grey(said: str) -> Finding:
    return Finding(Light.GREY, said)


def listed(names: Sequence[str]) -> str:
    """Names for a line: the first few, and how many more."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def make(checks: Sequence[Check], facts: Facts) -> Iterator[tuple[Check, Finding]]:
    """Make all the checks, several at a time; each is there as soon as it is made."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = {pool.submit(_made, check, facts): check for check in checks}
        for one in as_completed(made):
            yield made[one], one.result()


def worst(findings: Sequence[Finding]) -> Light:
    """Red if any is, else amber if any is, else green."""
    lights = [finding.light for finding in findings]
    return next((light for light in (Light.RED, Light.AMBER) if light in lights), Light.GREEN)


def _made(check: Check, facts: Facts) -> Finding:
    """What the check finds; or why it could not be made. That is red only where AWS cannot be asked
    at all: a program that reads the status must not take it for well."""
    try:
        with in_plain_words():
            return check.look(facts)
    except NotThere as absent:
        return grey(str(absent))
    except OpsError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and is_forbidden(cause):
            permission = _permission(cause, check.asks)
            return amber(
                f"not seen: {permission} is missing",
                f"Allow these credentials {permission}, or use ones that may.",
            )
        one_answer = isinstance(cause, ClientError) and not is_unaccepted(cause)
        finding = amber if one_answer or isinstance(error, NoAnswer) else red
        return finding(f"not seen: {error}", "Put that right, then ask again.")
    except Exception as error:  # noqa: BLE001 - a mistake of ours in one check: the others count
        return amber(
            f"not seen: {type(error).__name__} ({error})",
            "This should not happen: report it as a fault of the doctor's.",
        )


def _permission(error: ClientError, asks: Sequence[str]) -> str:
    """The permission that was missing, as AWS names it, or else as the check does."""
    if named := _DENIED.search(error.response["Error"].get("Message", "")):
        return named.group(1)
    operation = error.operation_name
    return next((one for one in asks if one.endswith(f":{operation}")), operation)
