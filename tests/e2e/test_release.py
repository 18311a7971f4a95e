"""A release of this commit, made and published to a repository beside it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from ops.release import release
from ops.resources.functions import package
from tests.e2e.stack import ROOT

IDENTITY = {
    f"GIT_{who}_{name}": value
    for who in ("AUTHOR", "COMMITTER")
    for name, value in (("NAME", "Test"), ("EMAIL", "test@example.org"))
}


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **IDENTITY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive has no commit to release")
def test_a_release_can_be_made_checked_and_published(tmp_path: Path) -> None:
    """As `make release` does it, after its checks and tests."""
    remote, clone = tmp_path / "remote.git", tmp_path / "clone"
    run(tmp_path, "git", "clone", "-q", "--bare", str(ROOT), str(remote))
    for tag in run(remote, "git", "tag", "--list").splitlines():
        run(remote, "git", "tag", "-d", tag)
    run(tmp_path, "git", "clone", "-q", str(remote), str(clone))
    version = release.version_of(clone)

    said = run(clone, sys.executable, "-m", "ops.release")

    folder = clone / release.FOLDER
    zipped = folder / f"bienvenue-{version}.zip"
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert package.is_finished(zipped)
    with ZipFile(zipped) as archive:
        assert {"app.py", "chalicelib/openapi.json"} <= {*archive.namelist()}
        described = json.loads(archive.read("chalicelib/openapi.json"))
    assert described["info"]["version"] == version
    bill = json.loads((folder / f"bienvenue-{version}.cdx.json").read_text(encoding="utf-8"))
    commit = bill["metadata"]["component"]["properties"]
    assert commit == [{"name": "bienvenue:commit", "value": run(clone, "git", "rev-parse", "HEAD")}]
    template = folder / f"bienvenue-{version}.template.json"
    run(clone, str(Path(sys.executable).with_name("cfn-lint")), str(template))

    run(clone, "bash", "-c", said.rpartition(": ")[2])
    assert run(remote, "git", "tag", "--list") == f"v{version}"
    assert run(clone, "git", "status", "--porcelain") == ""
