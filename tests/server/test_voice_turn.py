"""Turns of voice over the real wire: their order, whose they are, and what an interruption does."""

from __future__ import annotations

import anyio
import numpy as np
import pytest

from duologue.engines.base import ChatRequest, TranscribeRequest
from duologue.engines.scripted import TWELVE_WORDS, ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber
from tests.server.caller import Caller, calling, silence, voice
from tests.server.serving import engines, serving, until

pytestmark = pytest.mark.anyio

TRANSCRIBED = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
LONG = " ".join(f"word{i}" for i in range(60)) + "."


async def test_the_order_of_one_turn() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.update(**TRANSCRIBED)
        await caller.say()
        await caller.wait("response.done")
        caller.checker.rest()
        transcribed = "conversation.item.input_audio_transcription.completed"
        await caller.wait(transcribed)
        # The transcript comes when it is ready, anywhere after its item.
        assert [kind for kind in caller.types() if kind != transcribed] == [
            "session.created",
            "session.updated",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]
        done = caller.of("response.done")[0]["response"]
        assert done["status"] == "completed"
        assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": TWELVE_WORDS}]


async def test_one_id_runs_through_a_turn() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.append(silence(0.5))
        await caller.say()
        await caller.wait("response.done")
        started = caller.of("input_audio_buffer.speech_started")[0]
        stopped = caller.of("input_audio_buffer.speech_stopped")[0]
        user, answer = caller.of("conversation.item.added")
        assert started["item_id"] == stopped["item_id"] == user["item"]["id"]
        assert user["previous_item_id"] is None
        assert answer["previous_item_id"] == user["item"]["id"]
        # Speech began after 500 ms; 300 ms of padding before it belong to the turn. The VAD's grid is 32 ms.
        assert started["audio_start_ms"] == pytest.approx(200, abs=70)
        assert stopped["audio_end_ms"] == pytest.approx(1100, abs=70)


async def test_no_transcript_unless_asked_for() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.say()
        await caller.wait("response.done")
        assert not [kind for kind in caller.types() if "input_audio_transcription" in kind]


async def test_later_turns_follow_earlier_ones() -> None:
    async with serving() as server, calling(server.ws) as caller:
        for turn in range(3):
            await caller.say()
            await caller.wait("response.done", turn + 1)
            await anyio.sleep(0.35)  # the answer's 300 ms of sound are heard to their end
        caller.checker.rest()
        assert caller.count("conversation.item.added") == 6
        assert [done["response"]["status"] for done in caller.of("response.done")] == ["completed"] * 3


def _pitch(request: TranscribeRequest) -> str:
    """Hear which of the tones it is."""
    spectrum = np.abs(np.fft.rfft(request.audio))
    return f"{np.argmax(spectrum) * 16_000 / len(request.audio):.0f} hertz"


def _echo(request: ChatRequest) -> str:
    return f"you said {request.messages[-1].content} and you alone"


async def test_three_people_at_once_hear_only_their_own_answers() -> None:
    client = engines(asr=ScriptedTranscriber(hear=_pitch), chat=ScriptedChat(answer=_echo, word_s=0.01))

    async def talk(url: str, pitch_hz: float) -> None:
        async with calling(url) as caller:
            for turn in range(2):
                await caller.say(0.7, pitch_hz=pitch_hz)
                done = await caller.wait("response.done", turn + 1)
                words = done["response"]["output"][0]["content"][0]["transcript"].split()
                assert float(words[2]) == pytest.approx(pitch_hz, abs=5)
                await anyio.sleep(0.35)
            caller.checker.rest()

    async with serving(client) as server:
        async with anyio.create_task_group() as people:
            for pitch_hz in (200.0, 400.0, 800.0):
                people.start_soon(talk, server.ws, pitch_hz)
        await until(lambda: server.state.slots.taken == 0)


async def _interrupt(caller: Caller) -> None:
    await caller.say()
    await caller.wait("response.output_audio.delta", 3)
    await caller.append(voice(0.5))


async def test_speech_over_a_long_answer_ends_it() -> None:
    client = engines(chat=ScriptedChat(LONG), tts=ScriptedSynthesizer(word_s=0.2))
    async with serving(client) as server, calling(server.ws) as caller:
        await _interrupt(caller)
        done = (await caller.wait("response.done"))["response"]
        kinds = [frame["type"] for frame in caller.frames]
        second_start = [i for i, kind in enumerate(kinds) if kind.endswith("speech_started")][1]
        assert second_start < kinds.index("response.done")
        assert done["status"] == "cancelled"
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert done["output"][0]["status"] == "incomplete"
        await caller.append(silence(0.6))
        await caller.wait("response.created", 2)


async def test_an_interrupted_answer_is_remembered_as_far_as_it_was_heard() -> None:
    client = engines(chat=ScriptedChat(LONG), tts=ScriptedSynthesizer(word_s=0.2))
    async with serving(client) as server, calling(server.ws) as caller:
        await _interrupt(caller)
        item = (await caller.wait("response.done"))["response"]["output"][0]
        await caller.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=650)
        truncated = await caller.wait("conversation.item.truncated")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == (item["id"], 650)
        await caller.send("conversation.item.retrieve", item_id=item["id"])
        kept = (await caller.wait("conversation.item.retrieved"))["item"]
        # A word of 200 ms counts as heard from its middle on: three words by 650 ms.
        assert kept["content"][0]["transcript"].split() == ["word0", "word1", "word2"]


async def test_interrupt_response_false_lets_the_answer_end() -> None:
    client = engines(chat=ScriptedChat(LONG), tts=ScriptedSynthesizer(word_s=0.02))
    async with serving(client) as server, calling(server.ws) as caller:
        await caller.detect({"type": "server_vad", "interrupt_response": False, "silence_duration_ms": 200})
        await caller.say()
        await caller.wait("response.output_audio.delta", 3)
        await caller.say()
        first = (await caller.wait("response.done"))["response"]
        assert first["status"] == "completed"
        await caller.wait("response.done", 2)
        caller.checker.rest()


async def test_create_response_false_commits_without_an_answer() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.detect({"type": "server_vad", "create_response": False, "silence_duration_ms": 200})
        await caller.say()
        await caller.wait("conversation.item.done")
        await caller.settled()
        assert caller.count("response.created") == 0
        await caller.send("response.create")
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"


async def test_semantic_vad_takes_turns_too() -> None:
    async with serving(speculates=True) as server, calling(server.ws) as caller:
        await caller.detect({"type": "semantic_vad", "eagerness": "high"})
        await caller.append(voice(0.6) + silence(2.5))
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"
        caller.checker.rest()
