"""Bienvenue's routes and event handlers: people sign up, get a mail and follow its link."""

import os
from datetime import datetime, timezone
from functools import cache

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate, Response, SNSEvent

from chalicelib import logs, settings, wiring
from chalicelib.mail import feedback
from chalicelib.mail.mailer import BATCH, Mailer
from chalicelib.mail.sweep import Sweep
from chalicelib.templates import Templates
from chalicelib.users import links, tokens
from chalicelib.users.domain_rules import DomainRules
from chalicelib.users.links import Link
from chalicelib.users.store import Users
from chalicelib.web import forms
from chalicelib.web.request import Request
from chalicelib.web.response import Answers
from chalicelib.web.site import Site
from chalicelib.wiring import seconds_left

app = Chalice("bienvenue", configure_logs=False)
logs.speak(app.log)
stage = settings.read(os.environ)
templates = Templates(stage.templates_folder)
app.api.binary_types = []  # all requests and answers are text, so none needs to be looked at
answers = Answers(stage, templates)
domains = DomainRules.of(stage)
site = Site(app, answers)
session = wiring.make_session()


@site.get("/")
@site.get("/users")  # where a browser stands after a form
@site.get("/resend")
def show_sign_up_page(request: Request) -> Response:
    return answers.sign_up_page(request)


@site.post("/")
def correct_sign_up(request: Request) -> Response:
    return answers.sign_up_page(request)


@site.post("/users")
def post_user(request: Request) -> Response:
    if request.is_trapped:
        return answers.trapped(request)
    sign_up = forms.read_sign_up(
        request.fields,
        request.lang,
        templates.languages,
        names=stage.names,
        is_form=request.is_form,
        domains=domains,
    )
    users().sign_up(sign_up, now())
    return answers.signed_up(request, sign_up.email, request.ticket or tokens.mint())


@site.post("/resend")
def post_resend(request: Request) -> Response:
    email = forms.read_resend(request.fields, is_form=request.is_form)
    users().resend(email, now())
    return answers.accepted(request, email)


@site.get("/validate")
def open_link(request: Request) -> Response:
    link = links.read(request.query)
    if link and (request.method == "HEAD" or request.is_prefetch or not stage.validate_on_get):
        return answers.confirm(request, link)
    return _validate(request, link)


@site.post("/validate")
def post_link(request: Request) -> Response:
    return _validate(request, links.read(request.fields))


@site.get("/openapi.json")
def show_description(request: Request) -> Response:  # noqa: ARG001  # a view has a request
    return answers.description()


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


def _validate(request: Request, link: Link | None) -> Response:
    if link is None:
        return answers.link_refused(request)
    click = users().validate(link.email, link.token_hash, now())
    return answers.clicked(request, link, click)


def now() -> datetime:
    return datetime.now(timezone.utc)


@cache
def users() -> Users:
    return wiring.make_users(session, stage)


@cache
def mailer() -> Mailer:
    return wiring.make_mailer(session, stage, templates, users(), now)


wiring.warm_up(os.environ, users, mailer)
