"""What `make run` refuses to begin with, and what of the checkout it copies."""

from __future__ import annotations

import fcntl
import io
import os
import socket
from pathlib import Path

import pytest

from ops.run import local_stack
from ops.run.local_stack import Ports
from ops.stage import local_stage
from ops.stage.errors import RunError
from ops.terminal.progress import Progress
from tests.e2e.stack import PORTS, free_ports


def test_ports_are_two_in_a_row() -> None:
    ports = Ports(8640)
    assert (ports.cloud, ports.mailbox) == (8640, 8641)
    assert ports.endpoint == "http://127.0.0.1:8640"


@pytest.mark.parametrize("which", range(PORTS))
def test_any_port_that_is_taken_is_named_with_a_way_to_others(tmp_path: Path, which: int) -> None:
    first = free_ports()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", first + which))
        listener.listen()
        with pytest.raises(
            RunError, match=f"Port {first + which} is taken: .*\nPORT=[0-9]+ make run"
        ):
            Ports(first).check(local_stage.STATE)
        with pytest.raises(RunError, match=f"Port {first + which} is taken: .*\n.* --port [0-9]+"):
            Ports(first).check(tmp_path)


def test_what_starts_a_run_keeps_to_its_folder_and_its_ports(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    assert local_stage.command(local_stage.STATE) == "make run"
    assert local_stage.command(local_stage.STATE, 9000) == "PORT=9000 make run"
    assert local_stage.command(folder, 9000) == f"./bienvenue run --state '{folder}' --port 9000"


def test_a_port_that_may_not_be_bound_is_told_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(RunError, match=r"Port 80 is taken: Permission denied\."):
        Ports(80).check(local_stage.STATE)


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunError, match=r"Another run is using .*\n.*--state"):
            local_stack.run(
                tmp_path,
                tmp_path,
                8640,
                {},
                Progress(io.StringIO()),
                lambda _: pytest.fail("it started"),
            )


def test_a_runs_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    old = tmp_path / "logs" / "cloud.log"
    old.parent.mkdir(mode=0o755)
    old.touch(0o644)
    before = os.umask(0o022)
    try:
        with local_stack._private(tmp_path):
            (tmp_path / "stack.json").touch()
        (tmp_path.parent / "after").touch()
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o777 for path in (tmp_path, *tmp_path.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert (tmp_path.parent / "after").stat().st_mode & 0o777 == 0o644


def test_a_copy_holds_only_what_chalice_packages_now(tmp_path: Path) -> None:
    checkout, folder = tmp_path / "checkout", tmp_path / "copy"
    for path in (
        "app.py",
        "requirements.txt",
        ".chalice/config.json",
        ".chalice/deployed/local.json",
        "chalicelib/web/response.py",
        "chalicelib/__pycache__/web.pyc",
        "chalicelib/templates/a.html",
        "ops/deploy/deployment.py",
    ):
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_text(path)
    for path in (
        ".chalice/deployed/local.json",
        ".chalice/deployments/package.zip",
        "chalicelib/gone.py",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("old")

    assert local_stack.copy(checkout, folder).stage == "local"
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {
        "app.py",
        "requirements.txt",
        ".chalice/config.json",
        ".chalice/deployments/package.zip",
        "chalicelib/web/response.py",
        "chalicelib/templates/a.html",
    }
