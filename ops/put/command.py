"""`put`: an item into the table of users, as any other program puts one."""

import sys
from pathlib import Path

import click
from botocore.exceptions import ClientError

from ops.put.item import parse
from ops.stage.aws_errors import in_plain_words
from ops.stage.errors import OpsError
from ops.stage.lookup import Stage
from ops.stage.option import on_stage
from ops.terminal.text import printable


@click.command(short_help="Put an item into the table, as any other program does.")
@on_stage
@click.argument("item", default="-")
def put(stage: Stage, item: str) -> None:
    """Put ITEM into the table of users; the user then gets a mail.

    ITEM is JSON, a file that holds it, or - for standard input (default). Plain JSON and DynamoDB's
    own form both do: {"email": "alexis@example.org"} and {"email": {"S": "alexis@example.org"}}.

    An existing user is left alone. DynamoDB's own PutItem is not so careful: it
    replaces the whole item, so that a validated user would have to validate again. Another program
    should put its items as this command does, with the condition attribute_not_exists(email).

    Permissions: dynamodb:PutItem.
    """
    read = parse(_text(item))
    email = printable(read["email"]["S"])
    client = stage.cloud.session.client("dynamodb")
    with in_plain_words():
        try:
            client.put_item(
                TableName=stage.users_table,
                Item=read,
                ConditionExpression="attribute_not_exists(email)",
            )
        except client.exceptions.ConditionalCheckFailedException as error:
            raise OpsError(f"{email} is already in the table. Nothing was changed.") from error
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            raise OpsError(f"DynamoDB refuses this item: {error}.") from error
    click.echo(f"Put {email} into {stage.users_table}.")


def _text(item: str) -> str:
    if item == "-":
        return sys.stdin.read()
    if item.lstrip().startswith(("{", "[")):
        return item
    return Path(item.removeprefix("file://")).read_text(encoding="utf-8")
