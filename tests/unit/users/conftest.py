"""Every test of the store runs on moto and on the local cloud."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from tests.support import local_cloud, stores
from tests.support.stores import Store

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

table_numbers = itertools.count()


@pytest.fixture(scope="session")
def cloud_dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DynamoDBClient]:
    log = tmp_path_factory.mktemp("local cloud") / "log"
    with local_cloud.running(log) as endpoint:
        yield boto3.client(
            "dynamodb", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1})
        )


@pytest.fixture
def cloud_store(cloud_dynamodb: DynamoDBClient) -> Store:
    """An empty table of users in the local cloud."""
    return stores.create(cloud_dynamodb, f"users-{next(table_numbers)}")


@pytest.fixture(params=["moto_store", "cloud_store"], ids=["moto", "cloud"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty table of users, on each of the two in turn."""
    either: Store = request.getfixturevalue(request.param)
    return either
