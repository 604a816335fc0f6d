"""The built page in Chromium, with a recording as its microphone."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.engines.base import SpeakRequest
from duologue.engines.tts.espeak import Espeak
from tests.served import serving

CHROMIUM = shutil.which("chromium")
pytestmark = [
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
PATIENCE_MS = 60_000


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


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Someone greets, asks for a story, and talks over it."""
    path = tmp_path_factory.mktemp("sound") / "microphone.wav"
    talk = [
        _silence(2),
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
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving("embedded", "--max-sessions", "1") as url:
        yield url


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    flags = [*FLAGS, *getattr(request, "param", [])]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def listening_browser(microphone: Path) -> Iterator[Browser]:
    flags = [
        *FLAGS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


def _open(browser: Browser, server: str, *, width: int = 1200) -> tuple[Page, list[str]]:
    """The page, and the hosts that it asks."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    hosts: list[str] = []
    page.on("request", lambda request: hosts.append(urlsplit(request.url).netloc))
    page.goto(server)
    return page, hosts


def test_two_turns_and_an_interruption(listening_browser: Browser, server: str, tmp_path: Path) -> None:
    page, hosts = _open(listening_browser, server)
    page.locator(".talk").focus()
    page.keyboard.press("Enter")
    user = page.locator(".transcript li[data-role=user][data-status=final]")
    expect(user.first).to_contain_text("ello", timeout=PATIENCE_MS)
    expect(page.locator("main[data-state=speaking]")).to_be_visible(timeout=PATIENCE_MS)
    expect(user.nth(1)).to_contain_text("story", timeout=PATIENCE_MS)
    interrupted = page.locator(".transcript li[data-role=assistant][data-status=interrupted]")
    expect(interrupted).to_have_count(1, timeout=PATIENCE_MS)
    expect(interrupted.locator("s")).not_to_be_empty(timeout=PATIENCE_MS)
    expect(user.nth(2)).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".transcript li[data-role=assistant][data-status=final]")).to_have_count(2, timeout=PATIENCE_MS)
    page.screenshot(path=tmp_path / "talk.png")
    page.keyboard.press("Escape")
    expect(page.locator("main[data-state=ended]")).to_be_visible(timeout=PATIENCE_MS)
    assert set(hosts) == {urlsplit(server).netloc}


@pytest.mark.parametrize("browser", [["--deny-permission-prompts"]], indirect=True)
def test_a_refused_microphone_is_explained(browser: Browser, server: str) -> None:
    page, _ = _open(browser, server)
    page.locator(".talk").click()
    expect(page.locator("[role=alert]")).to_contain_text("microphone", timeout=PATIENCE_MS, ignore_case=True)


def test_it_fits_a_phone(browser: Browser, server: str) -> None:
    page, _ = _open(browser, server, width=360)
    expect(page.locator(".talk")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
