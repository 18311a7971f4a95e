"""Faults of real processes and connections: the deployed functions, killed and cut off."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from chalicelib.mail.mailer import MAX_CONCURRENT
from tests.e2e.proxy import Proxy, Trouble, hangs, resets, says
from tests.e2e.stack import Stack, running, wait_for
from tests.support.faults import Row, count, report

SIGN_UPS = int(os.environ.get("SIGN_UPS", "100"))
CONNECTIONS = 50
MAILS_BETWEEN_KILLS = 25
TIME_TO_RECOVER = 60.0
LONG_AGO = {"S": "2020-01-01T00:00:00.000000Z"}


@dataclass
class Outpost:
    """A stack whose functions reach SES and DynamoDB through proxies only."""

    stack: Stack
    ses: Proxy
    dynamodb: Proxy
    rows: list[Row] = field(default_factory=list)

    def sign_up(self, *emails: str) -> None:
        """Have them all sign up, many at the same time; who is answered 503 tries again."""

        def accepted(email: str) -> bool:
            status = self.stack.post("/users", {"email": email, "nom": "GÜNST HORN"}).status
            assert status in (202, 503)
            return status == 202

        def sign_up(email: str) -> None:
            wait_for(lambda: accepted(email), TIME_TO_RECOVER, "a sign-up is accepted")

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
        """How often a mail was claimed."""
        updates = [each for each in list(self.dynamodb.passed) if "UpdateExpression" in each]
        claims = [each for each in updates if "mail = :sending" in each["UpdateExpression"]]
        return [each["Key"]["email"]["S"] for each in claims].count(email)

    def sent(self) -> set[str]:
        """Of whom it is written down that their mail has left."""
        pages = (
            self.stack.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self.stack.table,
                FilterExpression="mail = :sent",
                ExpressionAttributeValues={":sent": {"S": "sent"}},
            )
        )
        return {item["email"]["S"] for page in pages for item in page["Items"]}

    def wait_until_sent(self, *emails: str, seconds: float = TIME_TO_RECOVER) -> None:
        wait_for(lambda: self.sent() >= set(emails), seconds, "all is written down as sent")

    def conclude(self, fault: str, tried: int, *emails: str) -> Row:
        """One more row of the table: everybody has a mail, and every link in every mail works."""
        row = count(fault, tried, dict.fromkeys(emails, 1), self.mailed(*emails))
        self.rows.append(row)
        assert row.lost == 0
        for mail in list(self.ses.passed):
            if mail["Destination"]["ToAddresses"][0] in emails:
                text = mail["Content"]["Simple"]["Body"]["Text"]["Data"]
                found = re.search(r"http://\S+", text)
                assert found
                assert self.stack.get(found.group()).status == 200
        return row

    def kill_the_mailer(self) -> bool:
        """Kill the process that runs the mailer, if there is one just now."""
        listed = subprocess.run(
            ["ps", "-wweo", "pid=,args="], capture_output=True, text=True, check=True
        ).stdout
        for pid, command in (line.split(maxsplit=1) for line in listed.splitlines()):
            # The local cloud keeps a function's process in a folder named after the function.
            if str(self.stack.folder) in command and "send_validation_mail" in command:
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
            yield outpost
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
        wait_for(lambda: outpost.tried(waiting[0]) > 1, TIME_TO_RECOVER, "it is tried again")
    outpost.wait_until_sent(*waiting)
    tried = sum(map(outpost.tried, waiting))
    assert outpost.conclude("connection to SES refused", tried, *waiting).doubled == 0


def test_trouble_with_some_mails_of_a_batch_is_no_trouble_for_the_rest(outpost: Outpost) -> None:
    """Botocore tries SES thrice and DynamoDB twice: most of these outlast an invocation."""
    at_ses = {
        "SES answers 503": Trouble(says(503, "ServiceUnavailable"), times=4),
        "SES throttled": Trouble(says(429, "TooManyRequestsException"), times=4),
        "reset before SES took it": Trouble(resets, times=4),
        "reset after SES took it": Trouble(resets, times=1, arrives=True),
        "SES hangs": Trouble(hangs, times=1),
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
        step = "mail = :sent," if "sent" in fault else "mail = :sending"
        trouble.about = (whose[fault], step)
    outpost.ses.troubles = [*at_ses.values()]
    outpost.dynamodb.troubles = [*at_dynamodb.values()]
    others = people("untroubled", 10)

    outpost.put(*whose.values(), *others)
    outpost.wait_until_sent(*others, *whose.values())
    hung = whose["SES hangs"]
    assert outpost.mailed(*others, hung)[-1] == hung, "nobody waited for the mail that hung"

    for fault, trouble in {**at_ses, **at_dynamodb}.items():
        row = outpost.conclude(fault, trouble.met, whose[fault])
        assert row.tried == trouble.times
        assert row.doubled == (fault == "reset after SES took it")
    assert outpost.conclude("the rest of that batch", len(others), *others).doubled == 0


def test_a_mailer_that_is_killed_again_and_again_mails_everybody(outpost: Outpost) -> None:
    everybody = people("many", SIGN_UPS)
    kills = 0
    done = threading.Event()
    before = len(outpost.ses.passed)

    def kill_again_and_again() -> None:
        nonlocal kills
        while not done.wait(0.02):
            if len(outpost.ses.passed) - before > MAILS_BETWEEN_KILLS * (kills + 0.5):
                kills += outpost.kill_the_mailer()

    with ThreadPoolExecutor(1) as killer:
        killing = killer.submit(kill_again_and_again)
        try:
            outpost.sign_up(*everybody)
            outpost.wait_until_sent(*everybody, seconds=TIME_TO_RECOVER + SIGN_UPS)
        finally:
            done.set()
        killing.result()

    assert kills >= SIGN_UPS // MAILS_BETWEEN_KILLS - 1
    row = outpost.conclude(f"killed, {SIGN_UPS} signing up", kills, *everybody)
    # Each kill may hit every thread between SES's answer and its being written down.
    assert row.doubled <= kills * MAX_CONCURRENT


def test_fifty_sign_ups_of_one_address_at_once_are_one_mail(outpost: Outpost) -> None:
    """Then fifty more when the cooldown is over and four were sent, and fifty after the fifth."""
    email, last = "popular@example.org", "last@example.org"
    outpost.sign_up(*[email] * CONNECTIONS)
    outpost.wait_until_sent(email)
    assert outpost.mailed(email) == [email]

    outpost.stack.change(email, mail_at=LONG_AGO, mail_count={"N": "4"})
    outpost.sign_up(*[email] * CONNECTIONS)
    wait_for(lambda: len(outpost.mailed(email)) == 2, TIME_TO_RECOVER, "the fifth mail")
    outpost.wait_until_sent(email)

    outpost.stack.change(email, mail_at=LONG_AGO)
    outpost.sign_up(*[email] * CONNECTIONS)
    outpost.sign_up(last)  # whose record comes after all the others'
    outpost.wait_until_sent(last)
    assert outpost.mailed(email, last) == [email, email, last]
    assert outpost.stack.item(email)["mail_count"] == {"N": "5"}
