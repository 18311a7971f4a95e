"""HTTP as the AWS clients do it: through the operator's proxy, with the certificates they trust."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest
from botocore.exceptions import ConnectionError as NoConnection
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from chalicelib.settings import LOOPBACK
from ops.stage.errors import OpsError

TIMEOUT = 15


class NoAnswer(OpsError):
    """Nothing was heard from an address: the message says which, and how."""


@dataclass(frozen=True)
class Answer:
    """An answer, and the seconds that it took."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        """What the body says; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def get(url: str) -> Answer:
    """GET ``url``; a redirect is not followed. Raises NoAnswer."""
    return _send("GET", url, {})


def post(url: str, fields: Mapping[str, str]) -> Answer:
    """POST ``fields`` as JSON. Raises NoAnswer."""
    return _send("POST", url, {"Content-Type": "application/json"}, json.dumps(fields).encode())


def _send(method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Answer:
    request = AWSRequest(method, url, {"Accept": "application/json", **headers}, body)
    is_here = urlsplit(url).hostname in LOOPBACK
    proxies = {} if is_here else get_environ_proxies(url)
    session = URLLib3Session(proxies=proxies, timeout=TIMEOUT)
    started = time.monotonic()
    try:
        answer = session.send(request.prepare())
        return Answer(answer.status_code, answer.content, time.monotonic() - started)
    except (NoConnection, HTTPClientError) as error:
        place = urlsplit(url)._replace(path="", query="").geturl()  # the rest may be a secret
        raise NoAnswer(f"{place} does not answer ({type(error).__name__}).") from error
    finally:
        session.close()
