"""The only reaches into moto's private parts: its stream, and its updates.

moto numbers a record by how many there are, and adds it later. Two records of two threads then get
one number, and a reader of the stream reads the second for ever. Its PutItem and UpdateItem are not
atomic.
Safe to delete once https://github.com/getmoto/moto makes both atomic.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import StreamShard


def make_atomic(patch: pytest.MonkeyPatch) -> None:
    """Make one conditional write, and add one record of a stream, at a time."""
    lock = threading.RLock()

    def alone(act: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(act)
        def act_alone(*arguments: Any, **named: Any) -> Any:
            with lock:
                return act(*arguments, **named)

        return act_alone

    patch.setattr(StreamShard, "add", alone(StreamShard.add))
    patch.setattr(DynamoDBBackend, "put_item", alone(DynamoDBBackend.put_item))
    patch.setattr(DynamoDBBackend, "update_item", alone(DynamoDBBackend.update_item))


def keep_records(patch: pytest.MonkeyPatch, keep: Callable[[dict[str, Any]], None]) -> None:
    """Call ``keep`` with each record as it is written: reading the stream is slow."""
    add = StreamShard.add

    def add_and_keep(shard: StreamShard, old: Any, new: Any) -> None:
        add(shard, old, new)
        keep(shard.items[-1].to_json())

    patch.setattr(StreamShard, "add", add_and_keep)
