"""A release: what it refuses, and the files that belong to it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from zipfile import ZipFile

import pytest

from ops.package import command
from ops.release import bill, locks, release
from ops.release.release import ReleaseError
from ops.resources.functions import package

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
LOCK = "# inputs: x\nidna==3.20 \\\n    --hash=sha256:{} \\\n    --hash=sha256:{}\n".format(
    "a" * 64, "b" * 64
)
CHANGES = (
    "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-26\n\n### Added\n\n- All is new.\n"
)


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def write_zip(path: Path, version: str = "3.20") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        archive.writestr("app.py", "")
        archive.writestr(
            f"idna-{version}.dist-info/METADATA",
            f"Name: idna\nVersion: {version}\nLicense-Expression: BSD-3-Clause\n",
        )


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean checkout of version 1.2.3, whose package is made in no time."""

    def write(_: object, output: Path) -> Path:
        write_zip(output / package.NAME)
        template = output / "template.json"
        template.write_text("{}")
        return template

    monkeypatch.setattr(command, "write", write)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Test")
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.org")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    (tmp_path / "requirements.txt").write_text(LOCK)
    (tmp_path / ".gitignore").write_text("build/\nstages/\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-q", "-m", "All")
    return tmp_path


def test_a_release_has_its_files_their_hashes_and_a_tag(checkout: Path) -> None:
    told = release.release(checkout, NOW)
    folder = checkout / "build" / "release"
    assert {path.name for path in folder.iterdir()} == {
        "SHA256SUMS",
        "bienvenue-1.2.3.cdx.json",
        "bienvenue-1.2.3.template.json",
        "bienvenue-1.2.3.zip",
    }
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert line in told
    tagged = git(checkout, "tag", "--list", "v1.2.3", "--format=%(contents)")
    assert "### Added\n\n- All is new." in tagged
    assert "git push origin v1.2.3" in told
    assert git(checkout, "status", "--porcelain") == ""


@pytest.mark.parametrize("python", ["", "/usr/bin/python3"])
def test_a_release_without_bytecode_says_so(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    monkeypatch.setattr(package, "interpreter", lambda _: python)
    assert ("no bytecode" in release.release(checkout, NOW)) is not bool(python)


def test_a_version_is_released_once(checkout: Path) -> None:
    release.release(checkout, NOW)
    with pytest.raises(ReleaseError, match=r"v1\.2\.3 is tagged already"):
        release.release(checkout, NOW)


def test_a_tree_with_changes_is_refused(checkout: Path) -> None:
    (checkout / "new.py").touch()
    with pytest.raises(ReleaseError, match=r"not committed:\n\?\? new\.py"):
        release.release(checkout, NOW)
    assert git(checkout, "tag") == ""


def test_a_version_without_changes_is_refused(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text(CHANGES.replace("1.2.3", "1.2.2"))
    git(checkout, "commit", "-qam", "Former")
    with pytest.raises(ReleaseError, match=r"CHANGELOG\.md says nothing about 1\.2\.3"):
        release.release(checkout, NOW)


def test_a_stages_own_settings_never_get_into_a_release(checkout: Path) -> None:
    (checkout / "stages").mkdir()
    (checkout / "stages" / "prod.json").write_text("{}")
    with pytest.raises(ReleaseError, match="use a fresh clone"):
        release.release(checkout, NOW)


def test_the_bill_names_each_package_and_its_hashes(tmp_path: Path) -> None:
    zipped = tmp_path / "package.zip"
    write_zip(zipped)
    content = bill.make(zipped, locks.read(LOCK), "1.2.3", "abc", NOW)
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")
    (component,) = content["components"]
    assert component["purl"] == "pkg:pypi/idna@3.20"
    assert [one["content"][0] for one in component["hashes"]] == ["a", "b"]
    assert component["licenses"] == [{"license": {"name": "BSD-3-Clause"}}]
    whole = content["metadata"]["component"]
    assert whole["hashes"][0]["content"] == package.digest(zipped)
    assert content["dependencies"][0]["dependsOn"] == [component["bom-ref"]]
    assert json.dumps(content) == json.dumps(
        bill.make(zipped, locks.read(LOCK), "1.2.3", "abc", NOW)
    )


def test_a_package_that_is_not_as_locked_gets_no_bill(tmp_path: Path) -> None:
    zipped = tmp_path / "package.zip"
    write_zip(zipped, version="3.19")
    with pytest.raises(ValueError, match="does not hold what requirements"):
        bill.make(zipped, locks.read(LOCK), "1.2.3", "abc", NOW)
