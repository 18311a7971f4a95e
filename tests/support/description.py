"""The API's description for tests: the document, and the world of its examples."""

import json
from pathlib import Path

from chalicelib.users import tokens
from tests.support.service import Service

PATH = Path(__file__).parents[2] / "chalicelib/openapi.json"
DESCRIPTION = json.loads(PATH.read_text(encoding="utf-8"))
LINK = DESCRIPTION["components"]["examples"]["link"]["value"]


TICKET = DESCRIPTION["components"]["schemas"]["Ticket"]["examples"][0]


def mail_link(service: Service) -> None:
    """Store that the examples' link was mailed for the examples' ticket. It lives for an hour."""
    expires = {"N": str(int(service.clock.now().timestamp()) + 3600)}
    link = {"expires": expires, "ticket": {"S": tokens.digest(TICKET)}}
    service.put(
        {
            "email": {"S": LINK["email"]},
            "mail": {"S": "sent"},
            "links": {"M": {tokens.digest(LINK["token"]): {"M": link}}},
        }
    )
