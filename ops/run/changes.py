"""Changes of the code: the files, and whether Chalice must deploy them."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGED = ("app.py", "requirements.txt", "chalicelib", "vendor")

Snapshot = dict[Path, tuple[int, int]]


class Changes:
    """Looks for changed files in ``checkout``. A change counts once no file changes any more."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._deployed = self._latest = self._snapshot()

    def look(self) -> list[Path]:
        """Return the files that differ since the last time that this returned any."""
        before, self._latest = self._latest, self._snapshot()
        if self._latest != before or self._latest == self._deployed:
            return []
        differing = dict(self._latest.items() ^ self._deployed.items())
        self._deployed = self._latest
        return sorted(differing)

    def _snapshot(self) -> Snapshot:
        snapshot: Snapshot = {}
        for path in files(self._checkout):
            try:
                status = path.stat()
            except FileNotFoundError:  # an editor is just replacing it
                continue
            snapshot[path.relative_to(self._checkout)] = (status.st_mtime_ns, status.st_size)
        return snapshot


def files(folder: Path, names: Iterable[str] = PACKAGED) -> Iterator[Path]:
    """Yield the files at and below ``names``, without those of editors and of Python itself."""
    for name in names:
        for path in [folder / name, *(folder / name).rglob("*")]:
            is_hidden = path.name.startswith(".") or path.name.endswith("~")
            if path.is_file() and not is_hidden and "__pycache__" not in path.parts:
                yield path


def outline(source: str) -> list[str]:
    """Return what Chalice reads from app.py: the decorated functions, without their bodies."""
    return [
        "\n".join([node.name, *map(ast.unparse, node.decorator_list)])
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
