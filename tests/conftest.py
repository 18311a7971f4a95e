"""Fixtures for every test. None lets a test near the account of its user."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from hypothesis import settings
from moto import mock_aws

from tests.support import moto_speed, moto_stream, stores

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

REGION = "eu-west-3"

# The same examples in every run: a change is judged by what it changed, not by its luck.
settings.register_profile("same every time", derandomize=True, deadline=None)
settings.load_profile("same every time")

LONGEST = ("tests/unit/users/test_state_machine.py", "tests/e2e/", "tests/service/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that no process ends long after the others.

    Raises UsageError if two tests have the same id.
    """

    def rank(item: pytest.Item) -> int:
        starts = [item.nodeid.startswith(start) for start in LONGEST]
        return starts.index(True) if any(starts) else len(starts)

    items.sort(key=rank)
    twice = [
        nodeid for nodeid, count in Counter(item.nodeid for item in items).items() if count > 1
    ]
    if twice:  # xdist would run the first of each alone
        raise pytest.UsageError(f"several tests have the same id: {twice}")


@pytest.fixture(scope="session", autouse=True)
def nobodys_account() -> Iterator[None]:
    """Invented credentials, and no profile, endpoint or role of the person at the keyboard."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def moto_is_atomic_and_quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        moto_stream.make_atomic(patch)
        moto_speed.take_shortcuts(patch)
        yield


@pytest.fixture(scope="session")
def moto_dynamodb() -> DynamoDBClient:
    """One client for all: making it takes twenty times as long as making a table."""
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client("dynamodb", config=once)


@pytest.fixture
def moto_store(moto_dynamodb: DynamoDBClient) -> Iterator[stores.Store]:
    """An empty table of users in moto."""
    with mock_aws():
        yield stores.create(moto_dynamodb, "users")


@pytest.fixture
def store(moto_store: stores.Store) -> stores.Store:
    """An empty table of users. The store's own tests override this to use the local cloud too."""
    return moto_store
