"""References to Parameter Store among the settings."""

from __future__ import annotations

import pytest

from ops.stage import parameter_store
from ops.stage.errors import OpsError
from tests.ops.conftest import ParameterStore

SETTINGS = {"MAIL_FROM": "hello@example.org", "KEY": "ssm:/a/key", "OTHER": "ssm:/a/key"}


def test_references_are_replaced_by_their_values() -> None:
    ssm = ParameterStore(**{"/a/key": "secret"})
    resolved = parameter_store.resolve(ssm, SETTINGS)
    assert resolved == {"MAIL_FROM": "hello@example.org", "KEY": "secret", "OTHER": "secret"}


def test_more_than_ten_references_are_read_in_several_calls() -> None:
    names = [f"/a/{number}" for number in range(12)]
    ssm = ParameterStore(**{name: name.upper() for name in names})
    settings = {name: parameter_store.reference(name) for name in names}
    assert parameter_store.resolve(ssm, settings) == ssm.values


def test_nothing_is_asked_without_references() -> None:
    assert parameter_store.resolve(None, {"A": "1"}) == {"A": "1"}


def test_a_reference_to_nothing_is_named() -> None:
    with pytest.raises(OpsError, match=r"KEY refers to /a/key in Parameter Store, which does not"):
        parameter_store.resolve(ParameterStore(), SETTINGS)


def test_settings_without_references_are_known() -> None:
    assert parameter_store.known(SETTINGS) == {"MAIL_FROM": "hello@example.org"}
