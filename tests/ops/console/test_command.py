"""`console` as it is typed, with a server on a real socket."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from ops.__main__ import ops
from ops.console.desk import Desk
from ops.console.server import HOST, LONGEST_FORM, Console, Server
from ops.stage import lookup
from ops.stage.cloud import Cloud
from ops.stage.lookup import Stage
from ops.stage.project import Project
from ops.users.store import OperatorsUsers
from tests.support.stores import Store


@pytest.fixture
def server(store: Store) -> Iterator[Server]:
    users = OperatorsUsers(store.client, store.table, store.mailboxes)
    with Server(Console(Desk(users, str), "prod"), 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(
    server: Server, method: str, path: str, body: str = "", **headers: str
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
    connection.request(method, path, body or None, headers)
    response = connection.getresponse()
    response.content = response.read().decode()  # type: ignore[attr-defined]
    connection.close()
    return response


def test_every_answer_is_kept_nowhere_and_runs_nothing(server: Server) -> None:
    for path in (f"/{server.console.key}/", f"/{server.console.key}/style.css", "/"):
        response = ask(server, "GET", path)
        assert response.headers["Cache-Control"] == "no-store"
        assert "script-src" not in response.headers["Content-Security-Policy"]
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in response.headers["Server"]


def test_only_this_machine_is_listened_to(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_nothing_is_printed_about_a_request(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    root = f"/{server.console.key}/"
    form = f"token={server.console.token}&text=alexis%40example.org"
    assert ask(server, "POST", f"{root}find", form).status == 303
    assert ask(server, "GET", "/alexis@example.org").status == 404
    assert ask(server, "BREW", "/alexis@example.org").status == 501
    with socket.create_connection((HOST, server.server_port)) as caller:
        caller.sendall(b"POST /alexis@example.org HTTP/1.1\r\ncontent-length: 9\r\n\r\n")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("length", [str(LONGEST_FORM + 1), "many", "-1"])
def test_no_form_is_longer_than_any_of_ours(server: Server, length: str) -> None:
    path = f"/{server.console.key}/find"
    headers = {"Content-Length": length}
    assert ask(server, "POST", path, **headers).status == 413


def test_a_taken_port_is_reported_in_a_sentence(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project.record({"USERS_TABLE": store.table}, {})
    cloud = Cloud(boto3.Session(), "1", "eu-west-3", "{}/{}".format)
    monkeypatch.setattr(lookup, "find", lambda *_: Stage(cloud, project))
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(ops, ["console", "--stage", "prod", "--port", port])
    assert done.exit_code == 1
    assert f"Port {port} is taken: choose another" in done.output
