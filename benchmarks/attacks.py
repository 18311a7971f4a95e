"""Attacks on the local cloud, and what honest people see meanwhile.

``python -m benchmarks.attacks --before COMMIT`` deploys a checkout for each row of its table, sends
the attack, and counts the mails that it caused. An honest person signs up each half second.
"""

import json
import secrets
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import altcha
import click
import urllib3

from benchmarks import name_server, packages
from benchmarks.name_server import REFUSING
from tests.e2e import limited

SCRATCH = packages.CHECKOUT / "build" / "attacks"
HONEST_EVERY = 0.5  # seconds
PATIENCE = 60.0
OWED = ("owed", "sending")

ATTACKER = "127.0.0.2"
"""Each client of a stage with a limit by client has an address of its own, as on Linux it may."""
HTTP = urllib3.PoolManager(maxsize=64, timeout=30, retries=False)


class Target(Protocol):
    """A deployed stage: the address before ``/users``, the users' table, the cloud's clients."""

    @property
    def api(self) -> str: ...

    @property
    def table(self) -> str: ...

    def client(self, service: str) -> Any: ...


@dataclass(frozen=True)
class Attack:
    """Addresses to sign up. ``rate`` is a second's; 0 for as fast as it goes."""

    name: str
    emails: Sequence[str]
    rate: float = 0
    bounces: bool = False


@dataclass(frozen=True)
class Row:
    """An attack on a stage with some gates. ``throttle`` is POST /users' rate and burst."""

    gates: str
    attack: Attack
    settings: dict[str, str] = field(default_factory=dict)
    throttle: tuple[float, int] | None = None
    is_before: bool = False
    limits_clients: bool = False
    """It is deployed with ``--per-ip-rate 30``, and has the throttle of every deploy."""


@dataclass
class Visit:
    """An honest sign-up: when it was sent, how it was answered and after how many seconds."""

    at: float
    status: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """What got through of an attack, and what honest people saw meanwhile, by their address."""

    answers: Counter[int]
    mails: int
    """How many of the attack's addresses were mailed: one mail each, as none comes twice."""
    visits: dict[str, Visit]
    waits: dict[str, float]
    """After how many seconds honest people were mailed, if they were."""

    @property
    def taken(self) -> int:
        """How many honest people were answered 202."""
        return sum(visit.status == 202 for visit in self.visits.values())


def spellings(count: int) -> Iterator[str]:
    """Yield spellings of one mailbox: tags, dots, and Gmail's other domain."""
    for number in range(count):
        dots = "".join(
            letter + "." * (number >> place & 1) for place, letter in enumerate("stranger")
        ).strip(".")
        yield f"{dots}+{number}@{('gmail.com', 'googlemail.com')[number % 2]}"


ONE_MAILBOX = Attack("1,000 spellings of one mailbox", list(spellings(1000)))
INVENTED = Attack(
    "2,000 invented addresses of refusing domains",
    [f"nobody{n}@d{n % 200}{REFUSING}" for n in range(2000)],
    rate=50,
    bounces=True,
)
ONE_CLIENT = Attack(
    "200 requests a second from one client, 30 s",
    [f"victim{n}@example.com" for n in range(6000)],
    rate=200,
)

ROWS = (
    Row("before: none", ONE_MAILBOX, is_before=True),
    Row("a mailbox is one mailbox", ONE_MAILBOX),
    Row("before: the brake", INVENTED, is_before=True),
    Row("CHECK_DOMAIN=true", INVENTED, {"CHECK_DOMAIN": "true"}),
    Row("before: 50 a second", ONE_CLIENT, throttle=(50, 100), is_before=True),
    Row("5 sign-ups a second", ONE_CLIENT, throttle=(5, 20)),
    Row("the same and --per-ip-rate 30", ONE_CLIENT, limits_clients=True),
    Row("CHALLENGE=altcha, nothing else", ONE_CLIENT, {"CHALLENGE": "altcha"}, (50, 100)),
)


