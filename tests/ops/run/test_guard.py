"""The guard's rules, request by request, and the server around them."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ops.run.guard import Guard, cloud_refusal, mailbox_refusal
from ops.run.requests import Request

KEYS = {"LOCAL1": "secret"}
HERE = "127.0.0.1:8400"
PRODUCT = "/restapis/abc/api/_user_request_/users"
NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def request(method: str = "GET", path: str = "/", body: bytes = b"", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, path, path, "", {"host": HERE, **named}, body)


def signed(
    access_key: str = "LOCAL1",
    secret_key: str = KEYS["LOCAL1"],
    url: str = f"http://{HERE}/",
    body: bytes = b"{}",
    **headers: str,
) -> Request:
    """Return a request as botocore signs one."""
    unsigned = AWSRequest("POST", url, {"Host": HERE, **headers}, body)
    SigV4Auth(Credentials(access_key, secret_key), "dynamodb", "eu-west-3").add_auth(unsigned)
    parts = urlsplit(url)
    sent = {name.lower(): str(value) for name, value in unsigned.headers.items()}
    return Request("POST", parts.path, parts.path, parts.query, sent, body)


def refusal(asked: Request, **options: Any) -> str:
    return cloud_refusal(asked, KEYS, **options)


# The local cloud


@pytest.mark.parametrize(
    "url",
    [f"http://{HERE}/", f"http://{HERE}/2015-03-31/functions/arn%3Aaws%3Alambda?b=2&a=%2B1"],
)
def test_a_request_with_the_keys_of_the_run_passes(url: str) -> None:
    assert not refusal(signed(url=url))


def test_a_program_on_a_proxy_before_the_cloud_passes() -> None:
    assert not refusal(signed(Host="127.0.0.1:9999"))


@pytest.mark.parametrize(
    "asked",
    [
        request("POST"),
        request("GET", "/_ministack/ses/messages"),
        request("POST", "/_ministack/reset"),
        request("POST", "/_aws/execute-api/abc/api/users"),
        request("POST", authorization="AWS4-HMAC-SHA256 Credential=LOCAL1"),
        signed("test", "test"),
        signed("LOCAL1", "test"),
        signed("ASIAABCDEFGHIJKLMNOP", "test"),
    ],
)
def test_a_request_without_the_right_keys_is_refused(asked: Request) -> None:
    assert "not signed with the keys of this run" in refusal(asked)


@pytest.mark.parametrize("changed", ["body", "path", "query", "x-amz-date"])
def test_what_was_signed_may_not_be_changed(changed: str) -> None:
    right = signed(url=f"http://{HERE}/a?b=1")
    parts: dict[str, Any] = {
        "method": right.method,
        "path": right.path,
        "raw_path": right.raw_path,
        "query": right.query,
        "headers": dict(right.headers),
        "body": right.body,
    }
    assert not refusal(Request(**parts))
    if changed == "body":
        parts["body"] = b"{} "
    elif changed == "path":
        parts["raw_path"] = "/b"
    elif changed == "query":
        parts["query"] = "b=2"
    else:
        parts["headers"]["x-amz-date"] = "20200101T000000Z"
    assert refusal(Request(**parts))


def test_a_digest_that_is_not_the_bodys_is_refused() -> None:
    right = signed(**{"X-Amz-Content-SHA256": "0" * 64})
    assert refusal(right)


def test_with_iam_the_cloud_checks_the_keys_of_roles_itself() -> None:
    role = signed("ASIAABCDEFGHIJKLMNOP", "of the role")
    assert not refusal(role, enforces_iam=True)
    assert refusal(signed("test", "test"), enforces_iam=True)


@pytest.mark.parametrize(
    "path", ["/_ministack/ready", "/_ministack/lambda-code/000000000000/eu-west-3/bienvenue-local"]
)
def test_a_program_may_get_what_aws_gives_unsigned(path: str) -> None:
    assert not refusal(request("GET", path))
    assert refusal(request("POST", path))
    assert refusal(request("GET", path, origin="http://evil.example"))


# The deployed API


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},  # the API's own CORS decides
        {"origin": "null"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_the_deployed_api_is_for_every_page(method: str, headers: dict[str, str]) -> None:
    assert not refusal(request(method, PRODUCT, **headers))


@pytest.mark.parametrize(
    "path", ["/restapis/abc/api/_user_request", "/restapis/_user_request_/a/", "/x" + PRODUCT]
)
def test_only_the_deployed_apis_own_path_is_open(path: str) -> None:
    assert refusal(request("POST", path))


# Pages and hosts


@pytest.mark.parametrize("asks", [refusal, mailbox_refusal])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:3000"},  # another server on this machine
        {"origin": "http://localhost:8400"},
        {"origin": "https://127.0.0.1:8400"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors"},
        {
            "sec_fetch_site": "cross-site",
            "sec_fetch_mode": "navigate",
            "sec_fetch_dest": "iframe",
        },
    ],
)
def test_a_foreign_page_is_refused(asks: Any, headers: dict[str, str]) -> None:
    assert "may not use this" in asks(request("GET", "/", **headers))


@pytest.mark.parametrize("asks", [refusal, mailbox_refusal])
@pytest.mark.parametrize(
    "host",
    ["", "evil.example:8400", "127.0.0.1.evil.example", "evil@127.0.0.1", "127.0.0.1:80:80"],
)
@pytest.mark.parametrize("path", ["/", PRODUCT])
def test_a_name_that_is_not_this_machines_is_refused(asks: Any, host: str, path: str) -> None:
    assert "is not this machine" in asks(request("GET", path, host=host))


@pytest.mark.parametrize("host", [HERE, "localhost:8400", "[::1]:8400", "localhost"])
def test_this_machines_names_pass(host: str) -> None:
    assert not mailbox_refusal(request(host=host))
    assert not mailbox_refusal(request(host=host, origin=f"http://{host}"))


def test_a_link_to_the_mailbox_may_be_followed_but_not_posted() -> None:
    followed = {"sec_fetch_site": "cross-site"} | {
        name.replace("-", "_"): value for name, value in NAVIGATION.items()
    }
    assert not mailbox_refusal(request("GET", "/", **followed))
    assert mailbox_refusal(request("POST", "/", **followed))


def test_the_mailboxs_own_script_passes() -> None:
    assert not mailbox_refusal(request(sec_fetch_site="same-origin", sec_fetch_mode="cors"))


# The server


def serve(scope: dict[str, Any], *parts: bytes) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return what the guard sends, and the bodies that reach the app behind it."""
    incoming: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": n + 1 < len(parts)}
        for n, part in enumerate(parts)
    ]
    sent: list[Any] = []
    reached: list[bytes] = []

    async def app(_: Any, receive: Any, __: Any) -> None:
        reached.append((await receive())["body"])

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(app, refusal)(scope, receive, send))
    return sent, reached


