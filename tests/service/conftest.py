"""One service for the tests of a module: making one takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service import Service, running


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Service]:
    with running() as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Service:
    """A service without users."""
    shared_service.forget()
    return shared_service
