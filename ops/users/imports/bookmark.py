"""How far an import has come, in a small file: what an interrupted one goes on from."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.stage import json_files
from ops.stage.errors import OpsError

_BLOCK = 1 << 20


@dataclass
class Tally:
    """What became of the rows up to ``line``."""

    line: int = 0
    owed: int = 0
    validated: int = 0
    there: int = 0
    twice: int = 0
    rejected: int = 0

    @property
    def imported(self) -> int:
        return self.owed + self.validated


@dataclass(frozen=True)
class Survey:
    """What is to be known of a file before it is read: ``digest`` tells it from any other. Of what
    comes through a pipe there is neither."""

    digest: str
    lines: int | None


def survey(path: Path) -> Survey:
    """Look through ``path``, block by block."""
    digest, lines, block = hashlib.sha256(), 0, b""
    with path.open("rb") as file:
        while read := file.read(_BLOCK):
            block = read
            digest.update(block)
            lines += block.count(b"\n")
    return Survey(digest.hexdigest(), lines + (not block.endswith(b"\n")))


@dataclass(frozen=True)
class Bookmark:
    """The file ``path``, about the import of what has ``digest`` into the one ``table``: a name is
    not enough, for a table that was made anew is empty. None without a digest, for then nobody can
    tell what goes on from where."""

    path: Path
    digest: str
    table: str

    def find(self) -> tuple[Tally, int]:
        """How far this import has come, and the size of its file of rejects; nothing where the
        bookmark is another's."""
        if not self.digest:
            return Tally(), 0
        try:
            found = json_files.read(self.path)
            if (found["digest"], found["table"]) == (self.digest, self.table):
                return Tally(**found["tally"]), found["rejects"]
        except (FileNotFoundError, OpsError, KeyError, TypeError):
            pass  # from the start, then: the table knows who is in
        return Tally(), 0

    def put(self, tally: Tally, rejects: int) -> None:
        """Remember that all is done up to here. Raises OpsError where it cannot be written."""
        if not self.digest:
            return
        content = {
            "digest": self.digest,
            "table": self.table,
            "tally": asdict(tally),
            "rejects": rejects,
        }
        try:
            json_files.write(self.path, content)
        except OSError as error:
            raise OpsError(
                f"{self.path} cannot be written ({error.strerror}): say --rejects <file> for one "
                "in another folder; this goes there, too."
            ) from error

    def remove(self) -> None:
        """Forget it: everything is done."""
        self.path.unlink(missing_ok=True)
