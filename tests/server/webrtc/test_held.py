"""A sound over an answer, over a whole call: the answer is lowered, falls silent, and loses nothing by it."""

from __future__ import annotations

import numpy as np
import pytest

from duologue.engines.base import TranscribeRequest
from duologue.engines.scripted import TRANSCRIPT, ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber
from tests.server.serving import engines, serving
from tests.server.webrtc.phone import LOUD, Phone, voice
from tests.server.webrtc.talking import on_the_phone, say

pytestmark = pytest.mark.anyio

ASKED = {"x_playout": "1", "x_metrics": "1"}
WORD_MS, WORDS = 200, 8
STOPPED, JUDGED = "output_audio_buffer.stopped", "duologue.overlap.judged"
LOWERED, HELD, RESUMED = (f"duologue.output_audio.{what}" for what in ("lowered", "held", "resumed"))


def _hear(short: str) -> ScriptedTranscriber:
    """What lasts less than 350 ms is ``short``."""

    def hear(request: TranscribeRequest) -> str:
        return TRANSCRIPT if np.count_nonzero(np.abs(request.audio) > 0.01) > 0.35 * 16_000 else short

    return ScriptedTranscriber(hear=hear)


def _talker(short: str = "") -> dict[str, object]:
    words = " ".join(f"word{i}" for i in range(WORDS))
    return {"asr": _hear(short), "chat": ScriptedChat(words), "tts": ScriptedSynthesizer(word_s=WORD_MS / 1000)}


def _curious() -> Phone:
    phone = Phone()
    phone.checker.takes_own = True
    return phone


@pytest.mark.parametrize(("short", "verdict"), [("", "noise"), ("mm-hm", "backchannel")])
async def test_what_was_no_interruption_costs_not_a_word(short: str, verdict: str) -> None:
    async with serving(engines(**_talker(short))) as server, on_the_phone(server, _curious(), **ASKED) as phone:
        await say(phone, 0.6)
        await phone.wait("output_audio_buffer.started")
        phone.voice.say(voice(0.25))
        assert (await phone.wait(JUDGED))["verdict"] == verdict
        await phone.wait(STOPPED)
        assert phone.count(LOWERED) >= phone.count(HELD) == phone.count(RESUMED) == 1
        assert phone.count("input_audio_buffer.speech_started") == 1
        assert phone.count("output_audio_buffer.cleared") == 0
        # Every packet of it, once: lowered ones are above this too.
        sounding = [level for _, level in phone.ear.heard if level > LOUD / 10]
        assert len(sounding) * 20 == pytest.approx(WORDS * WORD_MS, abs=80)


async def test_to_whom_it_is_held_nothing_is_told_that_was_not_asked_for() -> None:
    async with serving(engines(**_talker())) as server, on_the_phone(server) as phone:
        await say(phone, 0.6)
        await phone.wait("output_audio_buffer.started")
        phone.voice.say(voice(0.25))
        await phone.wait(STOPPED)
        assert not [kind for kind in phone.types() if kind.startswith("duologue.")]
        levels = [level for _, level in phone.ear.heard]
        first = next(i for i, level in enumerate(levels) if level > LOUD / 10)
        last = len(levels) - next(i for i, level in enumerate(reversed(levels)) if level > LOUD / 10)
        silent = sum(level < LOUD / 10 for level in levels[first:last])
        assert silent >= 3, "it was held all the same"
        assert (last - first - silent) * 20 == pytest.approx(WORDS * WORD_MS, abs=80)
