"""Faults of real processes and connections: functions killed and cut off."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count as numbers
from typing import Any

import pytest
import urllib3

from chalicelib.users.moments import iso
from ops.run.mail_events import events
from tests.e2e import test_feedback as feedback
from tests.e2e.proxy import Proxy, Trouble, hangs, resets, says
from tests.e2e.stack import Stack, running, wait_for
from tests.support.faults import LATEST_EVENT, Row, count, report

SIGN_UPS = int(os.environ.get("SIGN_UPS", "100"))
SPELLINGS = 1000
CONNECTIONS = 50
MAILS_BETWEEN_KILLS = 25
SENDERS = ("send_validation_mail", "resend_owed_mail")
TIME_TO_RECOVER = 90.0
SHORT_LEASE = timedelta(seconds=10)
"""Longer than the client's time-out for SES; the real one is 5 minutes."""
LONG_AGO = {"S": "2020-01-01T00:00:00.000000Z"}
NOT_SO_LONG_AGO = {"S": "2020-01-02T00:00:00.000000Z"}


@dataclass
class Outpost:
    """A stack whose functions reach SES and DynamoDB through proxies only."""

    stack: Stack
    ses: Proxy
    dynamodb: Proxy
    rows: list[Row] = field(default_factory=list)
    runs: Any = field(default_factory=numbers)
    events: list[threading.Timer] = field(default_factory=list)

    def report(self, mail: dict[str, Any]) -> None:
        """Publish SES's events about a mail that it took, each after a delay of its own."""
        for event in events(mail, "0100", datetime.now(timezone.utc)):
            delay = random.uniform(0, LATEST_EVENT)  # noqa: S311 - nothing secret
            timer = threading.Timer(delay, feedback.report, (self.stack, event))
            timer.daemon = True
            timer.start()
            self.events.append(timer)

    def end_events(self) -> None:
        """Publish no event any more: the stack is about to end."""
        for timer in self.events:
            timer.cancel()
        for timer in self.events:
            timer.join()

    def sign_up(self, *emails: str) -> None:
        """Have them all sign up, many at the same time. Who is not answered 202 tries again."""

        def accepted(email: str) -> bool:
            with suppress(urllib3.exceptions.HTTPError):  # no answer, on a busy machine
                status = self.stack.post("/users", {"email": email, "nom": "GÜNST HORN"}).status
                assert status in (202, 429, 502, 503, 504)  # 502, 504: a function without a turn
                return status == 202
            return False

        def sign_up(email: str) -> None:
            wait_for(lambda: accepted(email), 2 * TIME_TO_RECOVER, "a sign-up is accepted")

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(sign_up, emails))

    def put(self, *emails: str) -> None:
        """Have another program put them all in one request, so that they come in one batch."""
        items = [{"PutRequest": {"Item": {"email": {"S": email}}}} for email in emails]
        self.stack.client("dynamodb").batch_write_item(RequestItems={self.stack.table: items})

    def mailed(self, *emails: str) -> list[str]:
        """To whom SES took a mail, once for each mail."""
        to = [mail["Destination"]["ToAddresses"][0] for mail in list(self.ses.passed)]
        return [email for email in to if email in emails]

    def tried(self, email: str) -> int:
        """Count the claims of a mail."""
        updates = [each for each in list(self.dynamodb.passed) if "UpdateExpression" in each]
        claims = [each for each in updates if "mail_link = :link" in each["UpdateExpression"]]
        return [each["Key"]["email"]["S"] for each in claims].count(email)

    def items(self, *states: str) -> list[dict[str, Any]]:
        """Return the items whose mail is in one of ``states``."""
        scan = self.stack.client("dynamodb").get_paginator("scan")
        pages = scan.paginate(TableName=self.stack.table, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"]]
        return [item for item in items if item.get("mail", {}).get("S") in states]

    def delivered(self) -> set[str]:
        return {item["email"]["S"] for item in self.items("delivered")}

    def wait_until_delivered(self, *emails: str) -> None:
        wait_for(lambda: self.delivered() >= set(emails), TIME_TO_RECOVER, "all is delivered")

    def recover(self, *emails: str) -> None:
        """Run the drain with a short lease until SES has delivered every mail."""

        def is_over() -> bool:
            if self.delivered() >= set(emails):
                return True
            self.end_leases()
            self.end_lock()
            with suppress(AssertionError):  # a run that fails on a busy machine is made up for
                feedback.drain(self.stack, f"run{next(self.runs)}")
            return False

        wait_for(is_over, TIME_TO_RECOVER + len(emails), "all is delivered")

    def end_leases(self) -> None:
        """Age mails that are owed or in doubt for SHORT_LEASE, unless something changes them.

        A mail that SES took is left alone: its event is on its way, and arrives within a real lease
        however busy this machine is.
        """
        taken = {mail["EmailTags"][0]["Value"] for mail in list(self.ses.passed)}
        ended = iso(datetime.now(timezone.utc) - SHORT_LEASE)
        dynamodb = self.stack.client("dynamodb")
        for item in self.items("owed", "sending"):
            if item["mail"]["S"] == "sending" and item["mail_link"]["S"] in taken:
                continue
            with suppress(dynamodb.exceptions.ConditionalCheckFailedException):
                dynamodb.update_item(
                    TableName=self.stack.table,
                    Key={"email": item["email"]},
                    UpdateExpression="SET mail_at = :mail_at, owed_at = :owed_at",
                    ConditionExpression="mail = :mail AND mail_at = :seen AND mail_at <= :ended",
                    ExpressionAttributeValues={
                        ":mail": item["mail"],
                        ":seen": item["mail_at"],
                        ":ended": {"S": ended},
                        ":mail_at": NOT_SO_LONG_AGO,
                        ":owed_at": LONG_AGO,
                    },
                )

    def end_lock(self) -> None:
        """Take the lock from a drain that may have been killed. The real one ends in 130 s."""
        self.stack.client("dynamodb").delete_item(
            TableName=self.stack.table.removesuffix("users") + "limits",
            Key={"name": {"S": "drain"}},
        )

    def conclude(self, fault: str, tried: int, *emails: str) -> Row:
        """Add a row to the table: everybody has one mail, and the link in it works."""
        row = count(fault, tried, dict.fromkeys(emails, 1), self.mailed(*emails))
        self.rows.append(row)
        assert (row.lost, row.doubled) == (0, 0)
        for mail in list(self.ses.passed):
            if mail["Destination"]["ToAddresses"][0] in emails:
                text = mail["Content"]["Simple"]["Body"]["Text"]["Data"]
                link = re.search(r"http://\S+", text)
                assert link
                assert self.stack.open(link.group()).status == 200
        return row

    def kill_a_sender(self) -> bool:
        """Kill the process of the mailer or of the drain, if there is one just now."""
        listed = subprocess.run(
            ["ps", "-wweo", "pid=,args="], capture_output=True, text=True, check=True
        ).stdout
        for pid, command in (line.split(maxsplit=1) for line in listed.splitlines()):
            # The local cloud keeps a function's process in a folder named after the function.
            is_ours = str(self.stack.folder) in command
            if is_ours and any(function in command for function in SENDERS):
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
                    return True
        return False


@pytest.fixture(scope="module")
def shared_outpost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outpost]:
    ses, dynamodb = Proxy(), Proxy()
    settings = (
        *("--set", f"AWS_ENDPOINT_URL_SESV2={ses.endpoint}"),
        *("--set", f"AWS_ENDPOINT_URL_DYNAMODB={dynamodb.endpoint}"),
    )
    try:
        with running(tmp_path_factory.mktemp("outpost"), *settings) as stack:
            ses.target = dynamodb.target = stack.aws
            outpost = Outpost(stack, ses, dynamodb)
            feedback.ask_for_events(stack, Enabled=False)  # the proxy's are the only ones
            ses.on_passed = outpost.report
            yield outpost
            outpost.end_events()
            sys.stdout.write("\n" + report("faults-of-processes.txt", outpost.rows))
    finally:
        ses.close()
        dynamodb.close()


