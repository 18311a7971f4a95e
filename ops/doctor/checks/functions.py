"""The functions: their state, roles, settings, logs and code."""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ops.doctor import http
from ops.doctor.check import Check, Finding, amber, green, grey, listed, red
from ops.doctor.facts import Facts, NotThere
from ops.resources.functions import concurrency, event_source_mapping, function_logs
from ops.resources.functions.function_settings import matches
from ops.resources.functions.package import hex_digest
from ops.stage import commit

_PIN = re.compile(r"([\w.-]+)==(\S+)")
_DIST_INFO = re.compile(r"([^/]+)-([^/-]+)\.dist-info/.*")


def _state(facts: Facts) -> Finding:
    functions = facts.functions()
    missing = [name for name, function in functions.items() if function is None]
    if missing or not functions:
        return red(
            f"there is no {', '.join(missing)}"
            if missing
            else "this checkout knows of no function",
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
        return red("this checkout knows of no role", *facts.deploy_again)
    for name, function in facts.functions().items():
        if function and function["Configuration"]["Role"] != wanted[name]:
            role = function["Configuration"]["Role"].rpartition("/")[2]
            return red(f"{name} runs under {role}, not under its own role", *facts.deploy_again)
    iam = facts.client("iam")
    for name, role in wanted.items():
        try:
            iam.get_role(RoleName=role.rpartition("/")[2])
        except iam.exceptions.NoSuchEntityException:
            return red(f"the role of {name} is missing", *facts.deploy_again)
    return green("each function runs under its own role")


def _settings(facts: Facts) -> Finding:
    wanted = facts.settings()
    own = facts.project.own.name
    differing = sorted(
        {
            name
            for function in _present(facts).values()
            for name, value in wanted.items()
            if _environment(function).get(name) != value
        }
    )
    if differing:
        return amber(f"these differ from {own}: {listed(differing)}", *facts.deploy_again)
    return green(f"{len(wanted)}, as in {own}")


def _logs(facts: Facts) -> Finding:
    other = [
        name
        for name, function in _present(facts).items()
        if not matches(function["Configuration"].get("LoggingConfig"), function_logs.FORMAT)
    ]
    if other:
        line = f"not in the format that the metrics count: {listed(other)}"
        return amber(line, *facts.deploy_again)
    lost = function_logs.differences(facts.client("logs"), facts.project, _present(facts))
    if lost:
        return amber(f"these metrics are missing: {listed([*lost])}", *facts.deploy_again)
    return green("in JSON, with their metrics")


def _code(facts: Facts) -> Finding:
    digests = {
        name: function["Configuration"]["CodeSha256"] for name, function in _present(facts).items()
    }
    if len(set(digests.values())) > 1:
        return amber("the functions run different packages", *facts.deploy_again)
    package = _unzipped(http.get(_present(facts)[next(iter(digests))]["Code"]["Location"]).body)
    checkout = dict(_files(facts.checkout))
    source = {name: content for name, content in package.items() if _is_source(name)}
    differing = sorted(
        name for name in checkout.keys() | source if checkout.get(name) != source.get(name)
    )
    if differing:
        return amber(
            f"these files differ from this checkout: {listed(differing)}", *facts.deploy_again
        )
    pins = _pins((facts.checkout / "requirements.txt").read_text(encoding="utf-8"))
    shipped = _shipped(package)
    other = [
        f"{name} {shipped.get(name, 'is missing')}"
        for name, version in pins.items()
        if version != shipped.get(name)
    ]
    if other:
        return amber(
            f"other versions than in requirements.txt: {listed(other)}", *facts.deploy_again
        )
    digest = hex_digest(next(iter(digests.values())))
    return green(
        f"{_origin(facts, digest)}: {len(source)} files, {len(pins)} dependencies, sha256 {digest}"
    )


def _origin(facts: Facts, digest: str) -> str:
    """Return which commit the package ``digest`` is, whose files are those of the checkout."""
    here = commit.describe(facts.checkout)
    if not here or here.endswith(commit.DIRTY):
        return "as in this checkout"
    by_deploy = facts.project.package.get("sha256") == digest
    return f"commit {here}, as in this checkout" + ("" if by_deploy else ", not by deploy")


def _concurrency(facts: Facts) -> Finding:
    """Look if pages are answered while the mailer runs as often as its stream lets it."""
    room = concurrency.read(facts.client("lambda"), facts.project)
    if room.reserved == 0:
        return amber(
            concurrency.words(room, 0),
            "Take reserved_concurrency of the mailer out of the stage's settings, then deploy.",
        )
    if room.reserved:
        return green(concurrency.words(room, room.reserved))
    if facts.stage.cloud.endpoint:
        return grey("the local cloud runs no other functions")
    if concurrency.choose(room, facts.project.reserve_of(event_source_mapping.FUNCTION)):
        return amber(
            f"nothing limits the mailer: the account has {room.in_all:,} functions at once",
            *facts.deploy_again,
        )
    stream = facts.table()["LatestStreamArn"]
    shards = concurrency.open_shards(facts.client("dynamodbstreams"), stream)
    left = room.for_pages(shards, facts.account()["SendQuota"]["MaxSendRate"])
    how, words = concurrency.how_to_raise()
    finding = amber if left > 0 else red
    return finding(
        f"{concurrency.words(room, None)}: {max(left, 0)} are left for pages while each of the "
        f"stream's {shards} shards has its mailer",
        how,
        facts.stage.cloud.aws(words),
    )


def _present(facts: Facts) -> dict[str, Any]:
    functions = {name: function for name, function in facts.functions().items() if function}
    if not functions:
        raise NotThere("not seen: there are no functions")
    return functions


def _environment(function: Any) -> dict[str, str]:
    variables: dict[str, str] = (
        function["Configuration"].get("Environment", {}).get("Variables", {})
    )
    return variables


def _unzipped(package: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as files:
        return {info.filename: files.read(info) for info in files.infolist() if not info.is_dir()}


def _files(checkout: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the source files that Chalice packages."""
    yield "app.py", (checkout / "app.py").read_bytes()
    for path in (checkout / "chalicelib").rglob("*"):
        name = path.relative_to(checkout).as_posix()
        if path.is_file() and _is_source(name):
            yield name, path.read_bytes()


def _is_source(name: str) -> bool:
    """Return True for source files. Compiled ones depend on the Python that compiled them."""
    return name == "app.py" or (name.startswith("chalicelib/") and not name.endswith(".pyc"))


def _pins(requirements: str) -> dict[str, str]:
    return {_normal(pin[1]): pin[2] for pin in _PIN.finditer(requirements)}


def _shipped(package: Iterable[str]) -> dict[str, str]:
    """Return the versions of the dependencies in a package."""
    matches = filter(None, map(_DIST_INFO.fullmatch, package))
    return {_normal(match[1]): match[2] for match in matches}


def _normal(name: str) -> str:
    """Return the name in the form in which packages are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


_FUNCTION = ("lambda:GetFunction",)

CHECKS = (
    Check("Functions", "State", _FUNCTION, _state),
    Check("Functions", "Roles", (*_FUNCTION, "iam:GetRole"), _roles),
    Check("Functions", "Settings", (*_FUNCTION, "ssm:GetParameters"), _settings),
    Check("Functions", "Logs", (*_FUNCTION, "logs:DescribeMetricFilters"), _logs),
    Check(
        "Functions",
        "Concurrency",
        (
            "lambda:GetAccountSettings",
            "lambda:GetFunctionConcurrency",
            "dynamodb:DescribeStream",
            "dynamodb:DescribeTable",
            "ses:GetAccount",
        ),
        _concurrency,
    ),
    Check("Functions", "Code", _FUNCTION, _code),
)
