"""The built page in Chromium, before anything is said."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import DENIED, MARKS, PATIENCE_MS

pytestmark = MARKS


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
