"""A server with one place, and Chromium: started once, with pages for each test that share nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.browser.chromium import chromium, hearing, private
from tests.browser.speech import Speech
from tests.served import serving


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    """Its one place is free when a test begins: every test ends the talk that it began."""
    with serving("embedded", "--max-sessions", "1") as url:
        yield url


@pytest.fixture(scope="package")
def speech() -> Speech:
    return Speech()


@pytest.fixture(scope="package")
def playwright(speech: Speech) -> Iterator[Playwright]:
    """After ``speech`` was made: while this runs, no other event loop can. Hence it ends with these tests, too."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def one_chromium(playwright: Playwright) -> Iterator[Browser]:
    with chromium(playwright) as browser:
        yield browser


@pytest.fixture
def browser(one_chromium: Browser) -> Iterator[BrowserContext]:
    """With a microphone that beeps, and that pages may use."""
    with private(one_chromium, permissions=["microphone"]) as context:
        yield context


@pytest.fixture
def wary_browser(one_chromium: Browser) -> Iterator[BrowserContext]:
    """Pages may not use the microphone, yet."""
    with private(one_chromium) as context:
        yield context


@pytest.fixture
def listening_browser(
    playwright: Playwright, speech: Speech, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """With a microphone that hears somebody say thanks."""
    path = tmp_path_factory.mktemp("sound") / "microphone.wav"
    speech.record(path)
    with chromium(playwright, hearing(path)) as browser, private(browser, permissions=["microphone"]) as context:
        yield context
