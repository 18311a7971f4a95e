"""Chalice's Swagger document, as a session sends it to API Gateway."""

from __future__ import annotations

import json
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.session import Session


def sent_document(session: Session) -> dict[str, Any]:
    """Return the document that API Gateway gets when ``session`` puts one with /users."""
    documents: list[dict[str, Any]] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        documents.append(json.loads(request.body))

        class Raw:
            def stream(self) -> Any:
                yield b"{}"

        return AWSResponse(request.url, 200, {}, Raw())

    session.register("before-send.apigateway.PutRestApi", answer)
    client = session.create_client(
        "apigateway", "eu-west-3", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.put_rest_api(restApiId="a", mode="overwrite", body=json.dumps({"paths": {"/users": {}}}))
    (document,) = documents
    return document
