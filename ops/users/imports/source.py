"""The file or stream that an import reads, and its encoding."""

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from ops.stage.errors import OpsError

# Spreadsheets write these first bytes. The one of UTF-32 begins with the one of UTF-16.
_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def is_stream(path: Path) -> bool:
    """Return True if ``path`` can be read once only: ``-``, a pipe or a terminal."""
    return str(path) == "-" or not path.is_file()


@contextmanager
def opened(path: Path, encoding: str | None) -> Iterator[TextIO]:
    """Open ``path`` as text, in ``encoding`` or the one that its first bytes name, else UTF-8.

    Bytes that are not in the encoding become surrogates, which spoil only their own row. Raises
    OpsError for an encoding that cannot do that.
    """
    binary = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    buffered = io.BufferedReader(cast("io.RawIOBase", binary))
    encoding = encoding or _encoding(buffered)
    with io.TextIOWrapper(
        buffered, encoding=encoding, errors="surrogateescape", newline=""
    ) as text:
        try:
            yield text
        except UnicodeError as error:
            raise OpsError(f"{path} is not in {encoding}: name another --encoding.") from error


def _encoding(buffered: "io.BufferedReader[io.RawIOBase]") -> str:
    start = buffered.peek(4)[:4]
    return next((name for mark, name in _ENCODINGS.items() if start.startswith(mark)), "utf-8")
