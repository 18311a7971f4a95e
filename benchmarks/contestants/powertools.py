"""(ii) The usual stack: Powertools for routes and logs, pydantic and jinja2.
what goes out.
"""

import secrets
from datetime import datetime, timezone

import boto3
import jinja2
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent, event_source
from pydantic import BaseModel, EmailStr

logger = Logger(service="bienvenue")
app = APIGatewayRestResolver()
dynamodb = boto3.client("dynamodb")
templates = jinja2.Environment(
    loader=jinja2.DictLoader({"body.txt": "Bienvenue {{ name }} !\n\n{{ link }}\n"}),
    autoescape=True,
)


class SignUp(BaseModel):
    email: EmailStr
    prenom: str
    nom: str


def update(email, change, **values):
    return dynamodb.update_item(
        TableName="users",
        Key={"email": {"S": email}},
        UpdateExpression=change,
        ExpressionAttributeValues={f":{name}": {"S": value} for name, value in values.items()},
        ReturnValues="ALL_NEW",
    )


def now():
    return datetime.now(timezone.utc).isoformat()


@app.post("/users")
def post_user():
    person = SignUp.model_validate(app.current_event.json_body)
    change = "SET mail = :owed, mail_at = :now, prenom = :prenom, nom = :nom"
    update(person.email, change, owed="owed", now=now(), prenom=person.prenom, nom=person.nom)
    return {"status": "accepted"}, 202


@app.get("/validate")
def open_link():
    query = app.current_event.query_string_parameters
    update(query["email"], "SET validated_at = :now", now=now())
    return {"status": "validated"}


def api(event, context):
    return app.resolve(event, context)


@event_source(data_class=DynamoDBStreamEvent)
def send_validation_mail(event, _context):
    ses = boto3.client("sesv2")
    body = templates.get_template("body.txt")
    for record in event.records:
        user = record.dynamodb.new_image
        link = f"https://hello.example.org/validate?token={secrets.token_urlsafe(32)}"
        update(user["email"], "SET mail = :new, mail_at = :now", new="sending", now=now())
        ses.send_email(
            FromEmailAddress="hello@example.org",
            Destination={"ToAddresses": [user["email"]]},
            Content={
                "Simple": {
                    "Subject": {"Data": "Bienvenue"},
                    "Body": {"Text": {"Data": body.render(name=user["prenom"], link=link)}},
                }
            },
        )
        update(user["email"], "SET mail = :new, mail_at = :now", new="sent", now=now())
        logger.info("mailed")
