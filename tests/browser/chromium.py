"""Chromium as these tests use it, and what its page shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

CHROMIUM = shutil.which("chromium")
MARKS = [
    pytest.mark.browser,
    pytest.mark.timeout(150),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: make test installs it"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
# Whether a page gets the microphone is its context's permission; without one it is denied.
FAKE_MICROPHONE = ["--use-fake-device-for-media-stream"]
PATIENCE_MS = 60_000


@contextmanager
def chromium(playwright: Playwright, flags: Sequence[str] = ()) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *FAKE_MICROPHONE, *flags])
    yield browser
    browser.close()


@contextmanager
def private(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """Pages that share nothing with those of other tests, and are gone at the end."""
    context = browser.new_context(**options)
    yield context
    context.close()


def hearing(recording: Path) -> list[str]:
    """Flags for a microphone that hears ``recording`` once, from the moment that it is opened."""
    return [f"--use-file-for-fake-audio-capture={recording}%noloop"]


def say_typed(page: Page, words: str) -> None:
    page.locator(".composer input").fill(words)
    page.keyboard.press("Enter")


def expect_state(page: Page, state: str) -> None:
    expect(page.locator(f"main[data-state={state}]")).to_be_visible(timeout=PATIENCE_MS)


def expect_carrier(page: Page, name: str) -> None:
    """What the page says that the talk goes over."""
    expect(page.locator(".carrier")).to_contain_text(name, timeout=PATIENCE_MS)


def end(page: Page) -> None:
    page.keyboard.press("Escape")
    expect_state(page, "ended")
