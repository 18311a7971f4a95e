"""The lines that a run prints: changes of the code, and events of users."""

import contextlib
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from ops.logs.log_stream import Logs
from ops.resources.functions import function_logs
from ops.run.changes import Changes
from ops.run.happenings import Stream
from ops.run.published import Published
from ops.run.reload import Reloader
from ops.stage.cloud import Cloud
from ops.stage.errors import OpsError
from ops.stage.project import Project
from ops.terminal.text import isolated, printable

_STYLES = {
    "validated": "green",
    "published": "cyan",
    "deployed": "green",
    "not deployed": "bold red",
    "mail failed": "bold red",
    "not mailed": "yellow",
    "WARNING": "yellow",
    "ERROR": "bold red",
    "CRITICAL": "bold red",
}
_NAMED = 3


class Follower:
    """Deploys changes of ``checkout`` and prints a line for each event, unless it is ``quiet``.

    What went wrong with a change is printed in any case.
    """

    def __init__(
        self,
        cloud: Cloud,
        project: Project,
        checkout: Path,
        state: Path,
        out: IO[str],
        *,
        quiet: bool = False,
    ) -> None:
        self._console = Console(file=out, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self._changes = Changes(checkout)
        self._reloader = Reloader(cloud, project, checkout, state)
        arn = project.environment["USERS_STREAM_ARN"]
        self._stream = Stream(cloud.session.client("dynamodbstreams"), arn)
        has_events = bool(project.environment.get("EVENT_BUS"))
        self._published = Published(cloud, project) if has_events and not quiet else None
        if not quiet:
            groups = {name: function_logs.group_of(project, name) for name in project.functions()}
            client = cloud.session.client("logs")
            threading.Thread(target=self._warn, args=(client, groups), daemon=True).start()

    def look(self) -> None:
        """Deploy what has changed, and print what has happened since the last look."""
        if changed := self._changes.look():
            self._reload(changed)
        if not self._quiet:
            # An error here is the end of the cloud, which the run finds out by itself.
            with contextlib.suppress(BotoCoreError, ClientError):
                published = self._published.read() if self._published else ()
                for happening in (*self._stream.read(), *published):
                    self._say(happening.event, happening.email, happening.detail, happening.at)

    def _reload(self, changed: list[Path]) -> None:
        started = time.monotonic()
        names = ", ".join(map(str, changed[:_NAMED]))
        if len(changed) > _NAMED:
            names += f" and {len(changed) - _NAMED} more"
        try:
            self._reloader.reload()
        except OpsError as error:
            self._say("not deployed", str(error), "the previous code keeps running")
        else:
            if not self._quiet:
                self._say("deployed", names, f"{time.monotonic() - started:.1f} s")

    def _warn(self, client: Any, groups: dict[str, str]) -> None:
        """Print what the functions log as a warning or worse."""
        logs = Logs(client, groups, lambda: datetime.now(timezone.utc), time.sleep)
        with contextlib.suppress(BotoCoreError, ClientError):
            for entry in logs.follow(datetime.now(timezone.utc)):
                if entry.level in _STYLES:
                    self._say(entry.level, entry.function, entry.message, entry.moment)

    def _say(self, event: str, whom: str, detail: str = "", at: datetime | None = None) -> None:
        moment = (at or datetime.now(timezone.utc)).astimezone()
        first, *more = printable(detail, lines=True).split("\n")
        self._console.print(
            Text.assemble(
                (f"{moment:%H:%M:%S}  ", "dim"),
                (f"{event:<14}", _STYLES.get(event, "")),
                isolated(printable(whom)),
                (f"  {first}" if first else "", "dim"),
            )
        )
        for line in more:
            self._console.print(Text(f"          {line}", "dim"))
