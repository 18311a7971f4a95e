"""A bar for work that takes minutes. Only a terminal shows it."""

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
    """A bar on the terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def set(self, done: int, detail: str = "") -> None:
        """Move the bar to ``done``, with a detail behind it."""
        self._progress.update(self._task, completed=done, detail=detail)

    def say(self, line: str) -> None:
        """Print ``line`` above the bar."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Bar]:
    """Show a bar on standard error until the work ends. ``total`` is None if it is unknown."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        _Count(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[detail]}", markup=False, style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield Bar(progress, progress.add_task(title, total=total, detail=""))


class _Count(ProgressColumn):
    """The count so far, the total, and the count a second."""

    def render(self, task: Task) -> Text:
        done = f"{int(task.completed):,}"
        of = f"/{int(task.total):,}" if task.total is not None else ""
        speed = f"  {task.speed:,.0f}/s" if task.speed else ""
        return Text(f"{done}{of}{speed}")
