"""The functions: there, under their roles, with the stage's settings and this checkout's code."""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ops.deployment import function_logs
from ops.deployment.function_settings import holds
from ops.doctor import http
from ops.doctor.check import Check, Finding, amber, green, listed, red
from ops.doctor.facts import Facts, NotThere

_PIN = re.compile(r"([\w.-]+)==(\S+)")
_DIST_INFO = re.compile(r"([^/]+)-([^/-]+)\.dist-info/.*")


def _state(facts: Facts) -> Finding:
    functions = facts.functions()
    missing = [name for name, function in functions.items() if function is None]
    if missing or not functions:
        return red(
            f"there is no {', '.join(missing)}" if missing else "config.json names none",
            *facts.deploy_again,
        )
    states = {name: function["Configuration"] for name, function in functions.items()}
    broken = [
        name
        for name, state in states.items()
        if state.get("State") == "Failed"  # one that is Inactive starts when it is called
        or state.get("LastUpdateStatus") == "Failed"
    ]
    if broken:
        return red(f"Lambda could not start {', '.join(broken)}", *facts.deploy_again)
    runtimes = sorted({state["Runtime"] for state in states.values()})
    deployed = max(state["LastModified"] for state in states.values())[:16].replace("T", " ")
    return green(f"{len(states)}, {', '.join(runtimes)}, last changed {deployed}")


def _roles(facts: Facts) -> Finding:
    wanted = facts.project.roles
    if not wanted:
        return red("config.json records none", *facts.deploy_again)
    for name, function in facts.functions().items():
        if function and function["Configuration"]["Role"] != wanted[name]:
            role = function["Configuration"]["Role"].rpartition("/")[2]
            return red(f"{name} runs under {role}, not its own", *facts.deploy_again)
    iam = facts.client("iam")
    for name, role in wanted.items():
        try:
            iam.get_role(RoleName=role.rpartition("/")[2])
        except iam.exceptions.NoSuchEntityException:
            return red(f"the role of {name} is gone", *facts.deploy_again)
    return green("each function runs under its own")


def _settings(facts: Facts) -> Finding:
    wanted = facts.project.environment
    differing = sorted(
        {
            name
            for function in _present(facts).values()
            for name, value in wanted.items()
            if _environment(function).get(name) != value
        }
    )
    if differing:
        return amber(f"not config.json's: {listed(differing)}", *facts.deploy_again)
    return green(f"config.json's, {len(wanted)} of them")


def _logs(facts: Facts) -> Finding:
    other = [
        name
        for name, function in _present(facts).items()
        if not holds(function["Configuration"].get("LoggingConfig"), function_logs.FORMAT)
    ]
    if other:
        said = f"not as what is counted from them needs it: {listed(other)}"
        return amber(said, *facts.deploy_again)
    lost = function_logs.uncounted(facts.client("logs"), facts.project, _present(facts))
    if lost:
        return amber(f"not all counted: {listed([*lost])} missing", *facts.deploy_again)
    return green("in JSON, and counted")


def _code(facts: Facts) -> Finding:
    digests = {
        name: function["Configuration"]["CodeSha256"] for name, function in _present(facts).items()
    }
    if len(set(digests.values())) > 1:
        return amber("the functions run different packages", *facts.deploy_again)
    package = _unzipped(http.get(_present(facts)[next(iter(digests))]["Code"]["Location"]).body)
    checkout = dict(_files(facts.checkout))
    ours = {name: content for name, content in package.items() if _is_ours(name)}
    differing = sorted(
        name for name in checkout.keys() | ours if checkout.get(name) != ours.get(name)
    )
    if differing:
        return amber(f"not this checkout's: {listed(differing)}", *facts.deploy_again)
    pins = _pins((facts.checkout / "requirements.txt").read_text(encoding="utf-8"))
    shipped = _shipped(package)
    other = [
        f"{name} {shipped.get(name, 'is missing')}"
        for name, version in pins.items()
        if version != shipped.get(name)
    ]
    if other:
        return amber(f"not what requirements.txt says: {listed(other)}", *facts.deploy_again)
    return green(f"this checkout's: {len(ours)} files, {len(pins)} dependencies")


def _present(facts: Facts) -> dict[str, Any]:
    found = {name: function for name, function in facts.functions().items() if function}
    if not found:
        raise NotThere("not seen: there are no functions")
    return found


def _environment(function: Any) -> dict[str, str]:
    found: dict[str, str] = function["Configuration"].get("Environment", {}).get("Variables", {})
    return found


def _unzipped(package: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as files:
        return {one.filename: files.read(one) for one in files.infolist() if not one.is_dir()}


def _files(checkout: Path) -> Iterator[tuple[str, bytes]]:
    """What Chalice packages of ours."""
    yield "app.py", (checkout / "app.py").read_bytes()
    for path in (checkout / "chalicelib").rglob("*"):
        name = path.relative_to(checkout).as_posix()
        if path.is_file() and _is_ours(name):
            yield name, path.read_bytes()


def _is_ours(name: str) -> bool:
    """Whether it is source of ours. Compiled files depend on who compiled them."""
    return name == "app.py" or (name.startswith("chalicelib/") and not name.endswith(".pyc"))


def _pins(requirements: str) -> dict[str, str]:
    return {_normal(found[1]): found[2] for found in _PIN.finditer(requirements)}


def _shipped(package: Iterable[str]) -> dict[str, str]:
    """The versions of the dependencies that are in a package."""
    found = filter(None, map(_DIST_INFO.fullmatch, package))
    return {_normal(one[1]): one[2] for one in found}


def _normal(name: str) -> str:
    """As packages are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


_ASKS = ("lambda:GetFunction",)

CHECKS = (
    Check("Functions", "State", _ASKS, _state),
    Check("Functions", "Roles", (*_ASKS, "iam:GetRole"), _roles),
    Check("Functions", "Settings", _ASKS, _settings),
    Check("Functions", "Logs", (*_ASKS, "logs:DescribeMetricFilters"), _logs),
    Check("Functions", "Code", _ASKS, _code),
)
