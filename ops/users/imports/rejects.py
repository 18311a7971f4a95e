"""The file of rejected rows, each with its line number and the reason."""

import itertools
import os
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType

from ops.stage.errors import OpsError
from ops.users import csv_cells
from ops.users.imports.sheet import OURS, Row, Sheet

_ENCODING = "utf-8"
_BOM = "\ufeff"  # tells spreadsheets that the file is UTF-8


class Rejects:
    """The file ``path`` with rejected rows of ``sheet``. The first of them creates it.

    ``size`` is what an interrupted import wrote: that much is kept. Without one, the file of an
    earlier import is renamed, because an operator may be fixing it.
    """

    def __init__(self, path: Path, sheet: Sheet, size: int) -> None:
        self._path = path
        self._sheet = sheet
        # The lines and reasons in a file of rejects are about the file before it.
        self._repeats = sheet.header[: len(OURS)] == OURS
        self._size = size
        self._file: TextIOWrapper | None = None
        self.aside: Path | None = None
        """The new name of an earlier import's file, if there was one."""

    def __enter__(self) -> "Rejects":
        if self._path.exists() and not self._size:
            self.aside = self._path.replace(self._free_name())
        elif self._size:
            self._size = min(self._size, self._path.stat().st_size if self._path.exists() else 0)
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    @property
    def size(self) -> int:
        """The bytes that are in the file for good."""
        if self._file:
            self._file.flush()
            self._size = os.fstat(self._file.fileno()).st_size
        return self._size

    def add(self, row: Row, reason: str) -> None:
        """Write ``row``. Raises OpsError where the file cannot be written."""
        if not self._file:
            self._open()
        self._write((str(row.line), reason, *map(csv_cells.unguard, self._own_cells(row.cells))))

    def _free_name(self) -> Path:
        """Return the first unused name for an earlier file: none of them may be overwritten."""
        before = self._path.with_name(f"{self._path.name}.before")
        more = (Path(f"{before}{number}") for number in itertools.count(2))
        return next(path for path in itertools.chain((before,), more) if not path.exists())

    def _open(self) -> None:
        try:
            self._path.touch()
            os.truncate(self._path, self._size)
            self._file = self._path.open(
                "a", encoding=_ENCODING, errors="surrogateescape", newline=""
            )
        except OSError as error:
            raise OpsError(
                f"{self._path} cannot be written ({error.strerror}). "
                "Name another file with --rejects."
            ) from error
        if not self._size:
            self._file.write(_BOM)
            self._write((*OURS, *self._own_cells(self._sheet.header)))

    def _own_cells(self, row: tuple[str, ...]) -> tuple[str, ...]:
        return row[len(OURS) :] if self._repeats and len(row) > 1 else row

    def _write(self, row: tuple[str, ...]) -> None:
        self._file.write(csv_cells.line(row, self._sheet.delimiter))  # type: ignore[union-attr]
