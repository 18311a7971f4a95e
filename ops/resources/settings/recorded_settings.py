"""The settings that a deploy records, and that a destroy forgets."""

from collections.abc import Mapping

from ops.resources.settings import secret_key

OWN_SETTINGS = (
    "USERS_TABLE",
    "USERS_STREAM_ARN",
    "MAIL_FROM",
    "BASE_URL",
    "MAIL_FEEDBACK_TOPIC_ARN",
    "LIMITS_TABLE",
)
"""The settings that each deploy records, whatever an operator wrote."""

OF_THE_USERS = (secret_key.SETTING,)
"""The settings that stay while the users' table exists: hashes of users depend on them."""


def own_configuration_set(environment: Mapping[str, str], ours: str) -> str:
    """Return the configuration set that an operator once gave; empty for the stack's own."""
    recorded = environment.get("MAIL_CONFIGURATION_SET", "")
    return "" if recorded == ours else recorded
