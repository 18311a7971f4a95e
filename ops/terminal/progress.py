"""Steps told as they go: a spinner and a line each on a terminal, plain lines anywhere else."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import IO

from rich.console import Console
from rich.text import Text

Say = Callable[[str], None]
"""Tells how a step is getting on; what is said last stands beside the finished step."""


class Progress:
    """Writes to ``out``, which is told apart from a terminal by itself."""

    def __init__(self, out: IO[str]) -> None:
        self._console = Console(file=out, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, what: str) -> Iterator[Say]:
        """One step, named by what is being done; its line says how long it took."""
        said = ""
        started = time.monotonic()
        terminal = self._console.is_terminal
        status = self._console.status(Text(what)) if terminal else None

        def say(detail: str) -> None:
            nonlocal said
            said = detail
            if status:
                status.update(_line(what, detail))

        try:
            with status or nullcontext():
                yield say
        except BaseException:
            self._console.print(Text.assemble(("✗ ", "red"), _line(what, said)))
            raise
        seconds = Text(f"  {time.monotonic() - started:.1f} s", "dim")
        self._console.print(Text.assemble(("✓ ", "green"), _line(what, said), seconds))


def _line(what: str, detail: str) -> Text:
    return Text(f"{what}: {detail}" if detail else what)
