"""The panel that tells where the time of a turn went."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.browser.axe import expect_accessible
from tests.browser.chromium import MARKS, WAYS, close_panel, end, expect_carrier, panel
from tests.browser.speech import MOUTH, THANKS, Speech, expect_thanks

pytestmark = MARKS


def _ms(text: str) -> int:
    found = re.search(r"([\d,]+) ms", text)
    assert found is not None, text
    return int(found[1].replace(",", ""))


def _parts(timing: Locator) -> dict[str, int]:
    """What was waited for, by stage, as the table has it."""
    rows = timing.locator("table.waterfall tbody tr")
    return {
        row.locator("th").inner_text().strip(): _ms(row.locator("td.waterfall-ms").inner_text()) for row in rows.all()
    }


def _figure(timing: Locator, name: str) -> str:
    return timing.locator(".timing-sources dl div", has_text=name).locator("dd").inner_text()


@pytest.mark.parametrize(("address", "carrier"), WAYS)
def test_the_parts_of_a_turn_add_up(
    browser: BrowserContext, server: str, speech: Speech, address: str, carrier: str
) -> None:
    page = browser.new_page()
    page.add_init_script(MOUTH)
    page.goto(server + address)
    timing = panel(page, "Timing")
    expect(timing).to_contain_text("No answer was timed yet")
    page.locator(".talk").click()
    expect_carrier(page, carrier)
    speech.say(page, THANKS)
    expect_thanks(page)
    end_of_turn = timing.locator("table.waterfall tfoot .waterfall-ms")
    expect(end_of_turn).to_be_visible()
    parts, total = _parts(timing), _ms(end_of_turn.inner_text())
    assert sum(parts.values()) == total
    assert {"Endpointing", "Transcription", "First token", "First audio", "Delivery", "Browser buffer"} <= set(parts)
    assert re.search(rf"= {total:,} ms", timing.locator(".timing-sum").inner_text())
    by_page, by_server = _ms(_figure(timing, "This page")), _ms(_figure(timing, "The server"))
    assert by_page == total
    _expect_explained(timing, by_page, by_server)
    expect_accessible(page)
    close_panel(page)
    end(page)
    page.reload()
    _expect_the_servers_part(panel(page, "Timing"), by_server)


def _expect_explained(timing: Locator, by_page: int, by_server: int) -> None:
    """The page's figure is the server's and what lies between them."""
    told = timing.locator(".timing-sources p").inner_text()
    figures = [int(each.replace(",", "")) for each in re.findall(r"([\d,]+) ms", told)]
    assert figures[:2] == [by_page, by_server]
    parts = figures[2:]
    if "less" in told:
        parts[-1] = -parts[-1]
    assert abs(by_server + sum(parts) - by_page) <= len(parts), told  # each is rounded by itself


def _expect_the_servers_part(timing: Locator, by_server: int) -> None:
    assert _figure(timing, "This page") == "–"
    assert _ms(_figure(timing, "The server")) == by_server
    parts = _parts(timing)
    assert "Browser buffer" not in parts
    assert sum(parts.values()) == by_server
    expect(timing.locator(".timing-sources p")).to_contain_text("This page has no figure of its own")
