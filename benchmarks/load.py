"""Sign-ups without a pause, by locust, on the local cloud.

Measures how soon they are answered and mailed, beside a bare Chalice app that is deployed there
too.
"""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3

from benchmarks import events
from benchmarks.contest import OURS, Result, once
from benchmarks.functions import CHALICE
from benchmarks.packages import CHECKOUT, Deployed

VISITORS = 8
WARM_UP = 5  # seconds
PATIENCE = 120.0


def under_load(stack: Deployed, folder: Path, seconds: int) -> Iterator[Result]:
    """Both apps under the same load, one after the other; the last result is how many mails were
    lost, as far as the items tell. Raises SystemExit if a sign-up fails, or nobody is mailed."""
    folder.mkdir(parents=True, exist_ok=True)
    bare = _deploy_bare(stack, folder)
    for api in (bare, stack.api):  # functions have started by the time that counts
        _locust(api, folder / "first", WARM_UP)
    theirs, _ = _locust(bare, folder / "bare", seconds)
    started = time.time()
    ours, accepted = _locust(stack.api, folder / "ours", seconds)
    for measure, column in (("median", "50%"), ("95 of 100", "95%"), ("99 of 100", "99%")):
        yield Result("Under load", f"answer, {measure}", "ms", once(_figures(ours, theirs, column)))
    rate = {OURS: float(ours["Requests/s"]), CHALICE: float(theirs["Requests/s"])}
    yield Result("Under load", "sign-ups", "a second", once(rate), "more", CHALICE)
    mailed = _wait_until_mailed(stack, accepted)
    if not mailed:
        raise SystemExit(f"{len(accepted)} signed up, and nobody was mailed")
    waits = sorted(at - signed_up for signed_up, at in mailed.values())
    mails = len(mailed) / (max(at for _, at in mailed.values()) - started)
    yield Result("Under load", "mails", "a second", once({OURS: mails}))
    for measure, part in (("median", 0.5), ("95 of 100", 0.95)):
        wait = {OURS: waits[int(len(waits) * part)]}
        yield Result("Under load", f"sign-up to mail, {measure}", "s", once(wait))
    lost = len(accepted - mailed.keys())
    yield Result(
        "Under load", f"lost of {len(accepted)}", "mails", once({OURS: lost}), "less", "", 0
    )


def _figures(ours: dict[str, str], theirs: dict[str, str], column: str) -> dict[str, float]:
    return {OURS: float(ours[column]), CHALICE: float(theirs[column])}


def _locust(host: str, prefix: Path, seconds: int) -> tuple[dict[str, str], set[str]]:
    """Locust's own figures for all requests, and who was accepted."""
    accepted = prefix.with_suffix(".accepted")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("visitor.py"))),
            *("--headless", "--users", str(VISITORS), "--spawn-rate", str(VISITORS)),
            *("--run-time", f"{seconds}s", "--host", host, "--csv", str(prefix)),
            *("--stop-timeout", "30", "--only-summary", "--loglevel", "WARNING"),
        ],
        env={**os.environ, "ACCEPTED": str(accepted)},
        capture_output=True,
        text=True,
        check=False,
    )
    with prefix.with_name(f"{prefix.name}_stats.csv").open(encoding="utf-8") as stats:
        total = next(row for row in csv.DictReader(stats) if row["Name"] == "Aggregated")
    if done.returncode or int(total["Failure Count"]):
        raise SystemExit(f"{total['Failure Count']} sign-ups failed:\n{done.stderr[-2000:]}")
    return total, set(accepted.read_text(encoding="utf-8").split())


def _wait_until_mailed(stack: Deployed, accepted: set[str]) -> dict[str, tuple[float, float]]:
    """Return when each user was signed up and mailed.

    Give up once no mail has come for PATIENCE.
    """
    deadline = time.monotonic() + PATIENCE
    mailed: dict[str, tuple[float, float]] = {}
    while len(mailed) < len(accepted) and time.monotonic() < deadline:
        found_mails = {
            item["email"]["S"]: (_epoch(item["created_at"]["S"]), _epoch(item["mail_at"]["S"]))
            for item in _items(stack)
            if item["mail"]["S"] in ("sent", "delivered") and item["email"]["S"] in accepted
        }
        if len(found_mails) > len(mailed):
            deadline = time.monotonic() + PATIENCE
        mailed = found_mails
        time.sleep(1)
    return mailed


def _items(stack: Deployed) -> Iterator[dict[str, Any]]:
    client = boto3.client("dynamodb", **stack.credentials)
    for page in client.get_paginator("scan").paginate(TableName=stack.table):
        yield from page["Items"]


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def _deploy_bare(stack: Deployed, folder: Path) -> str:
    """Return the address of a bare Chalice app, deployed as ours is.

    It has a process of its own, which can reach no other cloud.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(stack.state / "stack.json"), str(folder / "project")],
        cwd=CHECKOUT,
        env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


def _deploy(described: Path, folder: Path) -> None:
    from ops.resources.api import rest_api
    from ops.resources.functions import chalice_deployer
    from ops.stage.local_cloud import Keys, connect
    from ops.stage.project import Project

    source = Path(__file__).parent / "contestants" / "chalice_bare.py"
    config = {
        "version": "2.0",
        "app_name": "bare",
        "api_gateway_endpoint_type": "REGIONAL",
        "minimum_compression_size": 1024,
        "manage_iam_role": False,
        "iam_role_arn": "arn:aws:iam::000000000000:role/bare",
        "lambda_memory_size": 512,
        "environment_variables": events.SETTINGS,  # for the answers that a deploy gives each API
        "stages": {"local": {}},
    }
    (folder / ".chalice").mkdir(parents=True)
    (folder / ".chalice" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "app.py").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "requirements.txt").touch()
    stack = json.loads(described.read_text(encoding="utf-8"))
    cloud = connect(stack["aws"], Keys(stack["access_key"], stack["secret_key"]))
    cloud.session.client("dynamodb").create_table(
        TableName="users",
        KeySchema=[{"AttributeName": "email", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "email", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    project = Project(folder, "local")
    api = rest_api.ensure(cloud.session.client("apigateway"), project, lambda _: None)
    address = cloud.address(api, project.api_stage)
    chalice_deployer.deploy(cloud, project, "", lambda _: None)
    print(address)


if __name__ == "__main__":
    _deploy(Path(sys.argv[1]), Path(sys.argv[2]))
