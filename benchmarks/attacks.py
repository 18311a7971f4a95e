"""Attacks on the local cloud, and what honest people see meanwhile.

``python -m benchmarks.attacks --before COMMIT`` deploys a checkout for each row of its table, sends
the attack, and counts the mails that it caused. An honest person signs up each half second. As
root, since the attack on refusing domains needs a name server of its own.
"""

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import altcha
import boto3
import click
import urllib3

from benchmarks import name_server, packages
from benchmarks.name_server import REFUSING
from benchmarks.packages import Deployed

SCRATCH = packages.CHECKOUT / "build" / "attacks"
HONEST_EVERY = 0.5  # seconds
PATIENCE = 60.0

HTTP = urllib3.PoolManager(maxsize=64, timeout=30, retries=False)


@dataclass(frozen=True)
class Attack:
    """Addresses to sign up. ``rate`` is a second's; 0 for as fast as it goes."""

    name: str
    emails: Sequence[str]
    rate: float = 0
    bounces: bool = False
    gives_up_after: float = 0
    """The seconds after which AWS WAF would refuse all of it; 0 for never."""


@dataclass(frozen=True)
class Row:
    """An attack on a stage with some gates. ``throttle`` is POST /users' rate and burst."""

    gates: str
    attack: Attack
    settings: dict[str, str] = field(default_factory=dict)
    throttle: tuple[float, int] | None = None
    is_before: bool = False


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
BEHIND_WAF = Attack(ONE_CLIENT.name, ONE_CLIENT.emails, rate=200, gives_up_after=10)

