"""Chromium as these tests use it, and what its page shows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect

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
# The page's address for each transport, and what the page then says of it.
WAYS = [("", "over WebRTC"), ("?transport=websocket", "over WebSocket")]


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


def entries(page: Page, role: str, status: str = "final") -> Locator:
    return page.locator(f".transcript li[data-role={role}][data-status={status}]")


def answered(page: Page, question: str, answer: str) -> None:
    """Types a question, once the last answer was heard, and sees the answer come."""
    expect_state(page, "listening")
    before = entries(page, "assistant").count()
    say_typed(page, question)
    expect(entries(page, "assistant")).to_have_count(before + 1, timeout=PATIENCE_MS)
    expect(entries(page, "assistant").last).to_contain_text(answer, timeout=PATIENCE_MS)


def panel(page: Page, name: str) -> Locator:
    """Opens it, and closes whichever was open."""
    page.locator("header.bar").get_by_role("button", name=name, exact=True).click()
    opened = page.locator(f"section.panel#{name.lower()}")
    expect(opened).to_be_visible()
    return opened


def close_panel(page: Page) -> None:
    page.locator("section.panel").get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("section.panel")).to_have_count(0)
    # From the next frame on Escape means the talk.
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")


def expect_state(page: Page, state: str) -> None:
    expect(page.locator(f"main[data-state={state}]")).to_be_visible(timeout=PATIENCE_MS)


def expect_true(page: Page, script: str) -> None:
    """Soon. The page's policy keeps Playwright's own way of waiting for a script out."""
    deadline_s = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(script):
        assert time.monotonic() < deadline_s, script
        page.wait_for_timeout(50)


def expect_carrier(page: Page, name: str) -> None:
    """What the page says that the talk goes over."""
    expect(page.locator(".carrier")).to_contain_text(name, timeout=PATIENCE_MS)


def end(page: Page) -> None:
    page.keyboard.press("Escape")
    expect_state(page, "ended")
