"""A proxy that imitates how AWS settles: a change is known only after some looks."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from tests.support.forwarding import Forwarder

HOST = "127.0.0.1"
LOOKS = 2
"""How often AWS is asked in vain before it has settled."""
DELETIONS = 8
"""How often an API is not deleted yet. On AWS that lasts 30 s, and botocore repeats four times."""

FUNCTION = re.compile(r"/2015-03-31/functions/([^/?]+)(/configuration|/code)?")
FUNCTIONS = "/2015-03-31/functions"
MAPPINGS = "/2015-03-31/event-source-mappings"
MAPPING = re.compile(MAPPINGS + r"/([^/?]+)")
INVOKE_CONFIG = re.compile(r"/2019-09-25/functions/([^/?]+)/event-invoke-config")
THROTTLED = (FUNCTIONS, MAPPINGS, "/restapis")

ROLE = "The role defined for the function cannot be assumed by Lambda."
STREAM = (
    "Cannot access stream {}. Please ensure the role can perform the GetRecords, "
    "GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM."
)
PENDING = "The function is currently in the following state: Pending"
IN_PROGRESS = "An update is in progress for resource: {}"


class Refused(Exception):
    """An answer that AWS gives until it has settled."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


class Account:
    """What has not settled yet. ``seen`` counts each way in which AWS was waited for."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._lock = threading.Lock()

    def before(self, method: str, path: str, body: bytes) -> None:
        """Raise Refused for what AWS would not do yet."""
        if method in ("POST", "PUT", "DELETE") and path.startswith(THROTTLED):
            kind = f"{method} {path.split('/')[2 if path.startswith('/2') else 1]}"
            times = DELETIONS if (method, path[:10]) == ("DELETE", "/restapis/") else 1
            refusal = (429, "TooManyRequestsException", "Rate exceeded")
            self._refuse(kind, times, "throttled", refusal)
        if (method, path.rstrip("/")) == ("POST", FUNCTIONS):
            name = json.loads(body)["FunctionName"]
            refusal = (400, "InvalidParameterValueException", ROLE)
            self._refuse(f"role {name}", LOOKS, "role", refusal)
        elif (method, path.rstrip("/")) == ("POST", MAPPINGS):
            stream = json.loads(body)["EventSourceArn"]
            refusal = (400, "InvalidParameterValueException", STREAM.format(stream))
            self._refuse(f"stream {stream}", LOOKS, "stream", refusal)
        elif method == "PUT" and (found := FUNCTION.match(path) or INVOKE_CONFIG.match(path)):
            self._wait(found[1], "Pending", (409, "ResourceConflictException", PENDING))
            message = IN_PROGRESS.format(found[1])
            self._wait(found[1], "InProgress", (409, "ResourceConflictException", message))
        elif method in ("PUT", "DELETE") and (found := MAPPING.match(path)):
            busy = (400, "ResourceInUseException", "Cannot update it because it is in use.")
            self._wait(found[1], "Creating", busy)
            self._wait(found[1], "Updating", busy)

    def after(self, method: str, path: str, answer: dict[str, Any]) -> None:
        """Begin what a change has to settle, and let each look see that it has not."""
        if method == "POST" and path.rstrip("/") == FUNCTIONS:
            self._begin(answer["FunctionName"], "Pending")
            answer["State"] = "Pending"
        elif method == "POST" and path.rstrip("/") == MAPPINGS:
            self._begin(answer["UUID"], "Creating")
            answer["State"] = "Creating"
        elif found := FUNCTION.match(path):
            if method == "PUT":
                self._begin(found[1], "InProgress")
            state = answer.get("Configuration", answer)
            for key, unsettled in (("State", "Pending"), ("LastUpdateStatus", "InProgress")):
                if key in state and self._look(found[1], unsettled):
                    state[key] = unsettled
        elif found := MAPPING.match(path):
            if method == "PUT":
                self._begin(found[1], "Updating")
            for unsettled in ("Creating", "Updating"):
                if "State" in answer and self._look(found[1], unsettled):
                    answer["State"] = unsettled

    def _begin(self, name: str, state: str) -> None:
        with self._lock:
            self._left[f"{state} {name}"] = LOOKS

    def _look(self, name: str, state: str) -> bool:
        """Return True if ``name`` is still in that state; each look brings its end nearer."""
        with self._lock:
            left = self._left[f"{state} {name}"]
            if left:
                self._left[f"{state} {name}"] = left - 1
                self.seen[state] += 1
            return left > 0

    def _wait(self, name: str, state: str, refusal: tuple[int, str, str]) -> None:
        if self._look(name, state):
            self.seen[refusal[1]] += 1
            raise Refused(*refusal)

    def _refuse(self, what: str, times: int, kind: str, refusal: tuple[int, str, str]) -> None:
        with self._lock:
            self._left[f"met {what}"] += 1
            if self._left[f"met {what}"] > times:
                return
            self.seen[kind] += 1
        raise Refused(*refusal)


class Request(Forwarder):
    """One request, passed on to the cloud unless the account refuses it."""

    account: Account
    target: str

    def handle_any(self) -> None:
        body = self.read_body()
        path = self.path.partition("?")[0]
        try:
            self.account.before(self.command, path, body)
        except Refused as refused:
            content = json.dumps({"message": refused.message, "Message": refused.message}).encode()
            headers = {"x-amzn-errortype": refused.code, "Content-Type": "application/json"}
            self.answer(refused.status, headers, content)
            return
        status, received, content = self.forward(self.target, body)
        if status < 300 and path.startswith("/2015-03-31/") and content:
            answer = json.loads(content)
            self.account.after(self.command, path, answer)
            content = json.dumps(answer).encode()
        self.answer(status, received, content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - its own names


@contextmanager
def before(target: str) -> Iterator[tuple[str, Account]]:
    """The endpoint of a proxy before ``target``, and the account that it plays."""
    account = Account()
    handler = type("Handler", (Request,), {"account": account, "target": target})
    server = ThreadingHTTPServer((HOST, 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}", account
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
