"""What a person says to the page: as a recording that the microphone hears, or whenever a test wants it said."""

from __future__ import annotations

import base64
import wave
from pathlib import Path

import anyio
import numpy as np
from playwright.sync_api import Page, expect

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.engines.base import SpeakRequest
from duologue.engines.tts.espeak import Espeak
from tests.browser.chromium import PATIENCE_MS, expect_state

# Such as the voice here says clearly; the first and the last have short answers.
THANKS, WISH, QUESTION = "Thank you very much.", "Can you tell me a story?", "What time is it?"

# The page's microphone is asked for like any other; what it then hears is what ``say`` plays.
MOUTH = """
const askDevice = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const device = await askDevice(wanted);
  const context = new AudioContext();
  const mouth = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  // A room is never quite still; and without any sound at all Chromium would send no packets, as no microphone does.
  const room = new ConstantSourceNode(context, { offset: 1e-4 });
  room.connect(mouth);
  room.start();
  const [track] = mouth.stream.getAudioTracks();
  const stop = track.stop.bind(track);
  track.stop = () => {
    stop();
    for (const each of device.getTracks()) each.stop();
    void context.close();
  };
  window.say = (pcm, rateHz) => {
    const bytes = Uint8Array.from(atob(pcm), (letter) => letter.charCodeAt(0));
    const samples = Float32Array.from(new Int16Array(bytes.buffer), (sample) => sample / 32768);
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: rateHz });
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(mouth);
    source.start();
    window.said = new Promise((resolve) => source.addEventListener("ended", resolve));
  };
  return mouth.stream;
};
"""


class Speech:
    """Sentences as spoken."""

    def __init__(self) -> None:
        self._pcm = {text: anyio.run(_spoken, text) for text in (THANKS, WISH, QUESTION)}

    def say(self, page: Page, text: str) -> None:
        """On a page that was opened with ``MOUTH``."""
        pcm = base64.b64encode(self._pcm[text].tobytes()).decode()
        page.evaluate("([pcm, rateHz]) => window.say(pcm, rateHz)", [pcm, VOICE_RATE_HZ])

    def say_out(self, page: Page, text: str) -> None:
        """The same, and returns when all of it was said."""
        self.say(page, text)
        page.evaluate("() => window.said.then(() => null)")

    def record(self, path: Path) -> None:
        """Someone says thanks, once any transport stands."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(VOICE_RATE_HZ)
            file.writeframes(np.concatenate([_silence(3), self._pcm[THANKS], _silence(60)]).tobytes())

    def talk(self, page: Page) -> None:
        """Three turns, the second answer of which is interrupted."""
        user = page.locator(".transcript li[data-role=user][data-status=final]")
        answers = page.locator(".transcript li[data-role=assistant][data-status=final]")
        expect_state(page, "listening")
        self.say(page, THANKS)
        expect_thanks(page)
        expect_state(page, "listening")
        self.say(page, WISH)
        expect(user.nth(1)).to_contain_text("story", timeout=PATIENCE_MS)
        expect_state(page, "speaking")
        page.wait_for_timeout(1500)  # some words are heard
        self.say(page, QUESTION)
        interrupted = page.locator(".transcript li[data-role=assistant][data-status=interrupted]")
        expect(interrupted).to_have_count(1, timeout=PATIENCE_MS)
        expect(interrupted.locator("s")).not_to_be_empty(timeout=PATIENCE_MS)
        expect(user.nth(2)).to_contain_text("time", timeout=PATIENCE_MS)
        expect(answers).to_have_count(2, timeout=PATIENCE_MS)


def expect_thanks(page: Page) -> None:
    """The first turn: somebody says thanks, and is answered."""
    user = page.locator(".transcript li[data-role=user][data-status=final]")
    expect(user.first).to_contain_text("hank", timeout=PATIENCE_MS)
    expect_state(page, "speaking")
    expect(page.locator(".transcript li[data-role=assistant][data-status=final]")).to_have_count(1, timeout=PATIENCE_MS)


async def _spoken(text: str) -> Int16:
    voice = Espeak()
    await voice.start()
    async with voice.stream(SpeakRequest(text)) as chunks:
        pieces = [chunk.pcm async for chunk in chunks]
    await voice.aclose()
    return np.concatenate(pieces)


def _silence(seconds: float) -> Int16:
    return np.zeros(round(seconds * VOICE_RATE_HZ), np.int16)
