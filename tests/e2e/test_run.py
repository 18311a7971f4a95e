"""`make run` as its user sees it: output, files and errors."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.shell import Shell
from tests.e2e.stack import PORTS, ROOT, Stack, free_ports, is_free, link_in, running, wait_for


def processes() -> dict[int, int]:
    """Return every process and its parent."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    return {int(pid): int(parent) for pid, parent in map(str.split, listed.splitlines())}


def children(pid: int) -> set[int]:
    """Return all processes below ``pid``."""
    parents = processes()
    below = {pid}
    for _ in parents:
        below |= {child for child, parent in parents.items() if parent in below}
    return below - {pid}


def tracked_changes() -> str:
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_stack_json_names_what_runs_where(stack: Stack) -> None:
    found = json.loads((stack.folder / "stack.json").read_text())
    keys = {"access_key", "secret_key"}
    assert set(found) == {"api", "mailbox", "aws", "region", "table", *keys}
    assert found["aws"] == f"http://127.0.0.1:{stack.port}"
    assert found["mailbox"] == f"http://127.0.0.1:{stack.port + 1}"
    assert found["api"].startswith(found["aws"])
    assert stack.get(found["mailbox"]).status == 200


def test_the_printed_curl_and_put_lines_work_as_they_stand(stack: Stack) -> None:
    printed = (stack.folder / "output").read_text()
    for address in (f"{stack.api}/", stack.mailbox):
        assert address in printed
    (curl,) = [line.strip() for line in printed.splitlines() if line.strip().startswith("curl ")]
    arguments = shlex.split(curl)
    body = next(word for word in arguments if word.startswith("{"))
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["status"] == "accepted"
    (mail, *_) = stack.wait_for_mails(json.loads(body)["email"])
    assert "GÜNST HORN" in mail["Subject"]
    assert stack.open(link_in(mail)).status == 200
    commands = printed.replace("\\\n", "").splitlines()
    (aws,) = [line for line in commands if "dynamodb put-item" in line]
    (put,) = [line for line in commands if line.startswith("./bienvenue put ")]
    session = Shell()
    session.expect(aws, "", 0)
    assert "is already in the table" in session.type(put)
    assert stack.wait_for_mails("horn@example.org")


def test_its_files_are_for_the_owner_alone(stack: Stack) -> None:
    open_to_others = [path for path in stack.folder.rglob("*") if path.lstat().st_mode & 0o077]
    # The package is built with the modes that Lambda needs, in a folder that nobody else can enter.
    assert not [path for path in open_to_others if path.parent == stack.folder]
    assert stack.folder.stat().st_mode & 0o777 == 0o700


def test_nothing_listens_outside_this_machine(stack: Stack) -> None:
    outside = socket.gethostbyname(socket.gethostname())
    if outside.startswith("127."):
        outside = "127.0.0.2"  # bound to 0.0.0.0, a server would answer here too
    for port in range(stack.port, stack.port + PORTS):
        with socket.socket() as caller:
            assert caller.connect_ex((outside, port)) != 0


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_ends_all_of_it(tmp_path: Path, by: signal.Signals) -> None:
    before = tracked_changes()
    with running(tmp_path) as stack:
        started = children(stack.process.pid)
        assert len(started) >= 2
        assert stack.stop(by) == 0
        for port in range(stack.port, stack.port + PORTS):
            wait_for(lambda port=port: is_free(port), 5, f"port {port} is free")
        wait_for(lambda: not started & set(processes()), 5, "its processes end")
        assert not (tmp_path / "stack.json").exists()
    assert tracked_changes() == before


def test_a_killed_run_leaves_nothing_that_hinders_the_next(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        assert stack.stop(signal.SIGKILL) == -signal.SIGKILL
        for port in range(stack.port, stack.port + PORTS):
            wait_for(lambda port=port: is_free(port), 10, f"port {port} is free")
    (tmp_path / "stack.json").unlink(missing_ok=True)
    with running(tmp_path) as stack:
        assert stack.get(f"{stack.api}/").status == 200


def test_a_taken_port_is_reported_in_plain_words(tmp_path: Path) -> None:
    port = free_ports()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "ops", "run", "--port", str(port), "--state", str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert str(port + 1) in done.stderr + done.stdout
    assert f"--state {tmp_path} --port {port + 100}" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
