"""The check of names beside that of an earlier commit: time and refusals.

``python -m benchmarks.names --against COMMIT``. The names are those of faker, the US census and
gender-guesser, as in tests/unit/users/test_real_names.py. Both checkouts take turns.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import click

from benchmarks import packages

SCRATCH = packages.CHECKOUT / "build" / "names"
INITIALS = ("R.", "K.S.", "Md.")
CHECK = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from chalicelib.users import person_name
people = json.load(open(sys.argv[2], encoding="utf-8"))
def check(pairs):
    refused = 0
    for prenom, nom in pairs:
        try:
            person_name.whole(person_name.clean(prenom), person_name.clean(nom))
        except person_name.NameRefused:
            refused += 1
    return refused
check(people["real"][:2000])
for kind, pairs in people.items():
    started = time.perf_counter()
    refused = check(pairs)
    seconds = time.perf_counter() - started
    print(json.dumps([kind, seconds / len(pairs) * 1e6, refused, len(pairs)]))
"""


def people() -> dict[str, list[tuple[str, str]]]:
    """Return pairs of names: as the lists have them, and with the initials of many countries."""
    from tests.unit.users import test_real_names as lists

    first = sorted(lists.first_names())[::3]
    last = sorted(lists.faker_names() | lists.census_surnames())[::8]
    real = list(zip(first, last, strict=False))
    initials = [(INITIALS[n % len(INITIALS)] + prenom, nom) for n, (prenom, nom) in enumerate(real)]
    return {"real": real, "with initials": initials}


@click.command()
@click.option("--against", metavar="COMMIT", required=True, help="An earlier commit.")
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
def names(against: str, rounds: int) -> None:
    """Measure the check of a sign-up's two names, now and before."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    former = SCRATCH / against
    if not former.exists():
        packages.checkout(against, former)
    sample = SCRATCH / "people.json"
    sample.write_text(json.dumps(people()), encoding="utf-8")
    times: dict[tuple[str, str], list[float]] = {}
    refused: dict[tuple[str, str], str] = {}
    for _ in range(rounds):
        for which, checkout in (("before", former), ("now", packages.CHECKOUT)):
            for kind, microseconds, count, total in measure(checkout, sample):
                times.setdefault((kind, which), []).append(microseconds)
                refused[kind, which] = f"{count} of {total:,} ({count / total:.3%})"
    click.echo("| names | | microseconds | refused |\n|---|---|---|---|")
    for (kind, which), measured in times.items():
        click.echo(
            f"| {kind} | {which} | {statistics.median(measured):.2f} | {refused[kind, which]} |"
        )


def measure(checkout: Path, sample: Path) -> list[tuple[str, float, int, int]]:
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(checkout), str(sample)],
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    names()
