"""A Chalice app with nothing in it but the two AWS calls."""

from datetime import datetime, timezone

import boto3
from chalice.app import Chalice, Response

app = Chalice("bare")
dynamodb = boto3.client("dynamodb")


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


@app.route("/users", methods=["POST"])
def post_user():
    fields = app.current_request.json_body
    change = "SET mail = :owed, mail_at = :now, prenom = :prenom, nom = :nom"
    update(
        fields["email"], change, owed="owed", now=now(), prenom=fields["prenom"], nom=fields["nom"]
    )
    return Response({"status": "accepted"}, status_code=202)


@app.route("/validate")
def open_link():
    query = app.current_request.query_params
    update(query["email"], "SET validated_at = :now", now=now())
    return {"status": "validated"}
