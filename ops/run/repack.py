"""A package of functions with other code in it, and the dependencies that it has."""

import io
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from ops.resources.functions.package import MADE
from ops.run import changes

READABLE = 0o644 << 16


def repack(made: bytes, folder: Path) -> bytes:
    """Return the package ``made`` with the code of ``folder`` in place of its own."""
    ours = ("app.py", "chalicelib/", "__pycache__/app.")
    content = io.BytesIO()
    with ZipFile(io.BytesIO(made)) as before, ZipFile(content, "w", ZIP_DEFLATED) as package:
        for entry in before.infolist():
            if not entry.filename.startswith(ours):
                package.writestr(entry, before.read(entry))
        for path in changes.files(folder, ("app.py", "chalicelib")):
            entry = ZipInfo(path.relative_to(folder).as_posix(), MADE)
            entry.external_attr = READABLE
            package.writestr(entry, path.read_bytes(), ZIP_DEFLATED)
    return content.getvalue()
