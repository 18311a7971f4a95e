"""The only reaches into moto's private parts: its stream, and its updates.

moto numbers a record by how many there are, and adds it later. Two records of two threads then get
one number, and a reader of the stream reads the second for ever. Its UpdateItem is not atomic.
Safe to delete once https://github.com/getmoto/moto makes both atomic.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import StreamShard


def make_atomic(patch: pytest.MonkeyPatch) -> None:
    """Make one update, and add one record of a stream, at a time."""
    add, update, lock = StreamShard.add, DynamoDBBackend.update_item, threading.RLock()

    def add_alone(shard: StreamShard, old: Any, new: Any) -> None:
        with lock:
            add(shard, old, new)

    def update_alone(*arguments: Any, **named: Any) -> Any:
        with lock:
            return update(*arguments, **named)

    patch.setattr(StreamShard, "add", add_alone)
    patch.setattr(DynamoDBBackend, "update_item", update_alone)


def keep_records(patch: pytest.MonkeyPatch, keep: Callable[[dict[str, Any]], None]) -> None:
    """Call ``keep`` with each record as it is written: reading the stream is slow."""
    add = StreamShard.add

    def add_and_keep(shard: StreamShard, old: Any, new: Any) -> None:
        add(shard, old, new)
        keep(shard.items[-1].to_json())

    patch.setattr(StreamShard, "add", add_and_keep)
