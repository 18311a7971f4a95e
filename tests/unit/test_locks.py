"""The locks of what each purpose needs: whole, hashed, and up to date."""

from __future__ import annotations

import re
import runpy
import subprocess

import pytest

from tests.e2e.stack import ROOT

LOCKING = runpy.run_path(str(ROOT / "requirements" / "lock.py"))
LOCKS = LOCKING["LOCKS"]
ENTRY = re.compile(r"([\w.-]+)==([^\s;\\]+)([^\\\n]*)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")
REGISTRIES = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb.debian" + ".org")


def pins(name: str) -> set[tuple[str, str, str]]:
    """Return each package with its version and the marker that it has in a lock."""
    text = LOCKS[name].read_text(encoding="utf-8")
    return {(one[1], one[2], one[3].strip()) for one in ENTRY.finditer(text)}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_made_of_its_inputs_as_they_are(name: str) -> None:
    header = LOCKS[name].read_text(encoding="utf-8").splitlines()[1]
    assert header == f"# inputs: {LOCKING['digest'](name)}", "say: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_its_inputs_ask_for(name: str) -> None:
    locked = {(package, version) for package, version, _ in pins(name)}
    for path in LOCKING["inputs"](name):
        for asked in re.findall(r"^([\w.-]+)(?:\[.*\])?==([\w.]+)", path.read_text(), re.MULTILINE):
            assert asked in locked, "say: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_has_its_hashes(name: str) -> None:
    text = "".join(LOCKS[name].read_text(encoding="utf-8").splitlines(keepends=True)[2:])
    assert ENTRY.sub("", text) == ""


@pytest.mark.parametrize(
    ("smaller", "larger"), [("runtime", "deploy"), ("deploy", "run"), ("run", "dev")]
)
def test_a_larger_lock_holds_a_smaller_ones_versions(smaller: str, larger: str) -> None:
    versions = {package: version for package, version, _ in pins(larger)}
    for package, version, _ in pins(smaller):
        assert versions[package] == version


def test_deploying_needs_no_package_of_tests() -> None:
    packages = {package for package, _, _ in pins("deploy")}
    assert "chalice" in packages
    assert packages.isdisjoint({"pytest", "moto", "ministack", "mypy", "ruff", "playwright"})


def test_no_committed_file_names_a_registry() -> None:
    found = subprocess.run(
        ["git", "grep", "-l", "-I", *(f"-e{host}" for host in REGISTRIES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
