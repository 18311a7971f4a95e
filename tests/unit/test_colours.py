"""Any accent makes shades that can be seen and written on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import colours

READABLE, SEEN = 4.5, 3.0  # WCAG 2.2, 1.4.3 and 1.4.11


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#123456", "#123456", 1.0)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert colours.contrast(rgb(one), rgb(other)) == pytest.approx(ratio, abs=0.005)
    assert colours.contrast(rgb(other), rgb(one)) == pytest.approx(ratio, abs=0.005)


@given(st.from_regex("#([0-9a-f]{3}|[0-9a-f]{6})", fullmatch=True) | st.just(""))
def test_any_accent_can_be_seen_and_written_on(accent: str) -> None:
    shades = colours.shades(accent)
    for scheme, surfaces in (("", ["#ffffff", "#f4f2ec"]), ("dark_", ["#111413", "#1a1e1d"])):
        fill, ink, line = (
            rgb(shades[f"{scheme}{use}"]) for use in ("accent", "on_accent", "accent_line")
        )
        assert colours.contrast(fill, ink) >= READABLE
        for surface in surfaces:
            assert colours.contrast(line, rgb(surface)) >= SEEN


def test_an_accent_that_can_be_seen_is_left_as_it_is() -> None:
    shades = colours.shades("#06c")
    assert shades["accent"] == shades["accent_line"] == "#0066cc"
    assert shades["on_accent"] == "#ffffff"
