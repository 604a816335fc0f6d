"""``python -m tests.browser.voice_to_voice [URL]``: ten turns in the page over each transport, and how long each
answer took: by the page, until it left the speaker, by the server, until it was sent, and what lies between."""

from __future__ import annotations

import csv
import io

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import PATIENCE_MS, WAYS, close_panel, end, entries, expect_state, panel
from tests.browser.measuring import measured_browser, opened, quantile, warm_server, warm_up
from tests.browser.speech import THANKS, Speech

TURNS = 10
NAMES = {
    "heard": "heard, by the page",
    "sent": "sent, by the server",
    "end": "page puts the end of speech earlier",
    "network": "network, up and down",
    "buffer": "browser's buffer and device",
}


def timed_turns(page: Page, speech: Speech, turns: int = TURNS) -> list[dict[str, int]]:
    """Somebody says thanks so often. Parts in ms; those after ``sent`` add up to ``heard - sent``."""
    for turn in range(turns):
        expect_state(page, "listening")
        speech.say(page, THANKS)
        expect(entries(page, "assistant")).to_have_count(turn + 1, timeout=PATIENCE_MS)
    with page.expect_download() as download:
        panel(page, "Timing").get_by_role("button", name="Save as CSV").click()
    rows = csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8")))
    return [_parts(row) for row in rows if row["heard_ms"] and row["sent_ms"]]


def _parts(row: dict[str, str]) -> dict[str, int]:
    heard, sent, end_earlier, buffer = (
        int(row[name]) for name in ("heard_ms", "sent_ms", "end_earlier_ms", "buffer_waited_ms")
    )
    network = heard - sent - end_earlier - buffer
    return {"heard": heard, "sent": sent, "end": end_earlier, "network": network, "buffer": buffer}


def _measure(browser: BrowserContext, url: str, speech: Speech) -> list[dict[str, int]]:
    page = opened(browser, url)
    page.locator(".talk").click()
    turns = timed_turns(page, speech)
    close_panel(page)
    end(page)
    page.close()
    return turns


def _main() -> None:
    speech = Speech()
    with warm_server() as url, measured_browser() as browser:
        warm_up(browser, url)
        for address, carrier in WAYS:
            turns = _measure(browser, url + address, speech)
            print(f"{carrier}, {len(turns)} of {TURNS} turns measured by both: p50 and p95 in ms")
            for part, name in NAMES.items():
                values = [turn[part] for turn in turns]
                print(f"  {name:36} {quantile(values, 0.5):5} {quantile(values, 0.95):5}")


if __name__ == "__main__":
    _main()
