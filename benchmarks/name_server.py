"""A name server for the local stack: some domains refuse all mail, others take it."""

import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Any

HOST = "127.0.0.1"
REFUSING = ".refusing.example.org"
"""Domains that end so have a null MX (RFC 7505). All others have an exchange."""

_CHOICE = """\
import dns.resolver


def read(self, _):
    self.nameservers, self.port = ["{host}"], {port}


dns.resolver.Resolver.read_resolv_conf = read
"""


@contextmanager
def running() -> Iterator[int]:
    """Yield the port at which DNS is answered, until the block ends."""
    with closing(socket(AF_INET, SOCK_DGRAM)) as listener:
        listener.bind((HOST, 0))
        threading.Thread(target=_answer, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def have_functions_ask(aws_lambda: Any, port: int, folder: Path) -> None:
    """Have the functions of a local stack ask this name server, and no other.

    A system's settings name no port, and only root has port 53. So the functions' Python reads a
    file in ``folder`` at its start, which names both. The code that is shipped does not change.
    """
    (folder / "sitecustomize.py").write_text(_CHOICE.format(host=HOST, port=port), encoding="utf-8")
    for function in aws_lambda.list_functions()["Functions"]:
        variables = function["Environment"]["Variables"]
        aws_lambda.update_function_configuration(
            FunctionName=function["FunctionName"],
            Environment={"Variables": {**variables, "PYTHONPATH": str(folder)}},
        )


def _answer(listener: socket) -> None:
    while True:
        try:
            question, client = listener.recvfrom(512)
        except OSError:
            return
        end = question.index(b"\0", 12) + 5
        exchange = (
            b"\0" if REFUSING.split(".")[1].encode() in question[12:end] else b"\x02mx\xc0\x0c"
        )
        record = struct.pack(">HHHIHH", 0xC00C, 15, 1, 60, 2 + len(exchange), 0) + exchange
        header = question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, 1, 0, 0)
        listener.sendto(header + question[12:end] + record, client)
