"""AWS WAF for the local cloud, as a proxy before a deployed API.

The local cloud keeps web ACLs and enforces none. This reads the web ACL of the API's stage, as it
was deployed, and does what AWS documents. It raises ValueError for anything that no stage of ours
has, rather than let a request through.
https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html
"""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.support.forwarding import HOP_BY_HOP, Forwarder

CHECKED_EVERY = 10.0
"""Seconds. AWS says that it checks often, and is late by less than 30 seconds as a rule."""


@dataclass(frozen=True)
class Refusal:
    """The answer of a rule that blocks."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class RateRule:
    """Counts each client's requests in the window, and refuses those of clients over the limit."""

    limit: int
    window: float
    method: str
    """The scope: only requests of this method are counted and refused."""
    refusal: Refusal
    checked_every: float
    _moments: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _limited: frozenset[str] = frozenset()
    _checked_at: float = float("-inf")

    def refuses(self, method: str, client: str, now: float) -> bool:
        """Count a request, and return True if it is refused. Refused requests count as well.

        Clients are limited, and are free again, when AWS looks: not at their very request.
        """
        if method != self.method:
            return False
        if now - self._checked_at >= self.checked_every:
            self._check(now)
        self._moments[client].append(now)
        return client in self._limited

    def _check(self, now: float) -> None:
        self._checked_at = now
        for moments in self._moments.values():
            while moments and moments[0] <= now - self.window:
                moments.popleft()
        self._limited = frozenset(
            client for client, moments in self._moments.items() if len(moments) > self.limit
        )


def rules(web_acl: Mapping[str, Any], checked_every: float = CHECKED_EVERY) -> list[RateRule]:
    """Return the rules of a web ACL, in order. Raises ValueError for what no stage of ours has."""
    _expect(web_acl["DefaultAction"], {"Allow": {}})
    ordered = sorted(web_acl["Rules"], key=lambda rule: rule["Priority"])
    return [_rate_rule(rule, web_acl["CustomResponseBodies"], checked_every) for rule in ordered]


def _rate_rule(
    rule: Mapping[str, Any], bodies: Mapping[str, Any], checked_every: float
) -> RateRule:
    (kind,) = rule["Statement"]
    _expect(kind, "RateBasedStatement")
    rate = rule["Statement"][kind]
    _expect(rate["AggregateKeyType"], "IP")  # by the connection, whatever a header says
    scope = rate["ScopeDownStatement"]["ByteMatchStatement"]
    _expect(scope["FieldToMatch"], {"Method": {}})
    _expect(scope["PositionalConstraint"], "EXACTLY")
    _expect([change["Type"] for change in scope["TextTransformations"]], ["NONE"])
    response = rule["Action"]["Block"]["CustomResponse"]
    body = bodies[response["CustomResponseBodyKey"]]
    _expect(body["ContentType"], "APPLICATION_JSON")
    headers = {header["Name"]: header["Value"] for header in response["ResponseHeaders"]}
    return RateRule(
        limit=int(rate["Limit"]),
        window=float(rate["EvaluationWindowSec"]),
        method=_text(scope["SearchString"]),
        refusal=Refusal(
            int(response["ResponseCode"]),
            {"Content-Type": "application/json", **headers},
            body["Content"].encode(),
        ),
        checked_every=checked_every,
    )


def _expect(value: object, known: object) -> None:
    if value != known:
        raise ValueError(f"{value} is not imitated, only {known}")


def _text(sought: str | bytes) -> str:
    """Return what a rule looks for: bytes in the API, text in a template.

    The local cloud hands the template's text to botocore, which takes it for base64.
    """
    if isinstance(sought, str):
        return sought
    return sought.decode() if sought.isascii() else base64.b64encode(sought).decode()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    target = ""
    rules: list[RateRule]
    refused: Counter[str]
    refused_since: dict[str, float]
    lock: threading.Lock
    clock: Callable[[], float]

    def refusal(self, method: str, client: str) -> Refusal | None:
        with self.lock:
            for rule in self.rules:
                if rule.refuses(method, client, self.clock()):
                    self.refused[client] += 1
                    self.refused_since.setdefault(client, time.time())
                    return rule.refusal
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: a client may leave before it is answered."""


class _Request(Forwarder):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_any(self) -> None:
        body = self.read_body()
        client = self.client_address[0]
        if refusal := self.server.refusal(self.command, client):
            self.answer(refusal.status, refusal.headers, refusal.body)
        else:
            self.answer(*self.forward(self.server.target, body, self._headers_of(client)))

    do_GET = do_HEAD = do_POST = do_OPTIONS = handle_any  # noqa: N815  # as its base class has it

    def _headers_of(self, client: str) -> dict[str, str]:
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP
        }
        hops = [*self.headers.get_all("x-forwarded-for", ()), client]  # as API Gateway's own edge
        host = urlsplit(self.server.target).netloc
        return {**headers, "Host": host, "X-Forwarded-For": ", ".join(hops)}


@dataclass(frozen=True)
class Firewall:
    """The address behind which the web ACL is, and what it refused.

    That is how many requests of each client, and since when, in seconds since 1970.
    """

    api: str
    refused: Counter[str]
    refused_since: dict[str, float]


@contextmanager
def enforced(
    web_acl: Mapping[str, Any], api: str, checked_every: float = CHECKED_EVERY
) -> Iterator[Firewall]:
    """Yield a firewall before ``api``, an address of the local cloud. It ends with the block."""
    with _Server(("127.0.0.1", 0), _Request) as server:
        server.target, server.rules = api, rules(web_acl, checked_every)
        server.refused, server.refused_since = Counter(), {}
        server.lock, server.clock = threading.Lock(), time.monotonic
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            yield Firewall(address, server.refused, server.refused_since)
        finally:
            server.shutdown()
            thread.join()
