"""The packages that a lock names."""

import re
from dataclasses import dataclass

_ENTRY = re.compile(
    r"^([\w.-]+)==([^\s;\\]+)[^\\\n]*((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE
)


@dataclass(frozen=True)
class Locked:
    """A package of a lock, and the SHA-256 of each file that may be downloaded."""

    name: str
    version: str
    hashes: tuple[str, ...]


def read(lock: str) -> list[Locked]:
    """Return the packages that the text of a ``lock`` names."""
    return [
        Locked(entry[1], entry[2], tuple(re.findall(r"sha256:([0-9a-f]{64})", entry[3])))
        for entry in _ENTRY.finditer(lock)
    ]
