"""The stage's AWS clients, with their time-outs, and the objects that use them."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from chalicelib import aws, cold_start
from chalicelib.logs import error_name
from chalicelib.mail import message
from chalicelib.mail.clock import Clock
from chalicelib.mail.drain import Drain
from chalicelib.mail.limits import Limits
from chalicelib.mail.mail_exchange import MailExchanges, ask_dns
from chalicelib.mail.mailer import MAX_CONCURRENT, Mailer
from chalicelib.mail.message import Mail
from chalicelib.mail.ses import Ses
from chalicelib.settings import Settings
from chalicelib.templates import Templates
from chalicelib.users.email_address import AddressError
from chalicelib.users.mailboxes import Mailboxes
from chalicelib.users.outbox import Outbox
from chalicelib.users.people import User
from chalicelib.users.sign_up_rate import SignUpRate
from chalicelib.users.store import Users
from chalicelib.web.response import Answers
from chalicelib.web.site import Site

if TYPE_CHECKING:
    from chalicelib.events.publisher import Publisher
    from chalicelib.web.challenge import Challenge

log = logging.getLogger(__name__)

API = ".app"
"""The end of the API handler's name. All other handlers are named after what they do."""
_SHARED_OPTIONS: Any = {
    "max_pool_connections": MAX_CONCURRENT,
    "user_agent": "bienvenue",  # otherwise each call describes botocore again: 12 % of its work
    "parameter_validation": False,  # 5 % of a call's work, and AWS validates anyway
}
# Two short tries end well within the API's 10 s. botocore's own defaults would take longer.
DYNAMODB = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    **_SHARED_OPTIONS,
)
# One try: a repeat after a lost answer would be a second mail. ses.py repeats what is safe.
SES = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 1},
    **_SHARED_OPTIONS,
)
# A repeat is the same event, with the same id.
EVENTS = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 2},
    **_SHARED_OPTIONS,
)


class Service:
    """Makes each client and object of a stage once, when it is first needed."""

    def __init__(
        self,
        session: aws.QuickSession,
        stage: Settings,
        templates: Templates,
        now: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._stage = stage
        self._templates = templates
        self.now = now

    @cached_property
    def users(self) -> Users:
        """The users, as requests change them."""
        stage = self._stage
        texts = None
        if stage.own_fields and stage.own_fields.consents:
            from chalicelib.users.consent_texts import ConsentTexts  # few stages ask for consent

            texts = ConsentTexts(self._dynamodb, stage.limits_table)
        return Users(
            self._dynamodb,
            stage.users_table,
            self.mailboxes,
            stage.secret_key,
            consent_texts=texts,
            welcomes=stage.welcome_mail,
            has_events=bool(stage.event_bus),
        )

    @cached_property
    def outbox(self) -> Outbox:
        """The users' mail."""
        stage = self._stage
        return Outbox(
            self._dynamodb,
            stage.users_table,
            remind_after=stage.remind_after,
            welcomes=stage.welcome_mail,
            has_events=bool(stage.event_bus),
        )

    @cached_property
    def limits(self) -> Limits:
        """The stage's budget, brake and lock."""
        stage = self._stage
        return Limits(self._dynamodb, stage.limits_table, stage.mails_per_day, stage.mails_per_hour)

    @cached_property
    def sign_up_rate(self) -> SignUpRate:
        """The count of sign-ups in a minute."""
        stage = self._stage
        return SignUpRate(self._dynamodb, stage.limits_table, stage.challenge_above)

    @cached_property
    def mailboxes(self) -> Mailboxes:
        """The mailboxes, whatever the spelling of their addresses."""
        return Mailboxes(self._dynamodb, self._stage.limits_table, self._stage.secret_key)

    @cached_property
    def mailer(self) -> Mailer:
        """The mailer."""
        stage = self._stage
        compose: Callable[..., Mail] = partial(
            message.compose,
            templates=self._templates,
            base_url=stage.base_url,
            refuse_url=f"{stage.base_url}/refuse",
            has_one_click=stage.has_one_click,
            default_lang=stage.default_lang,
            brand=stage.brand,
        )
        if stage.checks_domain:
            compose = partial(_compose_if_delivered, compose, MailExchanges(ask_dns))
        ses = Ses(
            self._session.create_client("sesv2", config=SES),
            stage.mail_from,
            stage.mail_configuration_set,
            from_name=stage.mail_from_name,
            reply_to=stage.mail_reply_to,
        )
        return Mailer(
            self.outbox,
            ses,
            compose,
            self._clock,
            self.limits,
            self.mailboxes,
            stage.secret_key if stage.code else "",
        )

    def mail(self, records: Sequence[Any], seconds_left: Callable[[], float]) -> None:
        """Send the mail and publish the events that a stream's records owe.

        With CHALLENGE=auto, count the sign-ups first.
        """
        if self._stage.challenge == "auto":
            self.sign_up_rate.count(records, self.now())
        with self._publishing_alongside(lambda publisher: publisher.publish(records, seconds_left)):
            self.mailer.mail_records(records, seconds_left)

    @cached_property
    def drain(self) -> Drain:
        """The drain of owed mail."""
        return Drain(self.outbox, self.mailer, self.limits, self._clock)

    @cached_property
    def _clock(self) -> Clock:
        return Clock(self.now, _pause)

    def drain_all(self, run_id: str, time_left: Callable[[], float]) -> None:
        """Send the mail and publish the events that are still owed."""
        with self._publishing_alongside(lambda publisher: publisher.drain(time_left)):
            self.drain.drain(run_id, time_left)

    @cached_property
    def publisher(self) -> "Publisher | None":
        """The publisher of events; None if the stage has no bus. Only then is it imported."""
        stage = self._stage
        if not stage.event_bus:
            return None
        from chalicelib.events.bus import Bus
        from chalicelib.events.publisher import Publisher
        from chalicelib.users.event_outbox import EventOutbox

        client = self._session.create_client("events", config=EVENTS)
        bus = Bus(client, stage.event_bus, stage.users_table_arn)
        return Publisher(EventOutbox(self._dynamodb, stage.users_table), bus, self.now)

    @contextmanager
    def _publishing_alongside(self, publish: "Callable[[Publisher], object]") -> Iterator[None]:
        """Publish in a second thread meanwhile, so that neither mail nor events wait."""
        publisher = self.publisher
        if publisher is None:
            yield
            return
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_publish, partial(publish, publisher))
            yield

    @cached_property
    def _dynamodb(self) -> Any:
        return self._session.create_client("dynamodb", config=DYNAMODB)


