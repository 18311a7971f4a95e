"""The local cloud in its own process, for tests that must not trust moto alone."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

HOST = "127.0.0.1"
TIME_TO_START = 30.0
TIME_TO_STOP = 10.0


@contextmanager
def running(log: Path) -> Iterator[str]:
    """Yield the endpoint of a fresh local cloud, which logs to ``log`` and ends with the block."""
    port = _free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            # A clean environment: nothing of the developer's account, ports or proxies.
            env={
                "PATH": os.environ["PATH"],
                "LAMBDA_ACCOUNT_CONCURRENCY": "1000",  # as an account's, whatever this machine has
                "BIND_HOST": HOST,
                "GATEWAY_PORT": str(port),
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_ready(process, port, log)
            yield f"http://{HOST}:{port}"
        finally:
            process.terminate()
            try:
                process.wait(TIME_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def mails(endpoint: str, to: str) -> list[str]:
    """Return the texts of the mails to an address that SES took, the oldest first."""
    with urllib.request.urlopen(f"{endpoint}/_ministack/ses/messages") as answer:  # noqa: S310
        accounts = json.load(answer)["messages"].values()
    return [mail["BodyText"] for account in accounts for mail in account if mail["To"] == [to]]


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + TIME_TO_START
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the local cloud did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    with closing(connection):
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
