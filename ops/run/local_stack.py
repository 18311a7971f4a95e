"""The whole service on this machine: a local cloud, a mailbox and the package.

Everything listens on 127.0.0.1 behind a guard, lives in one ``state`` folder that only its owner
can read, and ends with this process.
"""

import fcntl
import http.client
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.deploy.deployment import Options, deploy
from ops.resources.api.rest_api import Throttle
from ops.resources.settings.event_bus import EventOptions
from ops.run.guard import READY
from ops.run.processes import Processes
from ops.run.reload import copy_code
from ops.stage import json_files, local_stage
from ops.stage.cloud import Cloud
from ops.stage.errors import RunError
from ops.stage.local_cloud import ACCOUNT, HOST, REGION, Keys, connect
from ops.stage.project import CHECKOUT, STAGES, Project
from ops.stage.waiting import until
from ops.terminal import interrupts
from ops.terminal.interrupts import STOPPING
from ops.terminal.progress import Progress

MAIL_FROM = "bienvenue@example.org"
UNTHROTTLED = Throttle(10000, 5000, sign_up_rate=10000, sign_up_burst=5000)
"""The concurrency that AWS gives a new account."""
PATIENCE = 30.0
GLANCE = 0.25


@dataclass(frozen=True)
class Stack:
    """The addresses of the running service. stack.json has them while it runs.

    ``api`` is the address before ``/users``, ``aws`` the local cloud's endpoint. The local cloud
    obeys only requests that are signed with the two keys, which are new in each run.
    """

    api: str
    mailbox: str
    aws: str
    region: str
    table: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Ports:
    """Two in a row: the cloud and the mailbox."""

    cloud: int

    @property
    def mailbox(self) -> int:
        return self.cloud + 1

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.cloud}"

    def check(self, state: Path) -> None:
        """Raise RunError if any of them cannot be had for the run that is kept in ``state``."""
        for port in (self.cloud, self.mailbox):
            if reason := _port_problem(port):
                other = self.cloud + 100 if self.cloud < 60000 else local_stage.PORT
                raise RunError(
                    f"Port {port} is taken: {reason}. Stop the program that uses it, or choose "
                    f"other ports:\n{local_stage.command(state, other)}"
                )


def run(
    checkout: Path,
    state: Path,
    port: int,
    settings: Mapping[str, str],
    progress: Progress,
    ready: Callable[[Stack, Cloud, Project], Callable[[], None]],
    *,
    enforce_iam: bool = False,
    webhook: str = "",
) -> None:
    """Run ``checkout`` until a signal says to stop, keeping all that it needs in ``state``.

    ``ready`` is called once it is up, after ``state``/stack.json was written. It returns what is
    called again and again from then on. ``settings`` are further ones of the stage. With
    ``enforce_iam`` the functions may do only what their roles allow, as on AWS. ``webhook`` is an
    address that events are sent to. Raises RunError or DeployError.
    """
    ports = Ports(port)
    keys = Keys.random()
    leftovers = [state / "stack.json", state / "env"]
    with _until_stopped(), _private(state), _alone(state):
        for path in leftovers:
            path.unlink(missing_ok=True)
        ports.check(state)
        with Processes(state / "logs", leftovers) as processes:
            with progress.step("Local cloud and mailbox"):
                _start(processes, state, ports, keys, enforce_iam)
            project = copy(checkout, local_stage.project(state))
            cloud = connect(ports.endpoint, keys)
            events = EventOptions(is_on=True, webhook=webhook)
            stack = _deploy(cloud, project, ports, keys, settings, events, progress)
            (state / "env").write_text(_environment(stack), encoding="utf-8")
            json_files.write(state / "stack.json", asdict(stack))
            look = ready(stack, cloud, project)
            while True:
                processes.check()
                look()
                time.sleep(GLANCE)


def _port_problem(port: int) -> str:
    """Return why nothing can listen on ``port``; empty if something can."""
    with socket.socket() as probe, socket.socket() as listener:
        # To macOS an address is free though something listens on 0.0.0.0, so that is tried as well.
        if probe.connect_ex((HOST, port)) == 0:
            return "something answers there"
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            return error.strerror or "it cannot be bound"
    return ""


