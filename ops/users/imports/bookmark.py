"""The progress of an import in a small file, so that an interrupted one can go on."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.stage import json_files
from ops.stage.errors import OpsError

_BLOCK = 1 << 20


@dataclass
class Tally:
    """The number of rows up to ``line`` for each result."""

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
    """The hash of a file and its number of lines. A stream has neither."""

    digest: str
    lines: int | None


def survey(path: Path) -> Survey:
    """Read through ``path`` block by block, and return its survey."""
    digest, lines, block = hashlib.sha256(), 0, b""
    with path.open("rb") as file:
        while read := file.read(_BLOCK):
            block = read
            digest.update(block)
            lines += block.count(b"\n")
    return Survey(digest.hexdigest(), lines + (not block.endswith(b"\n")))


@dataclass(frozen=True)
class Bookmark:
    """The file ``path`` about the import of the file with ``digest`` into ``table``.

    ``table`` is the table's ARN and time of creation, because a table that was created again is
    empty. Without a digest there is no bookmark: a stream cannot be read again.
    """

    path: Path
    digest: str
    table: str

    def find(self) -> tuple[Tally, int]:
        """Return the progress of this import and the size of its file of rejects.

        Both are zero where the bookmark belongs to another import.
        """
        if not self.digest:
            return Tally(), 0
        try:
            content = json_files.read(self.path)
            if (content["digest"], content["table"]) == (self.digest, self.table):
                return Tally(**content["tally"]), content["rejects"]
        except (FileNotFoundError, OpsError, KeyError, TypeError):
            pass  # start again: the table knows who is in it
        return Tally(), 0

    def put(self, tally: Tally, rejects: int) -> None:
        """Write down that all rows up to ``tally.line`` are done. Raises OpsError."""
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
                f"{self.path} cannot be written ({error.strerror}). "
                "Name a file in another folder with --rejects; this file goes there too."
            ) from error

    def remove(self) -> None:
        """Delete the file, once the import is complete."""
        self.path.unlink(missing_ok=True)