def make_session() -> aws.QuickSession:
    """Return the session that makes all clients."""
    return aws.QuickSession("dynamodb", "sesv2", "events")


def _publish(publish: Callable[[], object]) -> None:
    """Publish. Log an error, do not raise it: the drain tries again, and mail goes on."""
    try:
        publish()
    except Exception as error:  # noqa: BLE001 - events must not stop mail
        frames = "".join(traceback.format_tb(error.__traceback__))
        log.error("events still owed: %s\n%s", error_name(error), frames)


def make_challenge(env: Mapping[str, str], stage: Settings, service: Service) -> "Challenge | None":
    """Return the challenge of a stage; None if it has none.

    Only the API's function needs it.
    """
    if stage.challenge == "off" or not env.get("_HANDLER", API).endswith(API):
        return None
    from chalicelib.web.challenge import Challenge  # not at the top: altcha takes 30 ms

    def is_asked(now: datetime) -> bool:
        return stage.challenge == "altcha" or service.sign_up_rate.is_high(now)

    return Challenge(stage.secret_key, is_asked, service.now)


def serve_challenge(challenge: "Challenge | None", site: Site, answers: Answers) -> None:
    """Add the routes of the stage's challenge, if it has one, to ``site``."""
    if challenge:
        challenge.serve(site, answers)


def _compose_if_delivered(
    compose: Callable[..., Mail], exchanges: MailExchanges, user: User, *arguments: str
) -> Mail:
    """Compose a mail if its domain takes mail. Otherwise raise AddressError: the mail fails."""
    mail = compose(user, *arguments)
    if not exchanges.takes_mail(mail.to):
        raise AddressError("takes no mail")
    return mail


def warm_up(env: Mapping[str, str], service: Service) -> None:
    """Make the clients while Lambda loads the function, which then has a whole processor.

    Then end the settings of the cold start.
    """
    if function := env.get("_HANDLER"):
        sends = function.endswith(("send_validation_mail", "resend_owed_mail"))
        _ = (service.mailer, service.publisher) if sends else service.users
    cold_start.end(env)


def seconds_left(event: Any) -> Callable[[], float]:
    """Return a function that returns the seconds left to the event's invocation."""
    return lambda: event.context.get_remaining_time_in_millis() / 1000


def _pause(seconds: float) -> None:
    time.sleep(seconds)
