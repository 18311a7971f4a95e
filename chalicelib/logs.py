"""Log lines that never hold an address, a name, a token or a link."""

import hashlib
import hmac
import logging
import sys
import traceback
from collections.abc import Callable

from botocore.exceptions import ClientError

_keys: dict[str, bytes] = {"hashes": b""}
_waiting: list[Callable[[], str]] = []


def use_key(secret_key: str | Callable[[], str]) -> None:
    """Key the hashes of users from now on, so that nobody can guess an address.

    A callable is called when the first hash is needed."""
    if callable(secret_key):
        _waiting[:] = [secret_key]
        return
    _waiting.clear()
    _keys["hashes"] = secret_key.encode()


def hashed(email: str) -> str:
    """Return the name of a user in logs: 12 digits of a keyed hash, enough to follow a user."""
    if _waiting:
        use_key(_waiting[0]())
    return hashed_with(_keys["hashes"], email)


def hashed_with(key: bytes, email: str) -> str:
    """Return the name of a user in logs whose hashes are keyed with ``key``."""
    return hmac.new(key, email.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:12]


def error_name(error: BaseException) -> str:
    """Name the error without its message, which may quote an address."""
    if isinstance(error, ClientError):
        return f"{error.operation_name} {error.response['Error']['Code']}"
    return type(error).__name__


def report_drain(
    log: logging.Logger, oldest_owed: float, mailed: int, owed: int, reason: str
) -> None:
    """Log the result of a run of the drain. Its metric and alarms read this line.

    A metric filter cannot read a number from a text within JSON. Lambda writes the entries of
    ``extra`` as fields of the line's JSON, which a filter can read.
    https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
    """
    log.info(
        "drain: oldest owed %d s, %d mailed, %d owed, %s",
        oldest_owed,
        mailed,
        owed,
        reason,
        extra={"oldest_owed": int(oldest_owed), "reason": reason},
    )


def report_events(log: logging.Logger, oldest_event: float, users: int, reason: str) -> None:
    """Log the result of a run of the drain of events. Its metric and alarm read this line."""
    log.info(
        "events: oldest owed %d s, those of %d users published, %s",
        oldest_event,
        users,
        reason,
        extra={"oldest_event": int(oldest_event), "reason": reason},
    )


def configure(chalice_log: logging.Logger, secret_key: str) -> None:
    """Turn our own loggers on, and keep the messages of exceptions out of Chalice's logs.

    ``secret_key`` keys the hashes of users.
    """
    use_key(secret_key)
    # Does nothing on AWS, whose runtime has set up logging; the local cloud has not.
    logging.basicConfig(stream=sys.stdout, format="[%(levelname)s] %(message)s")
    logging.getLogger("chalicelib").setLevel(logging.INFO)
    # No format prints the caller, and finding it is a third of a line's work (Python's
    # logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    chalice_log.addFilter(_without_message)


def _without_message(record: logging.LogRecord) -> bool:
    """Keep an exception's class and place. Drop its message, which may quote a user's words."""
    if record.exc_info and record.exc_info[0]:
        kind, _, trace = record.exc_info
        frames = "".join(traceback.format_tb(trace))
        record.msg = f"{record.getMessage()}: {kind.__name__}\n{frames}"
        record.args = None
        record.exc_info = None
    return True
