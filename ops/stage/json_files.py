"""JSON files that others read too: replaced as a whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from ops.stage.errors import OpsError


def read(path: Path) -> dict[str, Any]:
    """Return the object in ``path``. Raises OpsError if it holds anything else, and
    FileNotFoundError if there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OpsError(f"{path} is not JSON ({error}): fix it, or restore it.") from error
    if not isinstance(content, dict):
        raise OpsError(f"{path} must hold a JSON object: fix it, or restore it.")
    return content


def write(path: Path, content: object) -> None:
    """Make ``path`` hold ``content``, as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(dumps(content), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def dumps(content: object) -> str:
    """Return ``content`` as it stands in a file."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
