"""Locks of what each purpose needs: every package, at one version, with its hashes.

`make lock` runs this after a change of an input. One lock holds for all supported Pythons and
systems. The larger ones are made first, so that the smaller ones take the same versions.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
INPUTS = Path(__file__).parent
LOCKS = {
    "dev": ROOT / "requirements-dev.txt",
    "run": ROOT / "requirements-run.txt",
    "deploy": ROOT / "requirements-deploy.txt",
    "runtime": ROOT / "requirements.txt",
    "lock": ROOT / "requirements-lock.txt",
}
HEADER = """\
# Made by `make lock` of requirements/{name}.in: change that, not this.
# inputs: {digest}
"""
OPTIONS = (
    "--universal",
    "--python-version=3.10",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--quiet",
)


def inputs(name: str) -> list[Path]:
    """Return the input ``name`` and those that it includes."""
    path = INPUTS / f"{name}.in"
    lines = path.read_text(encoding="utf-8").splitlines()
    included = [line.split()[1].removesuffix(".in") for line in lines if line.startswith("-r ")]
    return [path, *(other for each in included for other in inputs(each))]


def digest(name: str) -> str:
    """Return the hash of all that the lock ``name`` is made of."""
    texts = [path.read_bytes() for path in inputs(name)]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def lock(name: str, *, upgrade: bool) -> str:
    """Return the lock ``name``. Packages keep their versions unless ``upgrade`` is true."""
    path = LOCKS[name]
    constraints = [] if name in ("dev", "lock") else [f"--constraints={LOCKS['dev']}"]
    command = ["uv", "pip", "compile", *OPTIONS, *constraints, f"--output-file={path}"]
    command += ["--upgrade"] if upgrade else []
    subprocess.run([*command, str(INPUTS / f"{name}.in")], check=True, cwd=ROOT)
    pins = path.read_text(encoding="utf-8").removeprefix("\n")
    pins = "".join(line for line in pins.splitlines(keepends=True) if not line.startswith("# "))
    return HEADER.format(name=name, digest=digest(name)) + pins


if __name__ == "__main__":
    for name, path in LOCKS.items():
        path.write_text(lock(name, upgrade="--upgrade" in sys.argv), encoding="utf-8")
