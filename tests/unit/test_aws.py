"""The session of all clients: botocore's own clients, slow parts done once."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    SSLError,
    UnknownServiceError,
)
from botocore.httpsession import where
from botocore.session import Session

from chalicelib.aws import QuickSession

ONCE = Config(retries={"total_max_attempts": 1}, max_pool_connections=20)


@pytest.fixture
def session() -> QuickSession:
    return QuickSession("dynamodb", "sesv2")


@pytest.fixture
def hung_up() -> Iterator[str]:
    """The address of something that answers calls and hangs up at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:

        def hang_up() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


class TableServer(BaseHTTPRequestHandler):
    """A DynamoDB that has one table, over connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = b'{"TableNames": ["users"]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def table_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a DynamoDB, and credentials for it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with ThreadingHTTPServer(("127.0.0.1", 0), TableServer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What connections write, one entry for each call."""
    written: list[bytes] = []
    send = HTTPConnection.send

    def noted(connection: HTTPConnection, data: Any) -> None:
        written.append(data if isinstance(data, bytes) else bytes(data))
        send(connection, data)

    monkeypatch.setattr(HTTPConnection, "send", noted)
    return written


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What authorities are read from, each time that they are."""
    read: list[object] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, *what: Any, **named: Any) -> None:
        read.append((what, named))
        load(context, *what, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    return read


def test_only_the_services_named_are_looked_for(
    session: QuickSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore looks into the folder of each of some 450 services otherwise."""
    looked: list[object] = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: looked.append(path) or listdir(path))
    assert session.create_client("dynamodb").meta.service_model.service_name == "dynamodb"
    assert len(looked) < 10
    with pytest.raises(UnknownServiceError):
        session.create_client("s3")


@pytest.mark.parametrize(
    "name", ["endpoints", "dynamodb/2012-08-10/service-2", "sesv2/2019-09-27/service-2"]
)
def test_what_describes_a_service_is_what_botocore_reads(session: QuickSession, name: str) -> None:
    theirs = Session().get_component("data_loader").load_data(name)
    ours = session.get_component("data_loader").load_data(name)
    assert ours == theirs
    assert list(ours) == list(theirs)
    assert type(ours) is dict


def test_a_description_that_is_not_there_is_not_made_up(session: QuickSession) -> None:
    assert session.get_component("data_loader").file_loader.load_file("/nowhere") is None


def test_certificate_authorities_are_read_once_for_all_clients(
    session: QuickSession, hung_up: str, loads: list[object]
) -> None:
    """Each connection reads them otherwise: 30 ms of a processor, two hundred times a batch."""
    users = session.create_client("dynamodb", endpoint_url=hung_up, config=ONCE)
    mails = session.create_client("sesv2", endpoint_url=hung_up, config=ONCE)

    def connect(number: int) -> None:
        with pytest.raises((SSLError, ConnectionClosedError)):
            users.list_tables() if number % 2 else mails.get_account()

    assert len(loads) == 1
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(connect, range(20)))
    assert len(loads) == 1


def test_no_authorities_are_read_for_what_is_not_encrypted(
    session: QuickSession, loads: list[object]
) -> None:
    session.create_client("dynamodb", endpoint_url="http://127.0.0.1:1")
    assert loads == []


def test_another_bundle_of_authorities_is_read_too(
    session: QuickSession, hung_up: str, loads: list[object], tmp_path: Path
) -> None:
    own = tmp_path / "own.pem"
    shutil.copyfile(where(), own)
    users = session.create_client("dynamodb", endpoint_url=hung_up, config=ONCE)
    mails = session.create_client("sesv2", endpoint_url=hung_up, config=ONCE, verify=str(own))
    for call in (users.list_tables, mails.get_account, mails.get_account):
        with pytest.raises((SSLError, ConnectionClosedError)):
            call()
    assert len(loads) == 2
    assert str(own) in str(loads[1])


def test_a_client_that_is_made_otherwise_is_left_as_it_is(session: QuickSession) -> None:
    other = SimpleNamespace(_endpoint=SimpleNamespace(http_session=object()))
    session._share_authorities(other)
    session._send_whole_requests(other)
    assert vars(other) == {"_endpoint": other._endpoint}


