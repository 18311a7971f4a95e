"""The stage's AWS clients, with their time-outs, and the objects that use them."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from botocore.config import Config

from chalicelib import aws
from chalicelib.mail import message
from chalicelib.mail.mail_exchange import MailExchanges, ask_dns
from chalicelib.mail.mailer import MAX_CONCURRENT, Mailer
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import Delivery
from chalicelib.settings import Settings
from chalicelib.templates import Templates
from chalicelib.users.email_address import AddressError
from chalicelib.users.people import User
from chalicelib.users.store import Users

_CHEAP: Any = {
    "max_pool_connections": MAX_CONCURRENT,
    "user_agent": "bienvenue",  # else each call describes botocore again: 12 % of its work
    "parameter_validation": False,  # 5 % of a call's work, and AWS validates anyway
}
# Two short tries answer well within the API's 10 s. botocore's own defaults would take longer.
DYNAMODB = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    **_CHEAP,
)
# Three tries take at most 21 s: with DynamoDB's tries, less than mailer.TIME_FOR_A_MAIL.
SES = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    **_CHEAP,
)


def make_session() -> aws.QuickSession:
    """Return the session that makes all clients."""
    return aws.QuickSession("dynamodb", "sesv2")


def make_users(session: aws.QuickSession, stage: Settings) -> Users:
    """Return the store of users, with its client."""
    return Users(session.create_client("dynamodb", config=DYNAMODB), stage.users_table)


def make_mailer(
    session: aws.QuickSession,
    stage: Settings,
    templates: Templates,
    users: Users,
    now: Callable[[], datetime],
) -> Mailer:
    """Return the mailer, with its client."""
    compose: Callable[..., Mail] = partial(
        message.compose,
        templates=templates,
        base_url=stage.base_url,
        default_lang=stage.default_lang,
        brand=stage.brand,
    )
    if stage.checks_domain:
        compose = partial(_compose_if_delivered, compose, MailExchanges(ask_dns))
    delivery = Delivery(
        session.create_client("sesv2", config=SES),
        stage.mail_from,
        stage.mail_configuration_set,
        from_name=stage.mail_from_name,
        reply_to=stage.mail_reply_to,
    )
    return Mailer(users, delivery, compose, now, time.sleep)


def _compose_if_delivered(
    compose: Callable[..., Mail], exchanges: MailExchanges, user: User, *arguments: str
) -> Mail:
    """Compose a mail if its domain takes mail. Raise AddressError: the mail has failed."""
    mail = compose(user, *arguments)
    if not exchanges.takes_mail(mail.to):
        raise AddressError("takes no mail")
    return mail


def warm_up(
    env: Mapping[str, str], users: Callable[[], Users], mailer: Callable[[], Mailer]
) -> None:
    """Make the clients while Lambda loads the function: it then has a whole processor."""
    if function := env.get("_HANDLER"):
        _ = mailer() if function.endswith("send_validation_mail") else users()


def seconds_left(event: Any) -> Callable[[], float]:
    """Return a function that returns how many seconds the event's invocation may still take."""
    return lambda: event.context.get_remaining_time_in_millis() / 1000
