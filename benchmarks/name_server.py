"""A name server for the local stack: some domains refuse all mail, others take it.

It takes root: for the port 53, and for an /etc/resolv.conf that only the stack sees.
"""

import re
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shlex import quote
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Any

NAME_SERVER = "127.0.0.53"
REFUSING = ".refusing.example.org"
"""Domains that end so have a null MX (RFC 7505). All others of ``example`` have an exchange."""
RESOLVER = Path("/etc/resolv.conf")


def seen_by_one(folder: Path) -> list[str]:
    """Return the beginning of a command whose process alone asks this name server."""
    own = folder / "resolv.conf"
    own.write_text(f"nameserver {NAME_SERVER}\noptions timeout:1\n", encoding="utf-8")
    mounted = f'mount --bind {quote(str(own))} {RESOLVER} && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mounted, "sh"]


@contextmanager
def running() -> Iterator[None]:
    """Answer DNS for the local stack alone: refusing domains have a null MX, others take mail."""
    with closing(socket(AF_INET, SOCK_DGRAM)) as listener:
        listener.bind((NAME_SERVER, 53))
        thread = threading.Thread(target=_answer, args=(listener,), daemon=True)
        thread.start()
        yield


def _answer(listener: socket) -> None:
    while True:
        try:
            question, client = listener.recvfrom(512)
        except OSError:
            return
        if b"\7example" not in question:  # such as for pip, which a deploy runs
            threading.Thread(target=_forward, args=(listener, question, client)).start()
            continue
        end = question.index(b"\0", 12) + 5
        exchange = (
            b"\0" if REFUSING.split(".")[1].encode() in question[12:end] else b"\x02mx\xc0\x0c"
        )
        record = struct.pack(">HHHIHH", 0xC00C, 15, 1, 60, 2 + len(exchange), 0) + exchange
        header = question[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, 1, 0, 0)
        listener.sendto(header + question[12:end] + record, client)


def _forward(listener: socket, question: bytes, client: Any) -> None:
    """Answer as this machine's own name server does."""
    own = re.search(r"^nameserver (\S+)", RESOLVER.read_text(encoding="utf-8"), re.MULTILINE)
    with closing(socket(AF_INET, SOCK_DGRAM)) as asker:
        asker.settimeout(3)
        asker.sendto(question, (own[1] if own else NAME_SERVER, 53))
        with suppress(OSError):
            listener.sendto(asker.recv(4096), client)
