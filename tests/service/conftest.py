"""One service for the tests of a module: making one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from schemathesis.pytest.plugin import SchemathesisFunction

from tests.support.service import Service, running


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give the test of each operation an id of its own: of equal ones xdist runs the first alone.

    schemathesis gives all the same since pytest 9. Safe to delete once their ids differ.
    """
    if isinstance(item, SchemathesisFunction):
        item._id = item.id.with_params(item.operation_label)


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Service]:
    with running() as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Service:
    """A service without users."""
    shared_service.forget()
    return shared_service
