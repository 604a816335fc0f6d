"""What leaves the page for the speaker, sample by sample, while the network does its worst."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, WebSocket

from tests.browser.chromium import MARKS, end, expect_state, private
from tests.browser.speech import MOUTH, WISH, Speech
from tests.browser.tcp_relay import tcp_relay

pytestmark = MARKS

Samples = NDArray[np.float64]

# Twice the wire's rate, so that what should be rendered is easily told.
RATE_HZ = 48_000
JITTER_S, STALL_S = 0.05, 0.3
LISTEN_S = 5.0
# The page's resampler: 16 zero crossings a side under a Blackman window.
REACH, ROLL_OFF = 16, 0.94

RECORD = """
const source = `registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([[channel]]) {
    if (channel) this.port.postMessage(channel.slice());
    return true;
  }
});`;
const recorder = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
window.recorded = [];
window.AudioContext = class extends AudioContext {
  constructor(options) { super({ ...options, sampleRate: RATE_HZ }); }
};
const add = AudioWorklet.prototype.addModule;
AudioWorklet.prototype.addModule = async function (url) {
  await add.call(this, recorder);
  return add.call(this, url);
};
const Node = window.AudioWorkletNode;
window.AudioWorkletNode = class extends Node {
  constructor(context, name, options) {
    super(context, name, options);
    if (name !== "duologue-playback") return;
    const tap = new Node(context, "recorder");
    tap.port.onmessage = ({ data }) => recorded.push(data);
    this.connect(tap).connect(context.destination);
  }
};
window.tellRecorded = async () => {
  const bytes = new Uint8Array(await new Blob(recorded).arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
};
""".replace("RATE_HZ", str(RATE_HZ))


class _Wire:
    """The answers' sound as it came to the page."""

    def __init__(self, page: Page) -> None:
        self._pcm: list[bytes] = []
        page.on("websocket", self._follow)

    def _follow(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._take)

    def _take(self, frame: str | bytes) -> None:
        event: dict[str, Any] = json.loads(frame)
        if event["type"] == "response.output_audio.delta":
            self._pcm.append(base64.b64decode(event["delta"]))

    @property
    def samples(self) -> Samples:
        return np.frombuffer(b"".join(self._pcm), "<i2") / 32_768


def test_a_bad_network_is_not_heard_over_websocket(one_chromium: Browser, server: str, speech: Speech) -> None:
    with (
        private(one_chromium, permissions=["microphone"], bypass_csp=True) as browser,
        tcp_relay(server, JITTER_S) as network,
    ):
        page = browser.new_page()
        page.add_init_script(MOUTH + RECORD)
        wire = _Wire(page)
        page.goto(f"{network.url}?transport=websocket")
        page.locator(".talk").click()
        expect_state(page, "listening")
        speech.say(page, WISH)
        expect_state(page, "speaking")
        page.wait_for_timeout(LISTEN_S * 1000 / 2)
        network.stall(STALL_S)
        page.wait_for_timeout(LISTEN_S * 1000 / 2)
        rendered = np.frombuffer(base64.b64decode(page.evaluate("tellRecorded()")), "<f4").astype(np.float64)
        end(page)
    assert network.held_back > 0, "the stall met nothing"
    _expect_the_same(rendered, wire.samples)


def _expect_the_same(rendered: Samples, came: Samples) -> None:
    """All that came, in its order, with nothing between: no gap, no click."""
    wanted = _at_twice_the_rate(came)
    heard = rendered[_onset(rendered) :]
    wanted = wanted[_onset(wanted) :]
    assert len(heard) > 0.8 * LISTEN_S * RATE_HZ
    assert len(wanted) > len(heard), "the answer was too short"
    wrong = np.flatnonzero(np.abs(heard - wanted[: len(heard)]) > 1e-4)
    assert not len(wrong), f"{len(wrong)} samples differ, from {wrong[0] / RATE_HZ:.3f} s on"


def _onset(samples: Samples) -> int:
    return int(np.argmax(np.abs(samples) > 1e-3))


def _at_twice_the_rate(samples: Samples) -> Samples:
    """As the page's resampler has it, on paper."""
    doubled = np.zeros(2 * (len(samples) + 2 * REACH - 1))
    for phase in range(2):
        at = np.arange(2 * REACH) + phase / 2 - REACH
        window = np.where(
            np.abs(at) < REACH, 0.42 + 0.5 * np.cos(np.pi * at / REACH) + 0.08 * np.cos(2 * np.pi * at / REACH), 0.0
        )
        weights = np.sinc(ROLL_OFF * at) * window
        doubled[phase::2] = np.convolve(samples, weights / weights.sum())
    return doubled
