"""A bar for work that takes minutes: on a terminal, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Bar:
    """How far the work has come."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def set(self, done: int, said: str = "") -> None:
        self._progress.update(self._task, completed=done, said=said)

    def say(self, line: str) -> None:
        """Print ``line`` above the bar, or alone where there is none."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Bar]:
    """A bar on standard error, gone at the end; ``total`` is None where nobody knows."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        _Count(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[said]}", markup=False, style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield Bar(progress, progress.add_task(what, total=total, said=""))


class _Count(ProgressColumn):
    """How many of how many, and how many a second."""

    def render(self, task: Task) -> Text:
        done = f"{int(task.completed):,}"
        of = f"/{int(task.total):,}" if task.total is not None else ""
        speed = f"  {task.speed:,.0f}/s" if task.speed else ""
        return Text(f"{done}{of}{speed}")
