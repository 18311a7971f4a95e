"""JSON files: whole or not at all, and plain words for what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.stage import json_files
from ops.stage.errors import OpsError


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.json"
    json_files.write(path, {"nom": "GÜNST HORN", "b": 1, "a": [1, 2]})
    assert json_files.read(path) == {"nom": "GÜNST HORN", "b": 1, "a": [1, 2]}
    assert "GÜNST" in path.read_text(encoding="utf-8")
    assert list(json_files.read(path)) == ["nom", "b", "a"]


def test_a_failed_write_keeps_the_former_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.json"
    json_files.write(path, {"is": "old"})

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        json_files.write(path, {"is": "new"})
    assert json_files.read(path) == {"is": "old"}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"a"', "\N{PILE OF POO}"])
def test_a_file_that_is_no_object_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OpsError, match=r"file\.json .*restore it"):
        json_files.read(path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OpsError, match=r"file\.json is not JSON"):
        json_files.read(path)
