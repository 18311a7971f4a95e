"""The functions that run at once: few enough mailers for pages to answer always.

All functions of an account share one quota in a region. The mailer's share of it is the stream's
shards times ParallelizationFactor, and a table that grows gets more shards (MaximumConcurrency of a
mapping is for SQS alone). So a deploy reserves some for the mailer: Lambda never runs more at once.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops.resources.functions import event_source_mapping
from ops.stage.cloud import Cloud
from ops.stage.project import Project

MAILER_RESERVE = 20
"""The reserve of the mailer. A table with more shards takes over 5,000 sign-ups a second."""
UNRESERVED = 100
"""The slots that a reserve must leave to other functions. A new account has 10 in all.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""
FIRST_SHARDS = 4
"""The shards of a new table's stream."""
DRAINS = 1
_REPORT = 0.05  # seconds that a report of SES takes
_REPORTS = 2  # of one mail: sent, delivered
_QUOTA = "L-B99A9384"  # Service Quotas' code for Lambda's concurrent executions


@dataclass(frozen=True)
class ConcurrencyLimits:
    """The functions that an account runs at once.

    Those without a reserve share ``unreserved`` of ``in_all``. ``reserved`` is the mailer's own
    reserve; None without.
    """

    in_all: int
    unreserved: int
    reserved: int | None = None

    def may_reserve(self, number: int) -> bool:
        """Return True if Lambda lets the mailer have a reserve of ``number``."""
        return self.unreserved + (self.reserved or 0) - number >= UNRESERVED

    def for_pages(self, shards: int, mails_a_second: float) -> int:
        """Return how many are left for pages while the mailer, the drain and reports take most."""
        mailers = shards * event_source_mapping.BATCHES_PER_SHARD if self.reserved is None else 0
        reports = math.ceil(_REPORTS * mails_a_second * _REPORT)
        return self.unreserved - mailers - DRAINS - reports


def read(lambda_: Any, project: Project) -> ConcurrencyLimits:
    """Return how many functions the account runs at once."""
    limit = lambda_.get_account_settings()["AccountLimit"]
    in_all = limit["ConcurrentExecutions"]
    try:
        own = lambda_.get_function_concurrency(
            FunctionName=project.function(event_source_mapping.FUNCTION)
        )
    except lambda_.exceptions.ResourceNotFoundException:  # no such function yet
        own = {}
    return ConcurrencyLimits(
        in_all,
        limit.get("UnreservedConcurrentExecutions", in_all),
        own.get("ReservedConcurrentExecutions"),
    )


def choose(room: ConcurrencyLimits, recorded: int | None) -> int | None:
    """Return ``recorded``, or MAILER_RESERVE without one. None if Lambda refuses it."""
    if recorded == 0:  # how an operator stops it: Lambda takes that anywhere
        return 0
    wanted = recorded or MAILER_RESERVE
    return wanted if room.may_reserve(wanted) else None


def words(room: ConcurrencyLimits, reserve: int | None) -> str:
    """Return what the mailer may take of ``room``, in words."""
    in_all = f"{room.in_all:,} functions at once in the account"
    if reserve == 0:
        return f"{in_all}; the mailer is stopped, and only the drain mails"
    if reserve:
        return f"{in_all}, of which the mailer takes at most {reserve}"
    return f"{in_all}, too few to limit the mailer"


def how_to_raise() -> tuple[str, str]:
    """Return what an operator of a small account should do, and what ``aws`` does of it."""
    how = (
        "Ask for 1,000, and deploy again once AWS grants it: the mailer then has a limit, so that "
        "pages always answer."
    )
    words = "service-quotas request-service-quota-increase --service-code lambda "
    return how, f"{words}--quota-code {_QUOTA} --desired-value 1000"


def left_to_do(cloud: Cloud) -> list[str]:
    """Return what an operator of a small account should do, in a paragraph."""
    if cloud.endpoint:
        return []
    how, words = how_to_raise()
    return [f"{how} {cloud.aws(words)}"]


def open_shards(streams: Any, stream: str) -> int:
    """Return how many shards of ``stream`` still get records. Each has a mailer of its own."""
    return sum(
        "EndingSequenceNumber" not in shard.get("SequenceNumberRange", {})
        for shard in _shards(streams, stream)
    )


def _shards(streams: Any, stream: str) -> Iterator[Any]:
    asked: dict[str, str] = {"StreamArn": stream}
    while True:
        described = streams.describe_stream(**asked)["StreamDescription"]
        yield from described["Shards"]
        if "LastEvaluatedShardId" not in described:
            return
        asked["ExclusiveStartShardId"] = described["LastEvaluatedShardId"]