@pytest.mark.parametrize(
    ("service", "operation"),
    [("dynamodb", "UpdateItem"), ("sesv2", "SendEmail"), ("events", "PutEvents")],
)
def test_calls_go_where_the_rules_of_each_region_send_them(service: str, operation: str) -> None:
    ours, botocores = QuickSession(service), Session()
    partitions = botocores.get_available_partitions()
    regions = [
        region
        for partition in partitions
        for region in botocores.get_available_regions("ec2", partition_name=partition)
    ]
    assert len(regions) > 30
    for region in regions:
        by_rules = botocores.create_client(service, region_name=region)
        model = by_rules.meta.service_model.operation_model(operation)
        context: dict[str, Any] = {}
        expected = by_rules._resolve_endpoint_ruleset(model, {"TableName": "users"}, context)
        client = ours.create_client(service, region_name=region)
        assert client._resolve_endpoint_ruleset(model, {}, {}) == (expected[0], {}, {})
        assert context == {}, "the rules would sign otherwise"


@pytest.mark.parametrize("variant", ["use_fips_endpoint", "use_dualstack_endpoint"])
def test_other_kinds_of_endpoints_keep_their_rules(session: QuickSession, variant: str) -> None:
    config = ONCE.merge(Config(**{variant: True}))
    client = session.create_client("dynamodb", region_name="us-gov-west-1", config=config)
    assert client._ruleset_resolver is not None


def test_headers_and_body_are_written_at_once(
    session: QuickSession, table_server: str, writes: list[bytes]
) -> None:
    """botocore alone writes them one after the other: two packets, and two TLS records."""
    for maker, expected in ((session, 1), (Session(), 2)):
        writes.clear()
        client = maker.create_client("dynamodb", endpoint_url=table_server, config=ONCE)
        assert client.list_tables(Limit=7)["TableNames"] == ["users"]
        assert len(writes) == expected
        assert b"".join(writes).endswith(b'\r\n\r\n{"Limit": 7}')


def test_a_connection_is_used_for_the_next_call_too(
    session: QuickSession, table_server: str, writes: list[bytes]
) -> None:
    client = session.create_client("dynamodb", endpoint_url=table_server, config=ONCE)
    for limit in (7, 8):
        client.list_tables(Limit=limit)
    assert [write[-12:] for write in writes] == [b'{"Limit": 7}', b'{"Limit": 8}']
    assert len(client._endpoint.http_session._manager.pools) == 1


def test_a_body_in_a_file_is_sent_as_botocore_does(
    session: QuickSession, table_server: str, writes: list[bytes]
) -> None:
    client = session.create_client("dynamodb", endpoint_url=table_server, config=ONCE)

    def read_from_file(request: AWSPreparedRequest, **_: object) -> None:
        request.body = BytesIO(request.body)

    client.meta.events.register("before-send.dynamodb", read_from_file)
    assert client.list_tables(Limit=7)["TableNames"] == ["users"]
    assert [write[-12:] for write in writes[1:]] == [b'{"Limit": 7}']


def test_missing_authorities_fail_the_call_as_in_botocore(
    session: QuickSession, hung_up: str
) -> None:
    nowhere = "/nowhere/authorities.pem"
    client = session.create_client("dynamodb", endpoint_url=hung_up, config=ONCE, verify=nowhere)
    with pytest.raises(SSLError, match="No such file or directory"):
        client.list_tables()


def test_credentials_may_come_from_a_role_to_be_assumed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The session makes a client for that by itself."""
    config = tmp_path / "config"
    config.write_text(
        "[profile other]\nrole_arn = arn:aws:iam::123456789012:role/other\n"
        "credential_source = Environment\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    session = QuickSession("dynamodb")
    session.set_config_variable("profile", "other")
    with pytest.raises(EndpointConnectionError, match=r"127\.0\.0\.1:1"):
        session.create_client("dynamodb", config=ONCE).list_tables()


def test_garbage_collection_is_off_while_a_client_is_made(
    session: QuickSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    create = Session.create_client

    def watched(*arguments: Any, **options: Any) -> Any:
        seen.append(gc.isenabled())
        return create(*arguments, **options)

    monkeypatch.setattr(Session, "create_client", watched)
    session.create_client("dynamodb")
    assert seen == [False]


@pytest.mark.parametrize("service", ["dynamodb", "s3"], ids=["made", "failed"])
@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_afterwards_as_before(
    session: QuickSession, service: str, enabled: bool
) -> None:
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        try:
            session.create_client(service)
        except UnknownServiceError:
            assert service == "s3"
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
