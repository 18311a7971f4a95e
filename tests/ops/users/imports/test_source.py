"""Files, pipes and standard input, in any encoding that their first bytes name."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ops.stage.errors import OpsError
from ops.users.imports import source

TEXT = "email,nom\nzoe@example.org,Zoë 🙂\n"


def read(path: Path, encoding: str | None = None) -> str:
    with source.opened(path, encoding) as text:
        return text.read()


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (b"", "utf-8-sig"),
        (b"", "utf-16"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32-be"),
    ],
)
def test_the_first_bytes_name_the_encoding(tmp_path: Path, mark: bytes, encoding: str) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(mark + TEXT.encode(encoding))
    assert read(file) == TEXT


@pytest.mark.parametrize("content", [b"", b"e", b"\xff"])
def test_a_file_of_few_bytes_is_utf_8(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    assert read(file) == content.decode(errors="surrogateescape")


def test_the_operator_may_name_the_encoding(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes("Zoë".encode("cp1252"))
    assert read(file, "cp1252") == "Zoë"
    assert read(file) == "Zo\udceb"


def test_half_a_character_of_utf_16_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(TEXT.encode("utf-16")[:-1])
    with pytest.raises(OpsError, match="is not in utf-16: name another --encoding"):
        read(file)


def test_a_pipe_is_a_stream_and_a_file_is_not(tmp_path: Path) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.touch()
    assert [source.is_stream(path) for path in (Path("-"), pipe, file)] == [True, True, False]


def test_a_pipe_is_read_once_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TEXT.encode("utf-16"),), daemon=True)
    writer.start()
    assert read(pipe) == TEXT
    writer.join(5)
