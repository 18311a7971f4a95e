"""Bienvenue's routes and event handlers."""

from chalicelib import cold_start  # noqa: F401  # first: it tunes Python for the imports below

# isort: split
import os
from datetime import datetime, timezone

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate, Response, SNSEvent

from chalicelib import logs, settings, wiring
from chalicelib.mail import feedback
from chalicelib.mail.mailer import BATCH
from chalicelib.templates import Templates
from chalicelib.users import links, tokens
from chalicelib.web import forms
from chalicelib.web.clicks import Clicks
from chalicelib.web.request import Request
from chalicelib.web.response import Answers
from chalicelib.web.site import Site

app = Chalice("bienvenue", configure_logs=False)
stage = settings.read(os.environ)
logs.configure(app.log, stage.secret_key)
templates = Templates(stage.templates_folder)
session = wiring.make_session()
service = wiring.Service(session, stage, templates, lambda: now())
challenge = wiring.make_challenge(os.environ, stage, service)
answers = Answers(stage, templates, challenge)
form = forms.SignUpForm.of(stage, templates.languages)
site = Site(app, answers)
wiring.serve_challenge(challenge, site, answers)
clicks = Clicks(answers, lambda: service.users)


@site.get("/")
@site.get("/users")  # a browser is here after it sent a form
@site.get("/resend")
@site.post("/")  # filled in, to fix a typo
def show_sign_up_page(request: Request) -> Response:
    return answers.sign_up_page(request)


@site.post("/users")
def post_user(request: Request) -> Response:
    if request.is_trapped:
        return answers.trapped(request)
    sign_up = form.read(
        request.fields, request.lang, is_form=request.is_form, sent_from=request.sent_from
    )
    if challenge and (refusal := challenge.refuse(answers, request, sign_up.email, now())):
        return refusal
    ticket = request.ticket or tokens.mint()
    service.users.sign_up(sign_up, tokens.digest(ticket), now())
    return answers.signed_up(request, sign_up, ticket)


@site.post("/resend")
def post_resend(request: Request) -> Response:
    wanted = forms.read_resend(request.fields, is_form=request.is_form)
    ticket_hash = tokens.digest(request.ticket) if request.ticket else ""
    service.users.resend(wanted.email, now(), token_hash=wanted.token_hash, ticket_hash=ticket_hash)
    return answers.accepted(request, wanted.email)


@site.get("/validate")
def open_link(request: Request) -> Response:
    return clicks.open(request, now())


@site.post("/validate")
def post_link_or_code(request: Request) -> Response:
    return clicks.post(request, now())


@site.get("/refuse")
def show_refusal_page(request: Request) -> Response:
    return answers.refusal_page(request, links.read(request.query))


@site.post("/refuse")
def post_refusal(request: Request) -> Response:
    return clicks.refuse(request, now())


@site.get("/favicon.ico")
def show_icon(request: Request) -> Response:  # noqa: ARG001  # a view has a request
    return answers.icon()


@site.get("/openapi.json")
def show_description(request: Request) -> Response:  # noqa: ARG001  # a view has a request
    return answers.description()


@app.on_dynamodb_record(
    stream_arn=stage.users_stream_arn,
    batch_size=BATCH,
    starting_position="TRIM_HORIZON",  # LATEST would miss writes while polling starts
)
def send_validation_mail(event: DynamoDBEvent) -> None:
    service.mail(event.to_dict()["Records"], wiring.seconds_left(event))


@app.on_sns_message(topic=stage.mail_feedback_topic_arn)
def record_mail_feedback(event: SNSEvent) -> None:
    for report in feedback.read(event.to_dict()["Records"], stage.mail_feedback_topic_arn):
        feedback.record(report, service.outbox, service.limits, now())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def resend_owed_mail(event: CloudWatchEvent) -> None:
    service.drain_all(event.to_dict()["id"], wiring.seconds_left(event))


def now() -> datetime:
    return datetime.now(timezone.utc)


wiring.warm_up(os.environ, service)
