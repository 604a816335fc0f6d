"""MUST 16 and 17: what the user said, and turns by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.checklist.house import (
    ANSWER,
    HEARD_TURN,
    MUMBLE_HZ,
    STORY_HZ,
    TRANSCRIPT,
    VERSE,
    VERSE_HZ,
    House,
    ask,
    housing,
    order,
    words,
)
from tests.server.caller import RATE_HZ, Caller, calling, silence, voice

pytestmark = pytest.mark.anyio

TRANSCRIPTION = "conversation.item.input_audio_transcription"
TRANSCRIBED = {"audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}}


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing() as shared:
        yield shared


# --- 16 ---------------------------------------------------------------------------------------------------------------


async def test_must_16_there_is_no_transcript_unless_it_is_configured(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.say()
        await caller.wait("response.done")
        await caller.update(**TRANSCRIBED)
        await caller.say()
        completed = await caller.wait(f"{TRANSCRIPTION}.completed")
        second = caller.of("input_audio_buffer.committed")[1]["item_id"]
        assert (completed["item_id"], completed["content_index"]) == (second, 0)
        assert completed["transcript"] == TRANSCRIPT
        assert completed["usage"]["type"] in ("duration", "tokens")
        assert completed["usage"]["seconds"] > 0.5
        deltas = [f["delta"] for f in caller.of(f"{TRANSCRIPTION}.delta") if f["item_id"] == second]
        assert "".join(deltas) in ("", TRANSCRIPT)
        await caller.wait("response.done", 2)
        await caller.update(audio={"input": {"transcription": None}})
        await caller.say()
        await caller.wait("response.done", 3)
        await caller.settled()
        assert caller.count(f"{TRANSCRIPTION}.completed") == 1
        assert {f["item_id"] for f in caller.frames if f["type"].startswith(TRANSCRIPTION)} == {second}
        caller.checker.rest()


async def test_must_16_a_turn_by_hand_is_transcribed_too(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.update(audio={"input": {"turn_detection": None, **TRANSCRIBED["audio"]["input"]}})
        await caller.append(voice(0.5, pitch_hz=STORY_HZ))
        await caller.send("input_audio_buffer.commit")
        completed = await caller.wait(f"{TRANSCRIPTION}.completed")
        assert completed["item_id"] == (await caller.wait("input_audio_buffer.committed"))["item_id"]
        assert completed["transcript"] == "Tell me a story."
        assert completed["usage"] == {"type": "duration", "seconds": pytest.approx(0.5, abs=0.01)}


async def test_must_16_a_failure_is_told_instead(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.update(**TRANSCRIBED)
        await caller.say(pitch_hz=MUMBLE_HZ)
        failed = await caller.wait(f"{TRANSCRIPTION}.failed")
        assert failed["item_id"] == caller.of("input_audio_buffer.committed")[0]["item_id"]
        assert failed["content_index"] == 0
        assert {"type", "code", "message"} <= failed["error"].keys()
        assert all(isinstance(failed["error"][key], str) for key in ("type", "code", "message"))
        await caller.say()
        await caller.wait(f"{TRANSCRIPTION}.completed")
        assert caller.count(f"{TRANSCRIPTION}.failed") == 1
        assert caller.errors() == []


# --- 17 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def by_hand(house: House) -> AsyncIterator[Caller]:
    async with calling(house.ws) as caller:
        await caller.update(audio={"input": {"turn_detection": None, **TRANSCRIBED["audio"]["input"]}})
        yield caller


async def test_must_17_a_turn_by_hand(house: House, by_hand: Caller) -> None:
    await by_hand.append(silence(0.3) + voice(0.6, pitch_hz=VERSE_HZ) + silence(1.0))
    await by_hand.send("input_audio_buffer.commit")
    await by_hand.wait("conversation.item.done")
    await by_hand.settled()
    assert by_hand.count("response.created") == 0, "a commit asks for no answer"
    await by_hand.send("response.create")
    done = await by_hand.wait("response.done")
    assert (done["response"]["status"], words(done)) == ("completed", VERSE)
    kinds = [kind for kind in order(by_hand.frames) if kind != "error"]
    assert kinds == ["session.created", "session.updated", *HEARD_TURN[2:], *ANSWER]
    by_hand.checker.rest()


async def test_must_17_what_is_cleared_is_in_no_turn(by_hand: Caller) -> None:
    await by_hand.append(voice(0.5))
    await by_hand.send("input_audio_buffer.clear")
    await by_hand.wait("input_audio_buffer.cleared")
    await by_hand.append(voice(0.3, pitch_hz=STORY_HZ))
    await by_hand.send("input_audio_buffer.commit")
    completed = await by_hand.wait(f"{TRANSCRIPTION}.completed")
    assert completed["transcript"] == "Tell me a story."
    assert completed["usage"]["seconds"] == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("length_ms", [0, 50, 99])
async def test_must_17_a_commit_of_less_than_100_ms_is_an_error_and_loses_nothing(
    by_hand: Caller, length_ms: int
) -> None:
    pcm = voice(0.5)
    cut = 2 * RATE_HZ * length_ms // 1_000
    await by_hand.append(pcm[:cut])
    await by_hand.send("input_audio_buffer.commit", event_id="evt_early")
    error = (await by_hand.wait("error"))["error"]
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "evt_early")
    assert error["message"] == (
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
        f"but buffer only has {length_ms:.2f}ms of audio."
    )
    await by_hand.append(pcm[cut:])
    await by_hand.send("input_audio_buffer.commit")
    completed = await by_hand.wait(f"{TRANSCRIPTION}.completed")
    assert completed["usage"]["seconds"] == pytest.approx(0.5, abs=0.01)


async def test_must_17_just_100_ms_can_be_committed(by_hand: Caller) -> None:
    await by_hand.append(voice(0.1))
    await by_hand.send("input_audio_buffer.commit")
    completed = await by_hand.wait(f"{TRANSCRIPTION}.completed")
    assert completed["usage"]["seconds"] == pytest.approx(0.1, abs=0.001)
    assert by_hand.errors() == []


async def test_must_17_voice_neither_interrupts_nor_begins_anything(by_hand: Caller) -> None:
    await ask(by_hand, "Say a verse.")
    await by_hand.wait("response.output_audio.delta", 3)
    await by_hand.append(voice(0.6) + silence(1.0))
    assert (await by_hand.wait("response.done"))["response"]["status"] == "completed"
    await by_hand.settled()
    assert not [kind for kind in by_hand.types() if kind.startswith("input_audio_buffer")]
    assert by_hand.count("response.created") == 1
