"""The local cloud and the mailbox in one process, each behind the guard.

Run as a module. The environment says where: GATEWAY_PORT, MAILBOX_PORT and the keys of the run.
"""

import asyncio
import os
import resource
import signal
import threading
from functools import partial

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import AUTH, app  # type: ignore[import-untyped]
from ministack.services import lambda_svc, sns  # type: ignore[import-untyped]

from ops.run import api_destinations
from ops.run.guard import App, Guard, cloud_refusal, mailbox_refusal
from ops.run.mail_events import Publisher
from ops.run.mailbox import Mailbox, Pages, Recorder
from ops.stage.local_cloud import ACCOUNT, HOST, REGION

NOTIFIED_AT_ONCE = 2
"""The messages of a topic that functions handle at the same time, at most."""
KEEP_ALIVE = 75  # seconds, as ministack's own server has it
GRACE = 1.0


async def main() -> None:
    """Serve until SIGTERM."""
    api_destinations.install()
    secret_key = os.environ["AWS_SECRET_ACCESS_KEY"]
    # Without IAM, the local cloud gives its functions the account's number as their access key.
    keys = {os.environ["AWS_ACCESS_KEY_ID"]: secret_key, ACCOUNT: secret_key}
    mailbox = Mailbox()
    publisher = Publisher(f"http://{HOST}:{os.environ['GATEWAY_PORT']}", REGION)
    recorder = Recorder(app, mailbox, publisher.mail_taken)
    cloud = Guard(recorder, partial(cloud_refusal, keys=keys, enforces_iam=AUTH))
    pages = Guard(Pages(mailbox), mailbox_refusal)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await asyncio.gather(
        _serve(cloud, int(os.environ["GATEWAY_PORT"]), stopped),
        _serve(pages, int(os.environ["MAILBOX_PORT"]), stopped),
    )


def _notify_few_at_once() -> None:
    """Let messages of topics wait for one another, as AWS's own queue before a function does.

    ministack 1.5.33 hands each to a process of its own, so a burst of mails would start hundreds
    of processes. Safe to delete once it bounds them: its core/lambda_runtime.py, acquire_worker.
    """
    deliver = sns._deliver_to_lambda
    few = threading.BoundedSemaphore(NOTIFIED_AT_ONCE)

    def deliver_in_turn(*message: object) -> None:
        with few:
            deliver(*message)

    sns._deliver_to_lambda = deliver_in_turn


def _settle_at_once() -> None:
    """Let functions be ready at once, where AWS takes seconds.

    ministack 1.5.33 takes half a second for each change, eight of which a deploy waits for. Safe to
    delete: services/lambda_svc.py then waits again.
    """
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0.01


async def _serve(guarded: App, port: int, stopped: asyncio.Event) -> None:
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = KEEP_ALIVE
    config.graceful_timeout = GRACE
    await serve(guarded, config, shutdown_trigger=stopped.wait)  # type: ignore[arg-type]


if __name__ == "__main__":
    # A burst of connections must not end at 1,024 open files.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _notify_few_at_once()
    _settle_at_once()
    asyncio.run(main())
