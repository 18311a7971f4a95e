"""The bill of materials of the functions' package, in CycloneDX.

https://cyclonedx.org/docs/1.6/json/
"""

import hashlib
import uuid
from collections.abc import Iterator
from datetime import datetime
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from ops.release.locks import Locked

METADATA = ".dist-info/METADATA"


def make(
    package: Path, locked: list[Locked], version: str, commit: str, now: datetime
) -> dict[str, Any]:
    """Return the bill of ``package``, made of the packages in its lock.

    Each is as it is in the zip. Raises ValueError if the zip and the lock differ.
    """
    packed = dict(_packed(package))
    wanted = {library.name: library.version for library in locked}
    if packed != {
        name: (version, packed.get(name, ("", ""))[1]) for name, version in wanted.items()
    }:
        raise ValueError(f"{package.name} does not hold what requirements.txt names.")
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same package of the same commit has the same number.
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"bienvenue:{version}:{digest}").urn,
        "version": 1,
        "metadata": {
            "timestamp": now.isoformat(timespec="seconds"),
            "component": {
                "type": "application",
                "bom-ref": "bienvenue",
                "name": "bienvenue",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "properties": [{"name": "bienvenue:commit", "value": commit}],
            },
        },
        "components": [_component(library, packed[library.name][1]) for library in locked],
        "dependencies": [
            {"ref": "bienvenue", "dependsOn": [_purl(library) for library in locked]},
            *({"ref": _purl(library)} for library in locked),
        ],
    }


def _packed(package: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the name of each package in the zip, with its version and its licence."""
    with ZipFile(package) as archive:
        for entry in archive.namelist():
            if entry.endswith(METADATA) and entry.count("/") == 1:
                headers = BytesHeaderParser().parsebytes(archive.read(entry))
                licence = headers.get("License-Expression") or headers.get("License") or ""
                yield _normal(str(headers["Name"])), (str(headers["Version"]), str(licence))


def _component(library: Locked, licence: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(library),
        "name": library.name,
        "version": library.version,
        "purl": _purl(library),
        # What was downloaded is one of these.
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in library.hashes],
    }
    if licence and "\n" not in licence:
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def _purl(library: Locked) -> str:
    return f"pkg:pypi/{library.name}@{library.version}"


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
