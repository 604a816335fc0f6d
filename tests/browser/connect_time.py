"""``python -m tests.browser.connect_time [URL]``: from the click to "listening", by the page's clock, over both
transports. ``URL``: of a server that runs and has a place; else one is started."""

from __future__ import annotations

from playwright.sync_api import BrowserContext

from tests.browser.chromium import WAYS, end, expect_state
from tests.browser.measuring import measured_browser, opened, quantile, warm_server, warm_up

TRIES = 5
CLOCK = """
window.clicked = {};
addEventListener("click", ({ timeStamp }) => { clicked.atMs ??= timeStamp; }, true);
new MutationObserver(() => {
  if (document.querySelector("main")?.dataset.state === "listening") clicked.listeningMs ??= performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-state"] });
"""


def connect_times_ms(browser: BrowserContext, url: str, tries: int = TRIES) -> list[float]:
    """Each time on a page that was just opened."""
    times = []
    for _ in range(tries):
        page = opened(browser, url, CLOCK)
        page.locator(".talk").click()
        expect_state(page, "listening")
        times.append(float(page.evaluate("clicked.listeningMs - clicked.atMs")))
        end(page)
        page.close()
    return times


def _main() -> None:
    with warm_server() as url, measured_browser() as browser:
        warm_up(browser, url)
        for address, carrier in WAYS:
            times = connect_times_ms(browser, url + address)
            each = ", ".join(f"{ms:.0f}" for ms in times)
            print(f"{carrier}: median {quantile(times, 0.5):.0f} ms, worst {max(times):.0f} ms ({each})")


if __name__ == "__main__":
    _main()
