"""A release of the commit that is checked out: its files, and its tag."""

import json
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from ops.package import command
from ops.release import bill, locks
from ops.resources.functions import package
from ops.stage.project import Project

FOLDER = Path("build", "release")
STAGE = "prod"
"""The stage that a release's template is for. Its own settings are not in it."""


class ReleaseError(Exception):
    """The checkout is not ready for a release."""


def version_of(checkout: Path) -> str:
    """Return the version of the project."""
    match = re.search(
        r'^version = "(.+)"$', (checkout / "pyproject.toml").read_text("utf-8"), re.MULTILINE
    )
    if not match:
        raise ReleaseError("pyproject.toml has no version.")
    return match[1]


def check(checkout: Path, version: str) -> str:
    """Return the text of the release in CHANGELOG.md. Raises ReleaseError if it is not ready."""
    if changed := git(checkout, "status", "--porcelain"):
        raise ReleaseError(f"these files are not committed:\n{changed}")
    if git(checkout, "tag", "--list", f"v{version}"):
        raise ReleaseError(
            f"v{version} is tagged already: give pyproject.toml and CHANGELOG.md the next version."
        )
    if (checkout / "stages" / f"{STAGE}.json").exists():
        raise ReleaseError(f"stages/{STAGE}.json would get into the template: use a fresh clone.")
    changes = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    match = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)",
        changes,
        re.MULTILINE | re.DOTALL,
    )
    if not match or not match[1].strip():
        raise ReleaseError(
            f"CHANGELOG.md says nothing about {version}: it needs a heading such as "
            f"## [{version}] - 2026-11-26"
        )
    return match[1].strip()


def release(checkout: Path, now: datetime) -> str:
    """Make the release and return what to do next. Raises ReleaseError or OpsError."""
    version = version_of(checkout)
    notes = check(checkout, version)
    folder = checkout / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    template = command.write(Project(checkout, STAGE), folder)
    zipped = folder / f"bienvenue-{version}.zip"
    (folder / package.NAME).replace(zipped)
    template.replace(folder / f"bienvenue-{version}.template.json")
    lock = (checkout / "requirements.txt").read_text(encoding="utf-8")
    commit = git(checkout, "rev-parse", "HEAD")
    content = bill.make(zipped, locks.read(lock), version, commit, now)
    (folder / f"bienvenue-{version}.cdx.json").write_text(json.dumps(content, indent=2) + "\n")
    sums = [f"{package.digest(path)}  {path.name}" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    message = f"Bienvenue {version}\n\n{notes}"
    # By default, git takes the headings of the notes for comments and drops them.
    git(checkout, "tag", "--annotate", "--cleanup=whitespace", f"v{version}", "--message", message)
    publish = f"git push origin v{version}"
    summary = f"v{version} is tagged, and {FOLDER} holds its files. To publish the tag: {publish}"
    return "\n".join([*sums, "", *_warnings(), summary])


def _warnings() -> list[str]:
    """Return what is not as good as it could be, a line each."""
    runtime = package.lambda_runtime()
    if package.interpreter(runtime):
        return []
    slower = f"There is no {runtime} here, so the package has no bytecode, and starts more slowly:"
    return [f"{slower} install it, delete the tag, and release again."]


def git(checkout: Path, *words: str) -> str:
    """Return what git says. Raises ReleaseError with its words if it refuses."""
    done = subprocess.run(
        ["git", "-C", str(checkout), *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReleaseError(done.stderr.strip())
    return done.stdout.strip()
