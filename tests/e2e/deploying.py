"""An operator's acts on a stage of the local cloud, each in its own process.

``python -m tests.e2e.deploying CLOUD ENDPOINT FOLDER COMMAND [OPERATION]``. COMMAND ``ops`` is
``python -m ops deploy``, ``destroy`` is ``python -m ops destroy``; either is killed as soon as AWS
has answered OPERATION. ``destroy-users`` takes the users along, ``record`` makes Chalice's record
again, ``chalice`` is ``chalice deploy``, ``doctor`` prints its findings, ``trial`` the report of
``python -m ops deploy --then-destroy``. ``limit`` and ``no-limit`` are deploys that turn the limit
by client on and off; ``embedded-limit`` also allows the pages of SHOP. What each asks of AWS stands
in FOLDER/asked-COMMAND, a permission a line.

CLOUD ``local`` is reached as ``make run`` reaches its own, ``moto`` as an account of AWS is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache, partial, partialmethod
from pathlib import Path
from typing import Any

from botocore.hooks import BaseEventHooks
from botocore.model import OperationModel
from botocore.session import Session
from chalice.awsclient import TypedAWSClient
from chalice.cli import factory

import ops.stage.cloud
from ops import chalice_command
from ops.deploy import report, trial
from ops.deploy.deployment import Options, deploy
from ops.deploy.trial import Transcript, Trial
from ops.destroy.destruction import destroy
from ops.doctor import check as doctor
from ops.doctor.checks import registry
from ops.doctor.facts import Facts
from ops.resources.functions import chalice_record
from ops.resources.settings import shared_settings
from ops.run.local_stack import MAIL_FROM
from ops.stage import api_gateway_pace
from ops.stage.cloud import Cloud
from ops.stage.local_cloud import connect
from ops.stage.local_stage import STAGE
from ops.stage.lookup import Stage
from ops.stage.project import Project
from ops.terminal.progress import Progress
from tests.e2e.stack import ROOT

ALARMS_TO = "ops@example.org"
SHOP = "https://shop.example"
"""Another website, whose pages a stage may allow."""
ASKED = "asked-{}"
"""The file of what each command asks of AWS."""
PREFIXES = {"monitoring": "cloudwatch"}
"""Where IAM calls a service otherwise than its requests are signed."""


def run(
    endpoint: str, folder: Path, command: str, *operation: str, cloud: str = "local"
) -> subprocess.CompletedProcess[str]:
    """Run this file, and return what it printed and how it ended."""
    return subprocess.run(
        [sys.executable, "-m", __name__, cloud, endpoint, str(folder), command, *operation],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _ops(cloud: Cloud, folder: str, last: str = "", **options: Any) -> None:
    deploy(
        _watched(cloud, Path(folder), last),
        Project(Path(folder), STAGE),
        Options(mail_from=MAIL_FROM, alarms_to=ALARMS_TO, **options),
        Progress(sys.stdout),
    )


def _record(cloud: Cloud, folder: str) -> None:
    project = Project(Path(folder), STAGE)
    watched = _watched(cloud, project.folder, "")
    assert shared_settings.download(watched.session.client("ssm"), project)
    names = chalice_record.ensure(watched, project, project.environment["USERS_STREAM_ARN"])
    sys.stdout.write(f"{len(names)} functions")


def _destroy(cloud: Cloud, folder: str, last: str = "", *, delete_users: bool = False) -> None:
    project = Project(Path(folder), STAGE)
    progress = Progress(sys.stdout)
    watched = _watched(cloud, project.folder, last)
    for left in destroy(watched, project, progress, delete_users=delete_users):
        sys.stdout.write(f"{left}\n")


def _watched(cloud: Cloud, folder: Path, last: str) -> Cloud:
    """``cloud``, until it has answered the operation ``last``; it writes down what it is asked."""

    def watch(events: BaseEventHooks) -> None:
        _die_after(last, events)
        events.register("before-call", partial(_write_down, folder / ASKED.format(_command())))

    def prepare(session: Session) -> None:
        watch(session.get_component("event_emitter"))
        cloud.prepare(session)

    watch(cloud.session.events)
    return replace(cloud, prepare=prepare)


@cache
def _command() -> str:
    """Return the command that this process runs; Chalice's own arguments take its place later."""
    return sys.argv[4]


def _write_down(asked: Path, model: OperationModel, **_: object) -> None:
    """Record the permission that an operation needs."""
    service = model.service_model.signing_name
    verb = model.http["method"] if service == "apigateway" else model.name
    with asked.open("a", encoding="utf-8") as file:
        file.write(f"{PREFIXES.get(service, service)}:{verb}\n")


def _die_after(operation: str, events: BaseEventHooks) -> None:
    if operation:
        events.register(f"after-call.{operation}", lambda **_: os.kill(os.getpid(), signal.SIGKILL))


def _chalice(cloud: Cloud, folder: str) -> None:
    make = factory.create_botocore_session

    def mended(**options: object) -> Session:
        session = make(**options)
        _watched(cloud, Path(folder), "").prepare(session)
        return session

    factory.create_botocore_session = mended
    _command()
    sys.argv[1:] = ["--project-dir", folder, "deploy", "--stage", STAGE]
    sys.exit(chalice_command.main())


def _doctor(cloud: Cloud, folder: str) -> None:
    stage = Stage(_watched(cloud, Path(folder), ""), Project(Path(folder), STAGE))
    facts = Facts(stage, Path(folder), lambda: datetime.now(timezone.utc))
    for check, finding in doctor.run(registry.CHECKS, facts):
        sys.stdout.write(f"{finding.light.value} {check.group}, {check.name}: {finding.text}\n")


def _trial(cloud: Cloud, folder: str) -> None:
    trial.TO_ANSWER = 0.0
    options = Options(mail_from=MAIL_FROM)
    one = Trial(cloud, Project(Path(folder), STAGE), options, tuple, Transcript(sys.stdout))
    one.run()
    sys.stdout.write(report.markdown(one))


def connect_to_moto(endpoint: str) -> Cloud:
    """Return moto's account, which nothing is mended for; its APIs have no addresses of AWS's."""
    connect(endpoint)
    account = ops.stage.cloud.connect()
    return replace(account, address=lambda api_id, stage: f"{endpoint}/{api_id}/{stage}")


if __name__ == "__main__":
    # These wait for 5 s at each refusal; the clouds on this machine settle sooner.
    api_gateway_pace.PAUSE = 0.05
    _call = TypedAWSClient._call_client_method_with_retries
    TypedAWSClient._call_client_method_with_retries = partialmethod(_call, delay_time=0.05)
    cloud, endpoint, folder, command, *operation = sys.argv[1:]
    {
        "ops": _ops,
        "limit": partial(_ops, per_ip_rate=30),
        "embedded-limit": partial(_ops, per_ip_rate=30, settings={"ALLOWED_ORIGINS": SHOP}),
        "no-limit": partial(_ops, per_ip_rate=0),
        "record": _record,
        "destroy": _destroy,
        "destroy-users": partial(_destroy, delete_users=True),
        "doctor": _doctor,
        "trial": _trial,
        "chalice": _chalice,
    }[command]({"local": connect, "moto": connect_to_moto}[cloud](endpoint), folder, *operation)
