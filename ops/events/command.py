"""The command `events` and its subcommands."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import click

from chalicelib.events.bus import MAX_ENTRIES, Bus
from chalicelib.users.table import Item
from ops.events.replay import published_events
from ops.resources.settings import event_bus
from ops.resources.stack.stack import Stack
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.option import on_group, on_stage
from ops.terminal.option_types import Moment


@click.group(subcommand_metavar="COMMAND …")
@on_group
def events() -> None:
    """Send events again, and show the key of the webhook."""


@events.command()
@on_stage
@click.option(
    "--since",
    type=Moment(),
    required=True,
    help="Events since then: 90s, 10m, 2h or 7d ago, a date (UTC) or a time.",
)
def replay(stage: Stage, since: datetime) -> None:
    """Publish events again, with the same ids.

    Each user's latest event of each kind is sent, and each withdrawal, if it is not older than
    --since. Receivers know by the id which of them they have. What is still owed is published by
    the stage itself. A deleted user's event is gone with the item, some two days after it was
    published.

    Permissions: dynamodb:Scan on the table of users, events:PutEvents on the bus.
    """
    bus = _bus(stage)
    users = count = 0
    with in_plain_words():
        of_users = published_events(_items(stage), since)
        while batch := list(islice(of_users, MAX_ENTRIES)):
            published = [each for events in batch for each in events]
            if refused := bus.put(published):
                reasons = ", ".join(sorted(set(refused.values())))
                raise OpsError(
                    f"EventBridge refused {len(refused)} events ({reasons}), after {count} were "
                    "published. Fix that, then run this again: the ids stay the same."
                )
            users, count = users + len(batch), count + len(published)
    click.echo(f"{count:,} events of {users:,} users are published again.")


@events.command()
@on_stage
def key(stage: Stage) -> None:
    """Print the key that EventBridge sends to the webhook.

    Each request has it in the header Bienvenue-Key. A new address gets a new key.

    Permissions: cloudformation:DescribeStacks on the stack, ssm:GetParameters on the stage's key.
    """
    with in_plain_words():
        stack = Stack(stage.cloud.session.client("cloudformation"), stage.project.full_name)
        webhook = stack.parameters().get("Webhook", "")
        if not webhook:
            raise OpsError(f"{stage.name} has no webhook: add one with deploy --webhook https://…")
        ssm = stage.cloud.session.client("ssm")
        secret_key = stage.project.environment["SECRET_KEY"]
        click.echo(event_bus.key_of(ssm, secret_key, webhook))


def _bus(stage: Stage) -> Bus:
    environment = stage.project.environment
    if not stage.has_events:
        raise OpsError(f"{stage.name} publishes no events: turn them on with deploy --events")
    table_arn = environment["USERS_STREAM_ARN"].partition("/stream/")[0]
    return Bus(stage.cloud.session.client("events"), environment["EVENT_BUS"], table_arn)


def _items(stage: Stage) -> Iterator[Item]:
    scan = stage.cloud.session.client("dynamodb").get_paginator("scan")
    for page in scan.paginate(
        TableName=stage.users_table, FilterExpression="attribute_exists(told)"
    ):
        yield from page["Items"]
