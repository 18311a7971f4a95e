"""Bytecode beside the code in a package: Lambda's file system is read-only, so that each cold start
would compile all of it anew."""

import compileall
import os
import shutil
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# email-validator asks for it by name, and needs it for what we do not ask of it.
NEVER_LOADED = "dns"
MADE = (1980, 1, 1, 0, 0, 0)  # the earliest moment of a zip: the same code makes the same package


def add(package: Path) -> None:
    """Put the bytecode of the code in ``package``, a zip, beside it, unless it is there already.

    Python compares it with the hash of its source (PEP 552) and its own version: what was made of
    other code, or by another Python, is passed over.
    """
    with TemporaryDirectory() as folder, ZipFile(package) as archive:
        archive.extractall(folder)
        before = set(archive.namelist())
        shutil.rmtree(Path(folder, NEVER_LOADED), ignore_errors=True)
        # A file that does not compile is none of Lambda's: what imports it fails there as here.
        compileall.compile_dir(
            folder,
            quiet=2,
            stripdir=folder,  # or each holds the path that it was compiled at
            invalidation_mode=PycInvalidationMode.CHECKED_HASH,
        )
        made = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(Path(folder).rglob("*.pyc"))
        }
    _append(package, {name: code for name, code in made.items() if name not in before})


def _append(package: Path, files: dict[str, bytes]) -> None:
    """Add ``files`` to a zip, which is at any time whole: as it was, or with all of them."""
    if not files:
        return
    partial = package.with_name(f".{package.name}.{os.getpid()}")
    try:
        shutil.copyfile(package, partial)
        with ZipFile(partial, "a", ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(ZipInfo(name, MADE), content, ZIP_DEFLATED)
        partial.replace(package)
    finally:
        partial.unlink(missing_ok=True)
