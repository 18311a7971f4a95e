"""The API's description, for tests: the document, and the world that its examples are true in."""

import json
from pathlib import Path

from chalicelib.users import tokens
from tests.support.service import Service

PATH = Path(__file__).parents[2] / "chalicelib/openapi.json"
DESCRIPTION = json.loads(PATH.read_text(encoding="utf-8"))
LINK = DESCRIPTION["components"]["examples"]["link"]["value"]


def mail_link(service: Service) -> None:
    """Have the link of the examples be one that was mailed, and that lapses in an hour."""
    service.put(
        {
            "email": {"S": LINK["email"]},
            "mail": {"S": "sent"},
            "link_hashes": {"SS": [tokens.digest(LINK["token"])]},
            "link_expires_at": {"N": str(int(service.clock.now().timestamp()) + 3600)},
        }
    )