@pytest.fixture
def outpost(shared_outpost: Outpost) -> Outpost:
    """All is well, and nothing is on its way."""
    shared_outpost.ses.troubles.clear()
    shared_outpost.dynamodb.troubles.clear()
    return shared_outpost


def people(what: str, number: int) -> list[str]:
    return [f"{what}{n}@example.org" for n in range(number)]


def test_mails_wait_until_ses_can_be_reached(outpost: Outpost) -> None:
    waiting = people("waiting", 5)
    with outpost.ses.down():
        outpost.sign_up(*waiting)
        released = "mail_error"
        wait_for(
            lambda: sum(released in item for item in outpost.items("owed")) == len(waiting),
            TIME_TO_RECOVER,
            "all claims are released",
        )
    outpost.recover(*waiting)
    outpost.conclude("connection to SES refused", sum(map(outpost.tried, waiting)), *waiting)


def test_trouble_with_some_mails_does_not_touch_others(outpost: Outpost) -> None:
    """What SES or DynamoDB does to one mail of a batch concerns that mail alone."""
    at_ses = {
        "SES answers 503": Trouble(says(503, "ServiceUnavailable"), times=1),
        "reset before SES took it": Trouble(resets, times=1),
        "reset after SES took it": Trouble(resets, times=1, arrives=True),
        "SES hangs": Trouble(hangs, times=1),
        "SES took it and hangs": Trouble(hangs, times=1, arrives=True),
    }
    at_dynamodb = {
        "DynamoDB answers 500 at claim": Trouble(says(500, "InternalServerError"), times=3),
        "DynamoDB throttled at sent": Trouble(says(400, "ThrottlingException"), times=5),
        "DynamoDB reset at sent": Trouble(resets, times=3),
        "DynamoDB reset once sent is written": Trouble(resets, times=1, arrives=True),
    }
    whose = {fault: f"trouble{n}@example.org" for n, fault in enumerate({**at_ses, **at_dynamodb})}
    for fault, trouble in at_ses.items():
        trouble.about = (whose[fault],)
    for fault, trouble in at_dynamodb.items():
        step = "mail = :sent," if "sent" in fault else "mail_link = :link, links"
        trouble.about = (whose[fault], step)
    outpost.ses.troubles = [*at_ses.values()]
    outpost.dynamodb.troubles = [*at_dynamodb.values()]
    others = people("untroubled", 10)

    outpost.put(*whose.values(), *others)
    outpost.wait_until_delivered(*others)
    outpost.recover(*whose.values())
    for fault, trouble in {**at_ses, **at_dynamodb}.items():
        assert trouble.met >= 1
        outpost.conclude(fault, trouble.met, whose[fault])
    outpost.conclude("the rest of that batch", len(others), *others)


