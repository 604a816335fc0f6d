"""Chromium as these tests use it, and what a person says to it."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.engines.base import SpeakRequest
from duologue.engines.tts.espeak import Espeak

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
FAKE_MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
DENIED = ["--deny-permission-prompts"]
PATIENCE_MS = 60_000


@contextmanager
def chromium(flags: Sequence[str] = ()) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield browser
        browser.close()


def hearing(recording: Path) -> list[str]:
    """Flags for a microphone that hears ``recording`` once, from the moment that it is opened."""
    return [*FAKE_MICROPHONE, f"--use-file-for-fake-audio-capture={recording}%noloop"]


def record_talk(path: Path) -> None:
    """Someone greets, once any transport stands, asks for a story, and talks over it."""
    talk = [
        _silence(5),
        _spoken("Hello, how are you?"),
        _silence(7),
        _spoken("Tell me a story."),
        _silence(5),
        _spoken("What is two plus three?"),
        _silence(60),
    ]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(VOICE_RATE_HZ)
        file.writeframes(np.concatenate(talk).tobytes())


def expect_talk(page: Page) -> None:
    """Three turns, the second answer of which is interrupted."""
    user = page.locator(".transcript li[data-role=user][data-status=final]")
    expect(user.first).to_contain_text("ello", timeout=PATIENCE_MS)
    expect_state(page, "speaking")
    expect(user.nth(1)).to_contain_text("story", timeout=PATIENCE_MS)
    interrupted = page.locator(".transcript li[data-role=assistant][data-status=interrupted]")
    expect(interrupted).to_have_count(1, timeout=PATIENCE_MS)
    expect(interrupted.locator("s")).not_to_be_empty(timeout=PATIENCE_MS)
    expect(user.nth(2)).to_be_visible(timeout=PATIENCE_MS)
    answers = page.locator(".transcript li[data-role=assistant][data-status=final]")
    expect(answers).to_have_count(2, timeout=PATIENCE_MS)


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


def _spoken(text: str) -> Int16:
    async def say() -> Int16:
        voice = Espeak()
        await voice.start()
        async with voice.stream(SpeakRequest(text)) as chunks:
            pieces = [chunk.pcm async for chunk in chunks]
        await voice.aclose()
        return np.concatenate(pieces)

    return anyio.run(say)


def _silence(seconds: float) -> Int16:
    return np.zeros(round(seconds * VOICE_RATE_HZ), np.int16)
