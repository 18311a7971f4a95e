"""The time that a slow phone takes for the challenge of the sign-up page.

``python -m benchmarks.solving``. Chromium slows the page down by DevTools'
``Emulation.setCPUThrottlingRate``. That leaves workers alone, so their own time counts as often.
"""

import statistics
import time

import click
from playwright.sync_api import Page, sync_playwright

from benchmarks import packages

SLOWER = 6
"""DevTools' own "low-tier mobile" and Lighthouse's slow phone take 4 to 6."""
SCRATCH = packages.CHECKOUT / "build" / "solving"
WATCH = """() => {
  const widget = document.querySelector("altcha-widget");
  const form = widget.closest("form");
  window.solved = new Promise((resolve) => widget.addEventListener("statechange", ({detail}) => {
    if (detail.state !== "verified") return;
    resolve([performance.now() - window.started, JSON.parse(atob(detail.payload)).solution.time]);
  }));
  form.addEventListener("submit", (event) => event.preventDefault());
  window.started = performance.now();
  form.requestSubmit();
}"""


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True)
def solving(rounds: int) -> None:
    """Measure from the press of the button until the form goes out."""
    state = SCRATCH / str(int(time.time()))
    with (
        packages.deployed(packages.CHECKOUT, state, {"CHALLENGE": "altcha"}) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for rate in (1, SLOWER):
            page = browser.new_page()
            devtools = page.context.new_cdp_session(page)
            devtools.send("Emulation.setCPUThrottlingRate", {"rate": rate})
            times = [solve(page, f"{stack.api}/", f"phone{n}@example.org") for n in range(rounds)]
            whole = [total + (rate - 1) * own for total, own in times]
            click.echo(
                f"{rate} times slower: {statistics.median(whole):.0f} ms, "
                f"at most {max(whole):.0f} ms; the worker alone "
                f"{statistics.median(own for _, own in times):.0f} ms before that"
            )
        browser.close()


def solve(page: Page, address: str, email: str) -> tuple[float, float]:
    """Return the milliseconds from the press to the solution, and the worker's own."""
    page.goto(address)
    page.wait_for_function("document.querySelector('altcha-widget')?.getState?.() === 'unverified'")
    page.fill("#email", email)
    page.evaluate(WATCH)
    total, own = page.evaluate("() => window.solved")
    return total, own


if __name__ == "__main__":
    solving()