@click.command()
@click.option("--before", metavar="COMMIT", required=True, help="What the first rows run.")
@click.option("--only", multiple=True, help="A part of a row's gates. May be repeated.")
def attack(before: str, only: tuple[str, ...]) -> None:
    """Attack a stage, and print what got through."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    former = SCRATCH / "before"
    if not former.exists():
        packages.checkout(before, former)
    click.echo(
        "| attack | gates | sent | taken | refused | strangers mailed "
        "| honest: taken | answer, median | slowest | mailed after |"
    )
    click.echo("|---|---|---|---|---|---|---|---|---|---|")
    for number, row in enumerate(ROWS):
        if only and not any(part in row.gates for part in only):
            continue
        state = SCRATCH / f"row{number}-{int(time.time())}"
        state.mkdir(parents=True)
        click.echo(line(row, try_out(row, former if row.is_before else packages.CHECKOUT, state)))


def try_out(row: Row, checkout: Path, state: Path) -> Result:
    """Return what a row's attack does to its stage."""
    if row.limits_clients:
        with limited.running(state) as stage:
            return run(stage, row.attack, are_apart=True)
    with name_server.running() as port, packages.deployed(checkout, state, row.settings) as stack:
        if "CHECK_DOMAIN" in row.settings:
            name_server.have_functions_ask(stack.client("lambda"), port, state)
        if row.throttle:
            throttle(stack, *row.throttle)
        return run(stack, row.attack, solves="CHALLENGE" in row.settings)


def line(row: Row, result: Result) -> str:
    """Return the table's line of one attack."""
    seconds = [visit.seconds for visit in result.visits.values()]
    waits = sorted(result.waits.values())
    after = f"{statistics.median(waits):.1f} s" if waits else "not at all"
    if len(waits) < result.taken:
        after += f", {result.taken - len(waits)} of {result.taken} not within {PATIENCE:.0f} s"
    refused = ", ".join(
        f"{n} of {status}" for status, n in sorted(result.answers.items()) if status != 202
    )
    return (
        f"| {row.attack.name} | {row.gates} | {sum(result.answers.values()):,} "
        f"| {result.answers[202]:,} | {refused or '0'} | {result.mails:,} "
        f"| {result.taken} of {len(result.visits)} "
        f"| {statistics.median(seconds) * 1000:.0f} ms | {max(seconds):.2f} s | {after} |"
    )


def run(stack: Target, attack: Attack, *, solves: bool = False, are_apart: bool = False) -> Result:
    """Return what an attack does to a stage.

    Honest people solve challenges if they must. If clients ``are_apart``, each has an IP address.
    """
    over = threading.Event()
    with ThreadPoolExecutor(40) as threads:
        honest = threads.submit(be_honest, stack, over, solves=solves, are_apart=are_apart)
        postmaster = threads.submit(bounce, stack, over) if attack.bounces else None
        answers = strike(stack, attack, threads, are_apart=are_apart)
        over.set()
        visits = honest.result()
        if postmaster:
            postmaster.result()
    waits = wait_for_mails(stack, attack, visits)
    strangers = set(attack.emails)
    mailed = (item for item in users(stack) if "message_id" in item)
    return Result(answers, sum(item["email"]["S"] in strangers for item in mailed), visits, waits)


def throttle(stack: Target, rate: float, burst: int) -> None:
    gateway = stack.client("apigateway")
    (api,) = gateway.get_rest_apis()["items"]
    gateway.update_stage(
        restApiId=api["id"],
        stageName="api",
        patchOperations=[
            {"op": "replace", "path": f"/~1users/POST/throttling/{name}", "value": str(value)}
            for name, value in (("rateLimit", rate), ("burstLimit", burst))
        ],
    )


def strike(
    stack: Target, attack: Attack, threads: ThreadPoolExecutor, *, are_apart: bool
) -> Counter[int]:
    """Send the attack, and return how many answers had each status."""
    http = connections(ATTACKER) if are_apart else HTTP
    started = time.monotonic()

    def send(number: int, email: str) -> int:
        if attack.rate:
            time.sleep(max(0.0, started + number / attack.rate - time.monotonic()))
        # An attacker may write this header as they like, so no gate may believe it.
        forged = {"X-Forwarded-For": f"203.0.113.{number % 256}"}
        return post(stack, "/users", {"email": email}, http, forged).status

    return Counter(threads.map(send, range(len(attack.emails)), attack.emails))