class _Stop(BaseException):
    """A signal asked the run to stop. It is no Exception, so that no library catches it."""


@contextmanager
def _until_stopped() -> Iterator[None]:
    def stop(*_: object) -> None:
        for number in STOPPING:  # ending takes a moment, and must not be cut short
            signal.signal(number, signal.SIG_IGN)
        raise _Stop

    with suppress(_Stop), interrupts.handled_by(stop):
        yield


@contextmanager
def _private(state: Path) -> Iterator[None]:
    """Let nobody but the owner read what is in ``state``, or is put there."""
    state.mkdir(parents=True, exist_ok=True)
    before = os.umask(0o077)
    try:
        state.chmod(0o700)
        for path in state.rglob("*"):  # an earlier version left them for all to read
            if not path.is_symlink():
                path.chmod(0o700 if path.is_dir() else 0o600)
        yield
    finally:
        os.umask(before)


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold ``state`` for this process. The system lets go of it however the process ends."""
    with (state / "lock").open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                f"Another run is using {state}. Stop it with Ctrl-C first, or give this one its "
                "own folder and ports:\n./bienvenue run --state .local/2 --port 8500"
            ) from error
        yield


def _start(processes: Processes, state: Path, ports: Ports, keys: Keys, enforce_iam: bool) -> None:
    scratch = state / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    # The Lambdas inherit this, so nothing of the user's is in it: no account, no proxy.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }
    processes.start(
        "cloud",
        [sys.executable, "-m", "ops.run.servers"],
        {
            **environment,
            "PYTHONPATH": str(CHECKOUT),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(ports.cloud),
            "MAILBOX_PORT": str(ports.mailbox),
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "IOT_MTLS_ENABLED": "0",  # or it listens on 0.0.0.0:8883
            "SFTP_ENABLED": "0",
            "AUTH": str(enforce_iam).lower(),
        },
    )

    def look() -> bool | None:
        processes.check()
        is_up = _answers(ports.cloud, READY) and _answers(ports.mailbox, "/messages/")
        return True if is_up else None

    until(look, PATIENCE, lambda: RunError(f"They did not start in {PATIENCE:.0f} s: {state}/logs"))


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def copy(checkout: Path, folder: Path) -> Project:
    """Copy what Chalice packages to ``folder``, so that no file of the checkout changes.

    Chalice's built packages stay there from run to run; what it once deployed is gone for good.
    """
    shutil.rmtree(folder / ".chalice" / "deployed", ignore_errors=True)
    shutil.rmtree(folder / STAGES, ignore_errors=True)
    copy_code(checkout, folder)
    (folder / ".chalice").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkout / ".chalice/config.json", folder / ".chalice/config.json")
    return Project(folder, local_stage.STAGE)


def _deploy(
    cloud: Cloud,
    project: Project,
    ports: Ports,
    keys: Keys,
    settings: Mapping[str, str],
    events: EventOptions,
    progress: Progress,
) -> Stack:
    cloud.session.client("sesv2").create_email_identity(EmailIdentity=MAIL_FROM)
    options = Options(mail_from=MAIL_FROM, throttle=UNTHROTTLED, events=events, settings=settings)
    deployed = deploy(cloud, project, options, progress)
    return Stack(
        api=deployed.base_url,
        mailbox=f"http://{HOST}:{ports.mailbox}",
        aws=ports.endpoint,
        region=deployed.region,
        table=deployed.table,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
    )


def _environment(stack: Stack) -> str:
    """Return lines for a shell, with which any AWS client uses the local cloud."""
    values = {
        "AWS_ACCESS_KEY_ID": stack.access_key,
        "AWS_SECRET_ACCESS_KEY": stack.secret_key,
        "AWS_DEFAULT_REGION": stack.region,
        "AWS_ENDPOINT_URL": stack.aws,
    }
    return "".join(f"export {name}={value}\n" for name, value in values.items())
