"""`make bench`: every benchmark in one run, written to build/."""

import shutil
from collections.abc import Iterable

import click

from benchmarks import functions, growth, load, packages, report
from benchmarks.contest import Result
from benchmarks.functions import Field

BUILD = packages.CHECKOUT / "build"
SCRATCH = BUILD / "bench"
PARTS = ("cold", "whole", "warm", "batch", "calls", "size", "load", "growth")


@click.command()
@click.option("--against", metavar="COMMIT", help="An earlier commit to measure as well.")
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=30, show_default=True, help="Of load.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="A part. May be repeated.")
def bench(against: str | None, rounds: int, seconds: int, only: tuple[str, ...]) -> None:
    """Measure Bienvenue beside what people write without it."""
    parts = only or PARTS
    shutil.rmtree(SCRATCH, ignore_errors=True)
    libraries = packages.libraries(SCRATCH / "libraries")
    others = packages.contestants(SCRATCH / "others")
    results: list[Result] = []

    def take(part: str, measured: Iterable[Result]) -> None:
        if part in parts:
            for result in measured:
                results.append(result)
                click.echo(report.table([result]).splitlines()[-1])

    before = None
    if against:
        former = packages.checkout(against, SCRATCH / "former" / "checkout")
        with packages.deployed(former, SCRATCH / "former" / "state") as deployed:
            before = deployed.package
    with packages.deployed(packages.CHECKOUT, SCRATCH / "state") as stack:
        take("load", load.under_load(stack, SCRATCH / "load", seconds))
    if "growth" in parts:  # whose table must be empty
        with packages.deployed(packages.CHECKOUT, SCRATCH / "growing") as growing:
            take("growth", growth.growth(growing, libraries, SCRATCH / "growth"))
    field = Field(stack.package, before, others, libraries, SCRATCH)
    take("cold", functions.cold_starts(field, rounds))
    take("whole", functions.whole_requests(field, rounds))
    take("warm", functions.warm_requests(field, rounds))
    take("batch", functions.batches(field, max(rounds // 3, 1)))
    take("calls", functions.calls(field))
    take("size", functions.sizes(field))
    _write(results, against)


def _write(results: list[Result], against: str | None) -> None:
    text = f"{report.machine()}.{f' Before: commit {against}.' if against else ''}\n\n"
    text += report.table(results)
    counted = {
        result.measure: result.figures for result in results if result.section == "AWS calls a user"
    }
    if counted:
        ours = {measure: figures[functions.OURS] for measure, figures in counted.items()}
        text += f"\n{report.cost_of_a_million(ours['writes'], ours['mails'])}\n"
    (BUILD / "bench.md").write_text(text, encoding="utf-8")
    report.plot(results, BUILD / "bench.png")
    click.echo(f"\n{text}\n{BUILD / 'bench.md'}, {BUILD / 'bench.png'}")


if __name__ == "__main__":
    bench(prog_name="python -m benchmarks")
