"""The built page in Chromium, before anything is said."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.chromium import MARKS, PATIENCE_MS, private

pytestmark = MARKS


def test_a_refused_microphone_is_explained(wary_browser: BrowserContext, server: str) -> None:
    page = wary_browser.new_page()
    page.goto(server)
    page.locator(".talk").click()
    expect(page.locator(".words [role=alert]")).to_contain_text("microphone", timeout=PATIENCE_MS, ignore_case=True)


def test_it_fits_a_phone(one_chromium: Browser, server: str) -> None:
    with private(one_chromium, viewport={"width": 360, "height": 800}) as context:
        page = context.new_page()
        page.goto(server)
        expect(page.locator(".talk")).to_be_in_viewport()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
