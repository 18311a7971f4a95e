"""The results as a table in Markdown and a plot."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contest import BEFORE, OURS, Result

# What AWS asks in us-east-1, in dollars, and what else a user takes, as docs/operating.md has it (a
# test holds the two together): assumptions, as is the time that Lambda bills for. Reads of a stream
# by Lambda are free.
WRITE = 0.625e-6  # a write request unit of DynamoDB on demand; our items take one each
MAIL = 0.10e-3
INVOCATION = 0.20e-6
GB_SECOND = 16.6667e-6
API_REQUEST = 3.50e-6
LOGGED_GB = 0.50
GB = 0.5
REQUESTS, REQUEST_SECONDS = 3, 0.05  # the page, its form, a click
MAIL_SECONDS = 0.4
EVENTS, EVENT_SECONDS = 2, 0.05  # SES reports that a mail was sent and delivered
EVENT = 0.50e-6  # a request to SNS
INDEX_WRITES = 2  # a mail enters the index of owed mail and leaves it
LOGS = 4e-6  # GB


def cost_of_a_million(writes: float, mails: float) -> str:
    """Return the cost, in words, of a million users who sign up, are mailed and validate.

    ``writes`` are the requests of a user that the service makes. SES's reports take one each.
    """
    writes += EVENTS + INDEX_WRITES
    invocations = REQUESTS + mails + EVENTS
    seconds = REQUESTS * REQUEST_SECONDS + mails * MAIL_SECONDS + EVENTS * EVENT_SECONDS
    parts = {
        f"{writes:g} writes": writes * WRITE,
        f"{mails:g} mail": mails * MAIL,
        f"{REQUESTS} API requests": REQUESTS * API_REQUEST,
        f"{invocations:g} invocations at the most (a batch has up to 100 mails)": (
            invocations * INVOCATION
        ),
        f"{seconds:g} s of {GB:g} GB": seconds * GB * GB_SECOND,
        f"{EVENTS} events": EVENTS * EVENT,
        "4 KB of logs": LOGS * LOGGED_GB,
    }
    sum_in_words = " + ".join(f"{part_name} {part * 1e6:.2f}" for part_name, part in parts.items())
    return f"A million users cost ${sum(parts.values()) * 1e6:.2f}: {sum_in_words}."


def table(results: Sequence[Result]) -> str:
    """Return a row for each figure.

    A row holds ours, the former commit's, the others', our ratio, and whether it meets its target.
    """
    rows = [
        "| what | Bienvenue | before | others | ratio | target |",
        "|---|--:|--:|---|--:|---|",
    ]
    rows += [_row(result) for result in results]
    return "\n".join(rows) + "\n"


def _row(result: Result) -> str:
    others = {name: f for name, f in result.figures.items() if name not in (OURS, BEFORE)}
    ours = _figure(result.figures.get(OURS), result.unit)
    before = _figure(result.figures.get(BEFORE), result.unit)
    others_in_words = " · ".join(f"{name} {_figure(figure)}" for name, figure in others.items())
    ratio = _ratio(result, OURS)
    if BEFORE in result.figures and ratio:
        ratio += f" (was {_ratio(result, BEFORE)})"
    name = f"{result.section}: {result.measure}"
    return f"| {' | '.join((name, ours, before, others_in_words, ratio, _target(result)))} |"


def _ratio(result: Result, contestant: str) -> str:
    ratio = result.ratio(contestant)
    return f"{ratio:.2f} of {result.against}" if ratio is not None else ""


def _target(result: Result) -> str:
    if result.target is None:
        return ""
    sign = "≤" if result.better == "less" else "≥"
    verdict = "met" if result.met else "**missed**"
    return f"{sign} {result.target:g}: {verdict}"


def _figure(figure: float | None, unit: str = "") -> str:
    if figure is None:
        return ""
    digits = 0 if figure >= 100 or figure == int(figure) else 1 if figure >= 10 else 2
    return f"{figure:.{digits}f} {unit}".strip()


def machine() -> str:
    """Describe the machine that measured."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        models = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
        model = next(models, model)
    load = os.getloadavg()[0]
    python = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} processors ({model}), {python}; load average {load:.1f} at the end"


def plot(results: Sequence[Result], file: Path) -> None:
    """Draw a bar for each contestant of a figure, ours first."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [
        result
        for result in results
        if OURS in result.figures
        and len(result.figures) > 1
        and result.section in ("Cold start", "Whole warm request", "Warm request", "Batch of 100")
        and "limit" not in result.measure
        and "three calls" not in result.measure
    ]
    if not shown:
        return
    columns = 2
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(11, 1.9 * rows), squeeze=False)
    for axis, result in zip(axes.flat, shown, strict=False):
        names = list(result.figures)
        colours = [{OURS: "#0a5f4d", BEFORE: "#8fb8ad"}.get(name, "#b9b4a6") for name in names]
        bars = axis.barh(names, list(result.figures.values()), color=colours)
        axis.bar_label(bars, fmt="%.0f", padding=3, fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.15)
        arrow = "less is better" if result.better == "less" else "more is better"
        axis.set_title(
            f"{result.section}: {result.measure} ({result.unit}; {arrow})", fontsize=9, loc="left"
        )
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    plt.close(figure)