def scope(*headers: tuple[str, str], path: str = PRODUCT) -> dict[str, Any]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": raw,
    }


def test_the_app_gets_the_whole_body_at_once() -> None:
    assert serve(scope(("Host", HERE)), b"one", b"two") == ([], [b"onetwo"])


def test_two_hosts_are_no_host() -> None:
    sent, reached = serve(scope(("host", HERE), ("host", "evil.example")), b"")
    assert (sent[0]["status"], reached) == (403, [])


@pytest.mark.parametrize(
    ("content_type", "start"),
    [("application/x-www-form-urlencoded", b"<ErrorResponse>"), ("application/json", b'{"__type"')],
)
def test_a_refusal_is_an_error_to_any_aws_client(content_type: str, start: bytes) -> None:
    asked = scope(("host", HERE), ("content-type", content_type), path="/")
    (head, body), reached = serve(asked, b"Action=ListQueues")
    assert (head["status"], reached) == (403, [])
    assert not any(name.startswith(b"access-control") for name, _ in head["headers"])
    assert body["body"].startswith(start)
    assert b"AccessDeniedException" in body["body"]


def test_web_sockets_are_refused() -> None:
    sent, reached = serve({"type": "websocket"}, b"")
    assert (sent, reached) == ([{"type": "websocket.close", "code": 1008}], [])
