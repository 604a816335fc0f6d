"""The built page in Chromium, with a recording as its microphone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import DENIED, MARKS, PATIENCE_MS, end, expect_carrier, expect_talk

pytestmark = MARKS


def test_two_turns_and_an_interruption(listening_browser: Browser, server: str, tmp_path: Path) -> None:
    page = listening_browser.new_page()
    hosts: list[str] = []
    page.on("request", lambda request: hosts.append(urlsplit(request.url).netloc))
    page.goto(server)
    page.locator(".talk").focus()
    page.keyboard.press("Enter")
    expect_talk(page)
    expect_carrier(page, "over WebRTC")
    page.screenshot(path=tmp_path / "talk.png")
    end(page)
    assert set(hosts) == {urlsplit(server).netloc}


@pytest.mark.parametrize("browser", [DENIED], indirect=True)
def test_a_refused_microphone_is_explained(browser: Browser, server: str) -> None:
    page = browser.new_page()
    page.goto(server)
    page.locator(".talk").click()
    expect(page.locator("[role=alert]")).to_contain_text("microphone", timeout=PATIENCE_MS, ignore_case=True)


def test_it_fits_a_phone(browser: Browser, server: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(server)
    expect(page.locator(".talk")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
