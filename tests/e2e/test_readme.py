"""README and docs: the transcript runs, tables are complete, links work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib import settings
from tests.e2e.shell import Shell, looks_like
from tests.e2e.stack import ROOT, Stack, running

README = (ROOT / "README.md").read_text(encoding="utf-8")
PATIENCE = 20.0


@pytest.fixture
def fresh_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack with nobody in it: the transcript counts its mails."""
    with running(tmp_path) as stack:
        yield stack


def transcript() -> list[tuple[str, str]]:
    """Return the README's commands, each with its printed output."""
    blocks = re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    steps = []
    for block in blocks:
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            steps.append((command, output))
    return steps


def test_every_line_of_the_transcript_does_what_the_readme_says(fresh_stack: Stack) -> None:
    (first, printed_first), *rest = transcript()
    assert first == "make run"
    here = {
        "127.0.0.1:8400": f"127.0.0.1:{fresh_stack.port}",
        "127.0.0.1:8401": f"127.0.0.1:{fresh_stack.port + 1}",
        ".local/": f"{fresh_stack.folder}/",
        "--stage local": f"--stage local --state {fresh_stack.folder}",
    }

    def at_home(text: str) -> str:
        for theirs, ours in here.items():
            text = text.replace(theirs, ours)
        return text

    assert looks_like(at_home(printed_first), (fresh_stack.folder / "output").read_text())
    assert len(rest) >= 8
    session = Shell()
    for command, expected in rest:
        # As a reader would who finds the mailbox still empty: look again.
        patience = PATIENCE if "/messages/" in command else 0
        session.expect(at_home(command), at_home(expected), patience)


def test_the_settings_page_names_every_setting_and_no_other() -> None:
    asked: list[str] = []

    class Environment(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            asked.append(name)
            return default

    with pytest.raises(settings.SettingsError):
        settings.read(Environment())
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", page("settings"), re.MULTILINE)
        for name in re.findall(r"`([A-Z_]+)`", row)
    }
    assert named == set(asked)


def test_the_items_page_names_every_attribute(stack: Stack) -> None:
    email = "documented@example.org"
    stack.post("/users", {"email": email, "prenom": "Alexis", "nom": "GÜNST HORN"})
    item = stack.wait_for_item(email, "delivered")
    documented: dict[str, str] = {}
    for names, types in re.findall(r"^\| (`.*?) \| ([A-Z, ]+) \|", page("item"), re.MULTILINE):
        named, typed = re.findall(r"\w+", names), re.findall(r"\w+", types)
        documented |= dict(
            zip(named, typed * len(named) if len(typed) == 1 else typed, strict=False)
        )
    for name, value in item.items():
        assert [documented[name]] == list(value)


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def links(path: Path) -> list[tuple[Path, str]]:
    """Return the files that a page links to or shows, each with the heading that is meant."""
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    found = []
    for target in (linked or shown for linked, shown in targets):
        if not target.startswith(("http://", "https://", "mailto:")):
            name, _, heading = target.partition("#")
            found.append(((path.parent / name).resolve() if name else path, heading))
    return found


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_reachable_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        if path.is_dir():
            waiting += path.iterdir()
        if path.suffix != ".md":
            continue
        for target, heading in links(path):
            name = f"{path.relative_to(ROOT)} links to {target}"
            assert target.exists(), name
            assert not heading or heading in anchors(target), f"{name}#{heading}"
            waiting.append(target)
    docs = {path for path in (ROOT / "docs").rglob("*") if path.is_file()}
    assert docs - reached == set(), "pages and pictures that no link leads to"