@pytest.mark.timeout(300 + 2 * SIGN_UPS)  # a busy machine takes that long
def test_a_mailer_killed_again_and_again_doubles_no_mail(outpost: Outpost) -> None:
    everybody = people("many", SIGN_UPS)
    kills = 0
    done = threading.Event()
    before = len(outpost.ses.passed)

    def kill_again_and_again() -> None:
        nonlocal kills
        while not done.wait(0.02):
            if len(outpost.ses.passed) - before > MAILS_BETWEEN_KILLS * (kills + 0.5):
                kills += outpost.kill_a_sender()

    with ThreadPoolExecutor(1) as killer:
        killing = killer.submit(kill_again_and_again)
        try:
            outpost.sign_up(*everybody)
            outpost.recover(*everybody)
        finally:
            done.set()
        killing.result()

    assert kills >= SIGN_UPS // MAILS_BETWEEN_KILLS - 1
    outpost.conclude(f"killed, {SIGN_UPS} signing up", kills, *everybody)


@pytest.mark.timeout(300 + 2 * SPELLINGS)
def test_a_thousand_spellings_of_a_mailbox_get_five_mails(outpost: Outpost) -> None:
    everybody = [f"mailbox+{n}@example.org" for n in range(SPELLINGS)]
    outpost.sign_up(*everybody)
    failed = "mailbox: 5 mails in 24 hours"

    def turned_away() -> int:
        errors = [item.get("mail_error", {}).get("S") for item in outpost.items("failed")]
        return errors.count(failed)

    wait_for(
        lambda: turned_away() == SPELLINGS - 5, TIME_TO_RECOVER + SPELLINGS, "all are turned away"
    )
    mailed = outpost.mailed(*everybody)
    assert len(mailed) == len(set(mailed)) == 5
    outpost.wait_until_delivered(*mailed)


def test_fifty_sign_ups_of_one_address_are_one_mail(outpost: Outpost) -> None:
    """Fifty more follow after the cooldown with four mails sent, and fifty after the fifth."""
    email, last = "popular@example.org", "last@example.org"
    outpost.sign_up(*[email] * CONNECTIONS)
    outpost.wait_until_delivered(email)
    assert outpost.mailed(email) == [email]

    outpost.stack.change(email, mail_at=LONG_AGO, mail_count={"N": "4"})
    outpost.sign_up(*[email] * CONNECTIONS)
    wait_for(lambda: len(outpost.mailed(email)) == 2, TIME_TO_RECOVER, "the fifth mail")
    outpost.wait_until_delivered(email)

    outpost.stack.change(email, mail_at=LONG_AGO)
    outpost.sign_up(*[email] * CONNECTIONS)
    outpost.sign_up(last)  # whose record comes after all the others'
    outpost.wait_until_delivered(last)
    assert outpost.mailed(email, last) == [email, email, last]
    assert outpost.stack.item(email)["mail_count"] == {"N": "5"}
