"""Steps as they happen: a spinner on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import IO

from rich.console import Console
from rich.text import Text

Say = Callable[[str], None]
"""Shows a detail beside a step. The last one stays beside the finished step."""


class Progress:
    """Writes steps to ``out``."""

    def __init__(self, out: IO[str]) -> None:
        self._console = Console(file=out, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """Show a step while it runs, then how long it took."""
        detail = ""
        started = time.monotonic()
        status = self._console.status(Text(title)) if self._console.is_terminal else None

        def say(text: str) -> None:
            nonlocal detail
            detail = text
            if status:
                status.update(_line(title, text))

        try:
            with status or nullcontext():
                yield say
        except BaseException:
            self._console.print(Text.assemble(("✗ ", "red"), _line(title, detail)))
            raise
        seconds = Text(f"  {time.monotonic() - started:.1f} s", "dim")
        self._console.print(Text.assemble(("✓ ", "green"), _line(title, detail), seconds))


def _line(title: str, detail: str) -> Text:
    return Text(f"{title}: {detail}" if detail else title)
