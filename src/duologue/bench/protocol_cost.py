"""What the protocol costs: CPU of one thread for one frame of sound, beside ``json`` and the SDK's own types.

In: 20 ms of sound, from the text of the WebSocket message to the event that the session is told. Out: 100 ms, from the
session's event to the bytes of the message. All ways are timed by turns, a batch each, so that a noisy machine is
noisy for all of them; the least is the cost without noise, the median what the machine gave.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from duologue.audio.codec import encode_pcm16
from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.audio.g711 import RATE_HZ, encode_g711
from duologue.bench import sdk_cost
from duologue.events import ReplyAudio, ReplyManner, ReplyStarted
from duologue.items import SessionConfig, SoundFormat, new_id
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol

IN_MS, OUT_MS = 20, 100
# CPU of the protocol's work for one frame.
GOAL_IN_US, GOAL_OUT_US = 60.0, 30.0
BATCH = 300
TONE_HZ, TONE_LEVEL = 440, 8_000

_FORMATS: dict[SoundFormat, dict[str, object]] = {
    "pcm16": {"type": "audio/pcm", "rate": VOICE_RATE_HZ},
    "mulaw": {"type": "audio/pcmu"},
    "alaw": {"type": "audio/pcma"},
}
_REPLY, _ITEM = new_id("resp"), new_id("item")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One way with one frame. ``frame``: direction and format; ``by``: whose code; ``batch`` gives the microseconds
    that each of so many frames took."""

    frame: str
    by: str
    batch: Callable[[int], float]


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """CPU microseconds a frame; ``to_json``: our median beside that of ``json``, the same frame and rounds."""

    frame: str
    by: str
    least_us: float
    median_us: float
    to_json: float | None = None

    @property
    def goal_us(self) -> float | None:
        """What it is not to exceed, where it is ours."""
        if self.by != "duologue":
            return None
        return GOAL_IN_US if self.frame.startswith("in") else GOAL_OUT_US


def measure(cases: Sequence[Case], rounds: int, told: Callable[[str], None] = lambda _words: None) -> list[Cost]:
    """Time all ``cases`` by turns, ``rounds`` times; a first round warms up and does not count."""
    taken: list[list[float]] = [[] for _ in cases]
    for turn in range(rounds + 1):
        told(f"protocol: round {turn} of {rounds}")
        for case, figures in zip(cases, taken, strict=True):
            us = case.batch(BATCH)
            if turn:
                figures.append(us)
    medians = {(case.frame, case.by): median(figures) for case, figures in zip(cases, taken, strict=True)}
    return [
        Cost(
            frame=case.frame,
            by=case.by,
            least_us=round(min(figures), 2),
            median_us=round(median(figures), 2),
            to_json=_ratio(median(figures), medians.get((case.frame, "json"))),
        )
        for case, figures in zip(cases, taken, strict=True)
    ]


def _ratio(us: float, json_us: float | None) -> float | None:
    return round(us / json_us, 2) if json_us else None


def _coded(pcm: bytes, sound: SoundFormat) -> bytes:
    """As many bytes as the sound has on the wire; G.711 of every third sample."""
    if sound == "pcm16":
        return pcm
    return encode_g711(np.frombuffer(pcm, "<i2")[:: VOICE_RATE_HZ // RATE_HZ], sound)


# --- ours, and json's -----------------------------------------------------------------------------------------


def protocol_for(sound: SoundFormat) -> RealtimeProtocol:
    """A connection's dialect with this format both ways, and an answer begun in it."""
    protocol = RealtimeProtocol("bench", SessionConfig(), now_s=0)
    both = {"input": {"format": _FORMATS[sound]}, "output": {"format": _FORMATS[sound]}}
    protocol.receive(json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": both}}))
    protocol.send(ReplyStarted(reply_id=_REPLY, manner=ReplyManner(modality="audio", output_format=sound)))
    return protocol


def append_frame(sound: SoundFormat) -> str:
    """The client's message with 20 ms of sound."""
    data = _coded(some_sound(IN_MS), sound)
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()})


def reply_audio() -> ReplyAudio:
    """100 ms of an answer."""
    return ReplyAudio(reply_id=_REPLY, item_id=_ITEM, pcm=some_sound(OUT_MS))


def some_sound(length_ms: int) -> bytes:
    """A tone that does not clip, s16le at 24 kHz."""
    at = np.arange(length_ms * VOICE_RATE_HZ // 1000)
    wave: Int16 = np.round(TONE_LEVEL * np.sin(2 * np.pi * TONE_HZ / VOICE_RATE_HZ * at)).astype(np.int16)
    return encode_pcm16(wave)


def plain_cases() -> list[Case]:
    """Ours and json's, for each format. json's stop at the bytes: no G.711, no checks but base64's."""
    cases = []
    for sound in _FORMATS:
        protocol, frame, audio = protocol_for(sound), append_frame(sound), reply_audio()
        coded = _coded(audio.pcm, sound)
        ways: dict[tuple[str, str], Callable[[], object]] = {
            ("in", "duologue"): partial(protocol.receive, frame),
            ("in", "json"): partial(json_in, frame),
            ("out", "duologue"): partial(protocol.send, audio),
            ("out", "json"): partial(json_out, coded),
        }
        for (way, by), run in ways.items():
            cases.append(Case(frame=f"{way} {sound}", by=by, batch=partial(sdk_cost.us_each, run)))
    return sorted(cases, key=lambda case: case.frame.split()[0])


def json_in(frame: str) -> bytes:
    """The standard library's way with a client's frame."""
    return base64.b64decode(json.loads(frame)["audio"], validate=True)


def json_out(sound: bytes) -> bytes:
    """The standard library's way with sound for the client."""
    frame = {
        "event_id": new_id("event"),
        "type": "response.output_audio.delta",
        "response_id": _REPLY,
        "item_id": _ITEM,
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(sound).decode(),
    }
    return json.dumps(frame).encode()


# --- the SDK's ------------------------------------------------------------------------------------------------

_SDK_CASES = {
    "in-known": ("in pcm16", "SDK, the one type"),
    "in-any": ("in pcm16", "SDK, any client event"),
    "out-checked": ("out pcm16", "SDK, validated"),
    "out-unchecked": ("out pcm16", "SDK, construct"),
}


@contextmanager
def sdk_cases(python: str) -> Iterator[tuple[list[Case], str]]:
    """The SDK's cases and its version as ``python`` has it; no cases and why not, where it has none."""
    command = [python, str(Path(sdk_cost.__file__).resolve())]
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        yield [], f"{python} cannot be run: {error.strerror}"
        return
    with process:
        assert process.stdout is not None
        version = process.stdout.readline().strip()
        if version:
            yield [_sdk_case(process, name) for name in _SDK_CASES], version
        else:
            yield [], f"not installed for {python}: pip install openai, or name a Python that has it with --sdk-python"


def _sdk_case(process: subprocess.Popen[str], name: str) -> Case:
    def batch(count: int) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name} {count}\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    frame, by = _SDK_CASES[name]
    return Case(frame=frame, by=by, batch=batch)
