"""HTTP through the operator's proxy and certificates, like the AWS clients."""

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
    """An address did not answer. The message says which, and why."""


@dataclass(frozen=True)
class Answer:
    """An answer, and the seconds until it came."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        """Return the body's JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def get(url: str) -> Answer:
    """Send a GET to ``url``, without following redirects. Raises NoAnswer."""
    return _send("GET", url, {})


def post(url: str, fields: Mapping[str, str]) -> Answer:
    """Send ``fields`` as JSON to ``url``. Raises NoAnswer."""
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
        place = urlsplit(url)._replace(path="", query="").geturl()  # the rest may hold a token
        raise NoAnswer(f"{place} does not answer ({type(error).__name__}).") from error
    finally:
        session.close()
