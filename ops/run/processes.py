"""Child processes that end with their parent, in groups of their own."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ops.run import watchdog
from ops.stage.errors import RunError
from ops.terminal import interrupts

TAIL = 15


@dataclass(frozen=True)
class Child:
    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def check(self) -> None:
        """Raise RunError, with the end of its log, if the child has ended."""
        status = self.process.poll()
        if status is None:
            return
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        raise RunError("\n  ".join([f"{self.name} {how}. The end of {self.log}:", *lines]))


class Processes:
    """Children of this process. None outlives the ``with`` block, nor this process if it is killed.

    ``leftovers`` are files that must not outlive it either.
    """

    def __init__(self, logs: Path, leftovers: Sequence[Path] = ()) -> None:
        self._logs = logs
        self._leftovers = leftovers
        self._children: list[Child] = []

    def __enter__(self) -> "Processes":
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", watchdog.__file__, *map(str, self._leftovers)],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us alone
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        watchdog.end([child.process.pid for child in self._children], self._reap)
        for child in self._children:
            child.process.wait()
        for path in self._leftovers:
            path.unlink(missing_ok=True)
        self._guard.kill()  # its targets are gone, and their process ids may be reused
        with contextlib.suppress(BrokenPipeError):
            self._guard.communicate()

    def _reap(self) -> None:
        for child in self._children:
            child.process.poll()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a child whose environment is ``environment`` and nothing else."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("wb") as out, _undisturbed():
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            child = Child(name, process, log)
            self._children.append(child)
            if self._guard.stdin:
                self._guard.stdin.write(f"{process.pid}\n".encode())
                self._guard.stdin.flush()
        return child

    def check(self) -> None:
        """Raise RunError if any child has ended."""
        for child in self._children:
            child.check()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off the signals that end us: a child that is started but not yet known would stay."""
    put_off: list[int] = []
    try:
        with interrupts.handled_by(lambda number, _: put_off.append(number)):
            yield
    finally:
        for late in put_off:
            signal.raise_signal(late)
