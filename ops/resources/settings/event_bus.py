"""The bus that a stage puts its events on, and the webhook that gets them."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from chalicelib.settings import LOOPBACK
from ops.stage import parameter_store
from ops.stage.cloud import Cloud
from ops.stage.errors import DeployError
from ops.stage.project import Project

SETTING = "EVENT_BUS"
KEY_HEADER = "Bienvenue-Key"
NONE = "none"
FIRST_RATE = 20
MAX_RATE = 300
"""EventBridge's own limit for an address, unless AWS raises it."""
MAX_URL = 2048


@dataclass(frozen=True)
class EventOptions:
    """An operator's options for events. None keeps the stage's present value.

    ``is_on`` turns events on or off. ``webhook`` is an address, or empty for none. ``rate`` is how
    many events the address gets in a second, at most.
    """

    is_on: bool | None = None
    webhook: str | None = None
    rate: int | None = None


AS_IT_WAS = EventOptions()


@dataclass(frozen=True)
class EventBus:
    """The bus of a stage: its name or ARN as functions use it, and its parameters in the stack."""

    name: str
    parameters: Mapping[str, str]
    webhook: str = ""


def choose(
    cloud: Cloud,
    project: Project,
    wish: EventOptions,
    recorded: str,
    parameters: Mapping[str, str],
    key_for: Callable[[str], str],
) -> EventBus:
    """Return the bus that a stage gets: the ``recorded`` one, or its own, or none.

    ``parameters`` are those of the stack's last deploy. ``key_for`` returns the key for an address.
    Raises DeployError.
    """
    before = parameters.get("Webhook", "")
    webhook = before if wish.webhook is None else wish.webhook
    is_on = bool(recorded or webhook) if wish.is_on is None else wish.is_on
    if not is_on:
        if wish.webhook:
            raise DeployError("A webhook needs events: leave out --no-events.")
        return EventBus("", {"EventBus": NONE, "NewEventBus": "", **_webhook("", NONE, FIRST_RATE)})
    check_webhook(webhook, is_local=bool(cloud.endpoint))
    name = recorded or project.full_name
    rate = wish.rate or int(parameters.get("WebhookRate", FIRST_RATE))
    return EventBus(
        name,
        {
            "EventBus": arn(cloud, name),
            "NewEventBus": name if name == project.full_name else "",
            **_webhook(webhook, key_for(webhook) if webhook else NONE, rate),
        },
        webhook,
    )


def key(secret_key: str, webhook: str) -> str:
    """Return what EventBridge sends in KEY_HEADER. Another address gets another key."""
    return hmac.new(secret_key.encode(), f"webhook {webhook}".encode(), "sha256").hexdigest()


def key_of(ssm: Any, secret_key: str, webhook: str) -> str:
    """Return the key for an address by the stage's SECRET_KEY, which may be a reference."""
    return key(parameter_store.secret_key(ssm, secret_key), webhook)


def arn(cloud: Cloud, name: str) -> str:
    """Return the ARN of the bus that an operator calls by its name or ARN."""
    if name.startswith("arn:"):
        return name
    partition = cloud.session.get_partition_for_region(cloud.region)
    return f"arn:{partition}:events:{cloud.region}:{cloud.account}:event-bus/{name}"


def check_webhook(url: str, *, is_local: bool) -> None:
    """Raise DeployError unless EventBridge sends to ``url``: by https, and on this machine by http.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
    """
    if not url:
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    is_secure = parts.scheme == "https" if host else False
    is_here = host in LOOPBACK and is_local and parts.scheme == "http" if host else False
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(' "<>\\^`{|}#')
    if not (is_secure or is_here) or not is_plain or "@" in parts.netloc or len(url) > MAX_URL:
        raise DeployError(
            f"EventBridge cannot send events to {url!r}: give an address such as "
            "https://example.org/hooks/bienvenue, without a user and without a #."
        )


def left_to_do(bus: EventBus, show_key: str) -> list[str]:
    """Return what only an operator can do: have the receiver ask for the key."""
    if not bus.webhook:
        return []
    secret = f"the stage's key in the header {KEY_HEADER}"
    return [f"Make {bus.webhook} refuse requests without {secret}. To print the key:\n{show_key}"]


def _webhook(url: str, key: str, rate: int) -> dict[str, str]:
    return {"Webhook": url, "WebhookKey": key, "WebhookRate": str(rate)}
