"""Bienvenue's routes and event handlers: people sign up, get a mail and follow its link."""

import os
from datetime import datetime, timezone

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate, Response, SNSEvent

from chalicelib import logs, settings, wiring
from chalicelib.mail import feedback
from chalicelib.mail.mailer import BATCH
from chalicelib.templates import Templates
from chalicelib.users import links, tokens
from chalicelib.users.links import Link
from chalicelib.web import forms
from chalicelib.web.request import Request
from chalicelib.web.response import Answers
from chalicelib.web.site import Site
from chalicelib.wiring import seconds_left

app = Chalice("bienvenue", configure_logs=False)
logs.speak(app.log)
stage = settings.read(os.environ)
logs.use_key(stage.secret_key)
templates = Templates(stage.templates_folder)
app.api.binary_types = []  # all requests and answers are text, so none needs to be looked at
answers = Answers(stage, templates)
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
    )
    ticket = request.ticket or tokens.mint()
    service.users.sign_up(sign_up, tokens.digest(ticket), now())
    return answers.signed_up(request, sign_up.email, ticket)


@site.post("/resend")
def post_resend(request: Request) -> Response:
    email = forms.read_resend(request.fields, is_form=request.is_form)
    service.users.resend(email, now())
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
    service.mailer.mail(event.to_dict()["Records"], seconds_left(event))


@app.on_sns_message(topic=stage.mail_feedback_topic_arn)
def record_mail_feedback(event: SNSEvent) -> None:
    for report in feedback.read(event.to_dict()["Records"], stage.mail_feedback_topic_arn):
        feedback.record(report, service.outbox, service.limits, now())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def resend_owed_mail(event: CloudWatchEvent) -> None:
    service.drain.drain(event.to_dict()["id"], seconds_left(event))


def _validate(request: Request, link: Link | None) -> Response:
    if link is None:
        return answers.link_refused(request)
    click = service.users.validate(link.email, link.token_hash, now())
    return answers.clicked(request, link, click)


def now() -> datetime:
    return datetime.now(timezone.utc)


service = wiring.Service(session, stage, templates, lambda: now())
wiring.warm_up(os.environ, service)
