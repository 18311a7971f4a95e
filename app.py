"""Bienvenue: sign people up, mail them a link, believe the click. Routes and event handlers."""

import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache, partial
from typing import Any

from botocore.config import Config
from chalice.app import (
    Chalice,
    CloudWatchEvent,
    DynamoDBEvent,
    Rate,
    Request,
    Response,
    SNSEvent,
)

from chalicelib import aws, logs, settings, templates
from chalicelib.mail import feedback, message
from chalicelib.mail.mailer import BATCH, MAX_CONCURRENT, Mailer
from chalicelib.mail.ses import Delivery
from chalicelib.mail.sweep import Sweep
from chalicelib.users import links
from chalicelib.users.store import Users
from chalicelib.web import body, forms
from chalicelib.web.response import Site, Visit

app = Chalice("bienvenue", configure_logs=False)
logs.speak(app.log)
stage = settings.read(os.environ, templates.languages())
templates.prefer(stage.templates_folder)
app.api.binary_types = []  # all that is sent and answered here is text, so nobody needs to look
site = Site(app, stage)
session = aws.QuickSession("dynamodb", "sesv2")

# Two short tries answer well inside the API's 10 s; botocore's own defaults would outlive it.
DYNAMODB = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=MAX_CONCURRENT,
    user_agent=app.app_name,  # else each call describes botocore anew: an eighth of its work
    parameter_validation=False,  # a twentieth of a call's work, and AWS does it anyhow
)
# Three tries, 21 s at the worst: with those of DynamoDB, within stream.TIME_FOR_A_MAIL.
SES = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=MAX_CONCURRENT,
    user_agent=app.app_name,
    parameter_validation=False,
)


@app.middleware("http")
def answer(request: Request, get_response: Callable[[Request], Response]) -> Response:
    return site.finish(request, get_response(request))


# No content_types: whatever type of content a GET names (some clients do), it has none to read.
@app.route("/", methods=["GET", "HEAD"], content_types=[])
@site.view
def sign_up_page(visit: Visit) -> Response:
    return visit.sign_up_page()


@app.route("/", methods=["POST"], content_types=list(body.TYPES))
@site.view
def mend_sign_up(visit: Visit) -> Response:
    visit.fields()
    return visit.sign_up_page()


@app.route("/users", methods=["POST"], content_types=list(body.TYPES))
@site.view
def post_user(visit: Visit) -> Response:
    fields = visit.fields()
    if visit.trapped():
        return visit.accepted(fields.get("email"))
    person = forms.check(fields, visit.lang, templates.languages())
    users().sign_up(person, now())
    return visit.accepted(person.email)


@app.route("/resend", methods=["POST"], content_types=list(body.TYPES))
@site.view
def post_resend(visit: Visit) -> Response:
    email = forms.check_resend(visit.fields(), templates.languages())
    users().resend(email, now())
    return visit.accepted(email)


@app.route("/validate", methods=["GET", "HEAD"], content_types=[])
@site.view
def open_link(visit: Visit) -> Response:
    link = links.read(visit.query)
    if link and visit.changes_nothing:
        return visit.confirm(link)
    return _validate(visit, link)


@app.route("/validate", methods=["POST"], content_types=list(body.TYPES))
@site.view
def post_link(visit: Visit) -> Response:
    return _validate(visit, links.read(visit.fields()))


@app.route("/openapi.json", methods=["GET", "HEAD"], content_types=[])
@site.view
def description(visit: Visit) -> Response:
    return visit.description()


@app.on_dynamodb_record(
    stream_arn=stage.users_stream_arn,
    batch_size=BATCH,
    starting_position="TRIM_HORIZON",  # LATEST would miss what is written while polling starts
)
def send_validation_mail(event: DynamoDBEvent) -> None:
    mailer().mail(event.to_dict()["Records"], seconds_left(event))


@app.on_sns_message(topic=stage.mail_feedback_topic_arn)
def record_mail_feedback(event: SNSEvent) -> None:
    for one in feedback.read(event.to_dict()["Records"], stage.mail_feedback_topic_arn):
        users().record_feedback(one.email, one.verdict, now())


@app.schedule(Rate(1, unit=Rate.HOURS))
def resend_owed_mail(event: CloudWatchEvent) -> None:
    Sweep(users(), now).sweep(seconds_left(event))


def _validate(visit: Visit, link: links.Link | None) -> Response:
    if link is None:
        return visit.link_refused()
    return visit.clicked(link, users().validate(link.email, link.token_hash, now()))


def seconds_left(event: CloudWatchEvent | DynamoDBEvent) -> Callable[[], float]:
    """What tells how long the invocation that ``event`` came with may still take."""
    context: Any = event.context
    return lambda: context.get_remaining_time_in_millis() / 1000


def now() -> datetime:
    return datetime.now(timezone.utc)


@cache
def users() -> Users:
    return Users(session.create_client("dynamodb", config=DYNAMODB), stage.users_table)


@cache
def mailer() -> Mailer:
    ses = session.create_client("sesv2", config=SES)
    compose = partial(
        message.compose,
        base_url=stage.base_url,
        default_lang=stage.default_lang,
        languages=templates.languages(),
        brand=stage.brand,
    )
    delivery = Delivery(
        ses,
        stage.mail_from,
        stage.mail_configuration_set,
        from_name=stage.mail_from_name,
        reply_to=stage.mail_reply_to,
    )
    return Mailer(users(), delivery, compose, now, time.sleep)


if function := os.environ.get("_HANDLER"):
    # On Lambda, what loads has a whole processor to itself, and what answers a fraction of one.
    _ = mailer() if function.endswith("send_validation_mail") else users()
