"""The sign-ups of each day as an SVG, for light and dark screens."""

from collections.abc import Iterator
from html import escape

from ops.metrics.funnel import Funnel, Metrics, share

WIDTH, HEIGHT = 960, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 104, 44
_GAP = 0.25  # of a day's width, between it and the next
_GRID_LINES = 5
_DATES = 6

# Colour-blind people can tell these three hues apart (Okabe and Ito). Their contrast with the
# background is at least 3:1 (WCAG 1.4.11).
_STYLE = """
svg { color-scheme: light dark; font: 13px system-ui, sans-serif }
.paper { fill: #fff } .ink { fill: #1c1c1c } .faint { fill: #595959 }
.grid { stroke: #d4d4d4 } .validated { fill: #00785a } .mailed { fill: #3d8ec4 }
.neither { fill: #b35900 } .title { font-size: 20px; font-weight: 600 } .partial { opacity: .55 }
@media (prefers-color-scheme: dark) {
.paper { fill: #16181c } .ink { fill: #ececec } .faint { fill: #a6a6a6 }
.grid { stroke: #3a3d44 } .validated { fill: #2fb894 } .mailed { fill: #6cb6e8 }
.neither { fill: #e69f3c }
}
""".strip()


def draw(metrics: Metrics, title: str) -> str:
    """Return the picture of the days in ``metrics``, with a text alternative."""
    return "\n".join(_lines(metrics, title)) + "\n"


def _lines(metrics: Metrics, title: str) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' aria-labelledby="title summary">'
    )
    yield f'<title id="title">{escape(title)}</title>'
    yield f'<desc id="summary">{escape(_summary(metrics))}</desc>'
    yield f"<style>{_STYLE}</style>"
    yield f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>'
    yield _text(_LEFT, 34, title, "ink title")
    yield _text(_LEFT, 58, _summary(metrics), "ink")
    yield from _legend()
    top = _top(max((day.signed_up for day in metrics.days.values()), default=0))
    yield from _grid(top)
    yield from _days(metrics, top)
    yield "</svg>"


def _summary(metrics: Metrics) -> str:
    recent = metrics.recent
    validated = share(recent.validated, recent.signed_up)
    return (
        f"{recent.signed_up:,} signed up since {metrics.first_day}, {recent.mailed:,} were mailed, "
        f"{recent.validated:,} validated"
        + ("." if validated is None else f" ({validated:.1f} %).")
        + (
            ""
            if metrics.is_whole(metrics.first_day)
            else " Fainter days: users who did not confirm have been deleted."
        )
    )


def _legend() -> Iterator[str]:
    left = _LEFT
    for kind, words in (
        ("validated", "validated"),
        ("mailed", "mailed, not validated"),
        ("neither", "not mailed"),
    ):
        yield f'<rect class="{kind}" x="{left}" y="74" width="12" height="12"/>'
        yield _text(left + 18, 85, words, "ink")
        left += 46 + 7 * len(words)


def _grid(top: int) -> Iterator[str]:
    for number in range(_GRID_LINES + 1):
        value = top * number // _GRID_LINES
        y = _height_of(top - value, top) + _TOP
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>'
        yield _text(_LEFT - 8, y + 4, f"{value:,}", "faint", "end")


def _days(metrics: Metrics, top: int) -> Iterator[str]:
    width = (WIDTH - _LEFT - _RIGHT) / len(metrics.days)
    every = max(round(len(metrics.days) / _DATES), 1)
    for number, (day, funnel) in enumerate(metrics.days.items()):
        left = _LEFT + number * width
        faint = "" if metrics.is_whole(day) else ' class="partial"'
        yield f"<g{faint}><title>{day}: {escape(_in_words(funnel))}</title>"
        bottom = float(HEIGHT - _BOTTOM)
        for kind, people in parts(funnel).items():
            if people:
                height = _height_of(people, top)
                bottom -= height
                yield (
                    f'<rect class="{kind}" x="{left + width * _GAP / 2:.1f}" y="{bottom:.1f}"'
                    f' width="{width * (1 - _GAP):.1f}" height="{height:.1f}"/>'
                )
        yield "</g>"
        if (len(metrics.days) - 1 - number) % every == 0:
            centre = left + width / 2
            yield _text(centre, HEIGHT - _BOTTOM + 20, f"{day:%d %b}", "faint", "middle")


def parts(funnel: Funnel) -> dict[str, int]:
    """Return a day's users by the part of the bar that shows them."""
    return {
        "validated": funnel.validated,
        "mailed": funnel.unconfirmed,
        "neither": funnel.signed_up - funnel.validated - funnel.unconfirmed,
    }


def _in_words(funnel: Funnel) -> str:
    return (
        f"{funnel.signed_up:,} signed up, {funnel.mailed:,} mailed, {funnel.validated:,} validated"
    )


def _height_of(people: int, top: int) -> float:
    return (HEIGHT - _TOP - _BOTTOM) * people / top


def _top(most: int) -> int:
    """Return the smallest round number, at least ``most``, that the grid divides evenly."""
    size = 1
    while True:
        for step in (1, 2, 3, 4, 5, 6, 8):
            if step * size * _GRID_LINES >= most:
                return step * size * _GRID_LINES
        size *= 10


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {where} class="{kind}">{escape(words)}</text>'