ROWS = (
    Row("before: none", ONE_MAILBOX, is_before=True),
    Row("a mailbox is one mailbox", ONE_MAILBOX),
    Row("before: the brake", INVENTED, is_before=True),
    Row("CHECK_DOMAIN=true", INVENTED, {"CHECK_DOMAIN": "true"}),
    Row("before: 50 a second", ONE_CLIENT, throttle=(50, 100), is_before=True),
    Row("5 sign-ups a second", ONE_CLIENT, throttle=(5, 20)),
    Row("… and --per-ip-rate, modelled", BEHIND_WAF, throttle=(5, 20)),
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
    with name_server.running():
        for number, row in enumerate(ROWS):
            if only and not any(part in row.gates for part in only):
                continue
            checkout = former if row.is_before else packages.CHECKOUT
            state = SCRATCH / f"row{number}-{int(time.time())}"
            state.mkdir(parents=True)
            alone = name_server.seen_by_one(state)
            with packages.deployed(checkout, state, row.settings, alone) as stack:
                click.echo(run(stack, row))


def run(stack: Deployed, row: Row) -> str:
    """Return the table's line of one attack."""
    if row.throttle:
        throttle(stack, *row.throttle)
    over = threading.Event()
    with ThreadPoolExecutor(40) as threads:
        honest = threads.submit(be_honest, stack, "CHALLENGE" in row.settings, over)
        postmaster = threads.submit(bounce, stack, over) if row.attack.bounces else None
        answers = strike(stack, row.attack, threads)
        over.set()
        visits = honest.result()
        if postmaster:
            postmaster.result()
    mailed = wait_for_mails(stack, visits)
    items = users(stack)
    strangers = set(row.attack.emails)
    # An address gets one mail at most here: nobody signs up twice within a minute.
    mails = sum("message_id" in item and item["email"]["S"] in strangers for item in items)
    taken = [visit for visit in visits.values() if visit.status == 202]
    seconds = [visit.seconds for visit in visits.values()]
    waits = sorted(mailed.values())
    after = f"{statistics.median(waits):.1f} s" if waits else "not at all"
    if len(waits) < len(taken):
        after += f", {len(taken) - len(waits)} of {len(taken)} not within {PATIENCE:.0f} s"
    refused = ", ".join(
        f"{n} of {status}" for status, n in sorted(answers.items()) if status != 202
    )
    return (
        f"| {row.attack.name} | {row.gates} | {sum(answers.values()):,} | {answers[202]:,} "
        f"| {refused or '0'} | {mails:,} | {len(taken)} of {len(visits)} "
        f"| {statistics.median(seconds) * 1000:.0f} ms | {max(seconds):.2f} s | {after} |"
    )


def throttle(stack: Deployed, rate: float, burst: int) -> None:
    gateway = boto3.client("apigateway", **stack.credentials)  # type: ignore[call-overload]
    (api,) = gateway.get_rest_apis()["items"]
    gateway.update_stage(
        restApiId=api["id"],
        stageName="api",
        patchOperations=[
            {"op": "replace", "path": f"/~1users/POST/throttling/{name}", "value": str(value)}
            for name, value in (("rateLimit", rate), ("burstLimit", burst))
        ],
    )


def strike(stack: Deployed, attack: Attack, threads: ThreadPoolExecutor) -> Counter[int]:
    """Send the attack, and return how many answers had each status."""
    started = time.monotonic()

    def send(number: int, email: str) -> int:
        if attack.rate:
            time.sleep(max(0.0, started + number / attack.rate - time.monotonic()))
        if attack.gives_up_after and time.monotonic() - started > attack.gives_up_after:
            return 429  # AWS WAF answers, and the API never sees it
        return post(stack, "/users", {"email": email}).status

    return Counter(threads.map(send, range(len(attack.emails)), attack.emails))


@dataclass
class Visit:
    """An honest sign-up: when it was sent, how it was answered and after how many seconds."""

    at: float
    status: int
    seconds: float


def be_honest(stack: Deployed, solves: bool, over: threading.Event) -> dict[str, Visit]:
    """Sign up one person after the other until the attack is over."""
    visits: dict[str, Visit] = {}
    while not over.wait(HONEST_EVERY):
        email = f"honest{len(visits)}@example.net"
        at, started = time.time(), time.monotonic()
        fields = {"email": email, **(solve(stack, email) if solves else {})}
        status = post(stack, "/users", fields).status
        visits[email] = Visit(at, status, time.monotonic() - started)
    return visits


def solve(stack: Deployed, email: str) -> dict[str, str]:
    challenge = altcha.Challenge.from_dict(post(stack, "/challenge", {"email": email}).json())
    solution = altcha.solve_challenge(challenge)
    return {"altcha": altcha.Payload(challenge, solution).to_base64()} if solution else {}


def bounce(stack: Deployed, over: threading.Event) -> None:
    """Be SES for refusing domains: report that each mail to them bounced, a second later."""
    clients: dict[str, Any] = {
        name: boto3.client(name, **stack.credentials)  # type: ignore[call-overload]
        for name in ("sns", "dynamodb")
    }
    topics = clients["sns"].list_topics()["Topics"]
    (topic,) = [topic["TopicArn"] for topic in topics if "feedback" in topic["TopicArn"]]
    reported: set[str] = set()
    while not over.wait(0.5):
        for item in users(stack):
            email, link = item["email"]["S"], item.get("mail_link", {}).get("S", "")
            if email.endswith(REFUSING) and item["mail"]["S"] == "sent" and link not in reported:
                reported.add(link)
                event = json.dumps(bounced(email, link))
                clients["sns"].publish(
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


def wait_for_mails(stack: Deployed, visits: dict[str, Visit]) -> dict[str, float]:
    """Return after how many seconds each honest person was mailed, if they were."""
    taken = {email for email, visit in visits.items() if visit.status == 202}
    deadline = time.monotonic() + PATIENCE
    mailed: dict[str, float] = {}
    while taken - mailed.keys() and time.monotonic() < deadline:
        for item in users(stack):
            email = item["email"]["S"]
            if email in taken and item["mail"]["S"] in ("sent", "delivered"):
                at = datetime.fromisoformat(item["mail_at"]["S"].replace("Z", "+00:00"))
                mailed[email] = at.timestamp() - visits[email].at
        time.sleep(1)
    return mailed


def users(stack: Deployed) -> list[dict[str, Any]]:
    dynamodb = boto3.client("dynamodb", **stack.credentials)  # type: ignore[call-overload]
    pages = dynamodb.get_paginator("scan").paginate(TableName=stack.table)
    return [item for page in pages for item in page["Items"]]


def post(stack: Deployed, path: str, fields: dict[str, str]) -> urllib3.BaseHTTPResponse:
    return HTTP.request("POST", stack.api + path, json=fields)


if __name__ == "__main__":
    attack()