def be_honest(
    stack: Target, over: threading.Event, *, solves: bool, are_apart: bool
) -> dict[str, Visit]:
    """Sign up one person after the other until the attack is over."""
    visits: dict[str, Visit] = {}
    crowd = secrets.token_hex(3)
    while not over.wait(HONEST_EVERY):
        number = len(visits)
        http = connections(f"127.0.{1 + number // 250}.{1 + number % 250}") if are_apart else HTTP
        email = f"honest{number}-{crowd}@example.net"
        at, started = time.time(), time.monotonic()
        fields = {"email": email, **(solve(stack, email) if solves else {})}
        status = post(stack, "/users", fields, http).status
        visits[email] = Visit(at, status, time.monotonic() - started)
    return visits


def connections(address: str) -> urllib3.PoolManager:
    """Return the connections of a client that has an address of its own."""
    return urllib3.PoolManager(maxsize=64, timeout=30, retries=False, source_address=(address, 0))


def solve(stack: Target, email: str) -> dict[str, str]:
    challenge = altcha.Challenge.from_dict(post(stack, "/challenge", {"email": email}).json())
    solution = altcha.solve_challenge(challenge)
    return {"altcha": altcha.Payload(challenge, solution).to_base64()} if solution else {}


def bounce(stack: Target, over: threading.Event) -> None:
    """Be SES for refusing domains: report that each mail to them bounced, a second later."""
    sns = stack.client("sns")
    topics = sns.list_topics()["Topics"]
    (topic,) = [topic["TopicArn"] for topic in topics if "feedback" in topic["TopicArn"]]
    reported: set[str] = set()
    while not over.wait(0.5):
        for item in users(stack):
            email, link = item["email"]["S"], item.get("mail_link", {}).get("S", "")
            if email.endswith(REFUSING) and item["mail"]["S"] == "sent" and link not in reported:
                reported.add(link)
                event = json.dumps(bounced(email, link))
                sns.publish(
                    TopicArn=topic,
                    Message=event,
                    Subject="Amazon SES",
                    MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}},
                )


def bounced(email: str, link: str) -> dict[str, Any]:
    recipient = {"emailAddress": email, "action": "failed", "status": "5.1.2"}
    return {
        "eventType": "Bounce",
        "mail": {
            "messageId": "1",
            "destination": [email],
            "tags": {"link": [link]},
            "timestamp": "2026-11-24T12:00:00.000Z",
        },
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [recipient],
            "timestamp": "2026-11-24T12:00:00.000Z",
        },
    }


def wait_for_mails(stack: Target, attack: Attack, visits: dict[str, Visit]) -> dict[str, float]:
    """Return after how many seconds each honest person was mailed, if they were.

    Wait until nobody's mail is owed, and no longer than PATIENCE.
    """
    taken = {email for email, visit in visits.items() if visit.status == 202}
    concerned = taken | set(attack.emails)
    deadline = time.monotonic() + PATIENCE
    mailed: dict[str, float] = {}
    is_owed = True
    while is_owed and time.monotonic() < deadline:
        time.sleep(1)
        items = {item["email"]["S"]: item for item in users(stack)}
        is_owed = any(items[email]["mail"]["S"] in OWED for email in concerned & items.keys())
        for email in taken & items.keys():
            if items[email]["mail"]["S"] in ("sent", "delivered"):
                at = datetime.fromisoformat(items[email]["mail_at"]["S"].replace("Z", "+00:00"))
                mailed.setdefault(email, at.timestamp() - visits[email].at)
    return mailed


def users(stack: Target) -> list[dict[str, Any]]:
    dynamodb = stack.client("dynamodb")
    pages = dynamodb.get_paginator("scan").paginate(TableName=stack.table)
    return [item for page in pages for item in page["Items"]]


def post(
    stack: Target,
    path: str,
    fields: dict[str, str],
    http: urllib3.PoolManager = HTTP,
    headers: dict[str, str] | None = None,
) -> urllib3.BaseHTTPResponse:
    return http.request("POST", stack.api + path, json=fields, headers=headers or {})


if __name__ == "__main__":
    attack()
