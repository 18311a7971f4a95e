"""A fake DynamoDB and SES: the calls that the functions make, over TLS.

A process of its own, so that its work is not the caller's. It stores nothing: every update
succeeds, every mail is taken after ``mail_seconds``. What it was asked for is counted.
"""

import asyncio
import hashlib
import json
import ssl
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import botocore
import trustme

from benchmarks.events import TOKEN

PERSON = {
    "prenom": {"S": "Alexis"},
    "nom": {"S": "GÜNST HORN"},
    "lang": {"S": "fr"},
    "created_at": {"S": "2026-11-24T12:00:00.000000Z"},
    "links": {
        "M": {hashlib.sha256(TOKEN.encode()).hexdigest(): {"M": {"expires": {"N": "4102444800"}}}}
    },
}
KEYS = {"AWS_ACCESS_KEY_ID": "fake", "AWS_SECRET_ACCESS_KEY": "fake", "AWS_SESSION_TOKEN": "fake"}


@dataclass(frozen=True)
class FakeAws:
    """A running one. ``bundle`` are the authorities to believe: botocore's own and its."""

    endpoint: str
    bundle: Path

    @property
    def environment(self) -> dict[str, str]:
        """What sends a function there, as far as AWS's own runtime does not set it otherwise."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": str(self.bundle),
            "AWS_DEFAULT_REGION": "eu-west-3",
            "AWS_REGION": "eu-west-3",
            **KEYS,
        }

    def counts(self) -> dict[str, int]:
        """Calls by operation since this was last asked."""
        context = ssl.create_default_context(cafile=str(self.bundle))
        with urllib.request.urlopen(f"{self.endpoint}/counts", context=context) as answer:  # noqa: S310
            counts: dict[str, int] = json.load(answer)
        return counts


@contextmanager
def running(folder: Path, mail_seconds: float = 0.0) -> Iterator[FakeAws]:
    """Yield a fake on a port of the system's choice. It ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    certificate, bundle = folder / "certificate.pem", folder / "bundle.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    # All that botocore believes stands in it too: reading that is what a real connection costs.
    bundle.write_bytes((Path(botocore.__file__).parent / "cacert.pem").read_bytes())
    authority.cert_pem.write_to_path(bundle, append=True)
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(certificate), str(mail_seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout  # noqa: S101 - it is a pipe
        port = int(process.stdout.readline())
        yield FakeAws(f"https://127.0.0.1:{port}", bundle)
    finally:
        process.terminate()
        process.wait()


class _Connection(asyncio.Protocol):
    """HTTP/1.1, one request after another, each answered from memory."""

    counts: ClassVar[Counter[str]] = Counter()
    mail_seconds = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        headers = {name.lower(): value.strip() for name, _, value in lines}
        length = int(headers.get(b"content-length", 0))
        if len(rest) < length:
            if headers.get(b"expect") and not rest:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        self._received = rest[length:]
        self._answer(head.split(b" ")[1], headers.get(b"x-amz-target", b""), rest[:length])

    def _answer(self, path: bytes, target: bytes, body: bytes) -> None:
        operation = target.partition(b".")[2].decode() or path.decode().rpartition("/")[2]
        if operation == "counts":
            self._write(self.counts)
            self.counts.clear()
            return
        self.counts[operation] += 1
        if operation == "outbound-emails":
            loop = asyncio.get_running_loop()
            loop.call_later(self.mail_seconds, self._write, {"MessageId": "0100"})
        elif operation in ("Query", "Scan"):
            self._write({"Items": [], "Count": 0, "ScannedCount": 0})
        else:
            self._write({"Attributes": {**PERSON, **json.loads(body).get("Key", {})}})

    def _write(self, content: object) -> None:
        body = json.dumps(content).encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"x-amzn-RequestId: 1\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)


async def _serve(certificate: str, mail_seconds: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    _Connection.mail_seconds = mail_seconds
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, ssl=context, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2])))
