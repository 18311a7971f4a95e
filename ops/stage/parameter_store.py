"""Secrets in Parameter Store, to which a stage's settings refer by name."""

from collections.abc import Mapping
from typing import Any

from ops.stage.errors import OpsError

PREFIX = "ssm:"
AT_ONCE = 10  # names that one GetParameters takes


def reference(name: str) -> str:
    """Return the setting that stands for the value of the parameter ``name``."""
    return f"{PREFIX}{name}"


def is_reference(value: str) -> bool:
    """Return True if a setting's ``value`` is in Parameter Store."""
    return value.startswith(PREFIX)


def known(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the ``settings`` whose values stand there."""
    return {name: value for name, value in settings.items() if not is_reference(value)}


def secret_key(ssm: Any, setting: str) -> str:
    """Return the key that the ``setting`` SECRET_KEY is, or refers to."""
    return resolve(ssm, {"SECRET_KEY": setting})["SECRET_KEY"]


def resolve(ssm: Any, settings: Mapping[str, str]) -> dict[str, str]:
    """Return ``settings`` with the values that references stand for.

    Nothing is asked if there are no references. Raises OpsError for a parameter that is not there.
    """
    references = {
        name: value.removeprefix(PREFIX) for name, value in settings.items() if is_reference(value)
    }
    values = read(ssm, list(dict.fromkeys(references.values())))
    for name, parameter in references.items():
        if parameter not in values:
            raise OpsError(
                f"The setting {name} refers to {parameter} in Parameter Store, which does not "
                "exist: create it, or fix the reference."
            )
    return {**settings, **{name: values[parameter] for name, parameter in references.items()}}


def read(ssm: Any, names: list[str]) -> dict[str, str]:
    """Return the values of those parameters ``names`` that exist."""
    values: dict[str, str] = {}
    for start in range(0, len(names), AT_ONCE):
        answer = ssm.get_parameters(Names=names[start : start + AT_ONCE], WithDecryption=True)
        values |= {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
    return values


def write_secret(ssm: Any, name: str, value: str) -> None:
    """Make the parameter ``name`` hold ``value``, encrypted with the account's own key."""
    ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def write_text(ssm: Any, name: str, value: str) -> None:
    """Make the parameter ``name`` hold ``value``. Over 4 KB it costs a few cents a month."""
    ssm.put_parameter(
        Name=name, Value=value, Type="String", Overwrite=True, Tier="Intelligent-Tiering"
    )


def remove(ssm: Any, names: list[str]) -> None:
    """Remove the parameters ``names``, if they are there."""
    ssm.delete_parameters(Names=names)
