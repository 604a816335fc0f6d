"""MUST 4, 10, 12, 16 and 17: turns of voice and by hand, interruptions, what is remembered of them, transcripts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from duologue.engines.scripted_chat import STORY
from tests.checklist.house import (
    ANSWER,
    CLOSING,
    HEARD_TURN,
    MUMBLE_HZ,
    STORY_HZ,
    TRANSCRIPT,
    TWELVE_WORDS,
    VERSE,
    VERSE_HZ,
    WORD_S,
    House,
    answer,
    ask,
    housing,
    of_response,
    order,
    words,
)
from tests.server.caller import RATE_HZ, Caller, calling, silence, voice
from tests.server.serving import until
from tests.wire_checker import Frame

pytestmark = pytest.mark.anyio

TRANSCRIPTION = "conversation.item.input_audio_transcription"
TRANSCRIBED = {"audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
VADS = {
    "server_vad": {"type": "server_vad", "create_response": True},
    "semantic_vad": {"type": "semantic_vad", "eagerness": "high", "create_response": True},
}


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing() as shared:
        yield shared


# --- 4 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vad", VADS)
async def test_must_04_a_turn_in_exactly_the_order_of_openai(house: House, vad: str) -> None:
    async with calling(house.ws) as caller:
        shown = await caller.update(audio={"input": {"turn_detection": VADS[vad]}})
        assert shown["audio"]["input"]["turn_detection"]["type"] == vad
        await caller.append(silence(0.5) + voice(0.6) + silence(2.5))
        await caller.wait("response.done")
        await caller.wait("rate_limits.updated")
        caller.checker.rest()
        assert order(caller.frames) == ["session.created", "session.updated", *HEARD_TURN, *ANSWER]
        _check_turn(caller)


def _check_turn(caller: Caller) -> None:
    started, stopped, committed = (
        caller.of(f"input_audio_buffer.{name}")[0] for name in ("speech_started", "speech_stopped", "committed")
    )
    user, said = caller.of("conversation.item.added")
    user_id = user["item"]["id"]
    assert {started["item_id"], stopped["item_id"], committed["item_id"]} == {user_id}
    assert caller.of("conversation.item.done")[0]["item"]["id"] == user_id
    assert committed["previous_item_id"] is user["previous_item_id"] is None
    assert (user["item"]["role"], user["item"]["status"]) == ("user", "completed")
    assert user["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    # 500 ms of silence, of which 300 ms belong to the turn; then 600 ms of voice.
    assert started["audio_start_ms"] == pytest.approx(200, abs=70)
    assert stopped["audio_end_ms"] == pytest.approx(1_100, abs=70)
    created = caller.of("response.created")[0]["response"]
    assert (created["status"], created["output"], created["usage"]) == ("in_progress", [], None)
    assert said["previous_item_id"] == user_id
    assert (said["item"]["status"], said["item"]["content"]) == ("in_progress", [])
    assert caller.of("response.content_part.added")[0]["part"] == {"type": "audio", "transcript": ""}
    done = caller.of("response.done")[0]["response"]
    (item,) = done["output"]
    assert item == caller.of("conversation.item.done")[1]["item"] == caller.of("response.output_item.done")[0]["item"]
    assert item["id"] == said["item"]["id"]
    assert (done["status"], item["status"]) == ("completed", "completed")
    assert item["content"] == [{"type": "output_audio", "transcript": TWELVE_WORDS}]


async def test_must_04_create_response_false_hears_and_does_not_answer(house: House) -> None:
    async with calling(house.ws) as caller:
        for kind in VADS:
            await caller.detect({"type": kind, "create_response": False})
            await caller.append(voice(0.6) + silence(4.5))
            await caller.wait("input_audio_buffer.committed", 1 + list(VADS).index(kind))
        await caller.settled()
        assert caller.count("response.created") == 0
        caller.checker.rest()


# --- 10 ---------------------------------------------------------------------------------------------------------------


async def _until_sounding(caller: Caller, text: str) -> str:
    """An answer that is being given: its id."""
    deltas = caller.count("response.output_audio.delta")
    created = await ask(caller, text)
    await caller.wait("response.output_audio.delta", deltas + 3)
    return str(created["response"]["id"])


async def test_must_10_speech_ends_an_answer_at_once_and_for_good(house: House) -> None:
    async with calling(house.ws) as caller:
        first = await _until_sounding(caller, "Tell me a story.")
        await caller.append(voice(0.5))
        done = (await caller.wait("response.done"))["response"]
        kinds = [frame["type"] for frame in caller.frames]
        start, end = kinds.index("input_audio_buffer.speech_started"), kinds.index("response.done")
        assert kinds[start + 1 : end + 1] == CLOSING
        assert (done["id"], done["status"]) == (first, "cancelled")
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        (item,) = done["output"]
        assert item["status"] == "incomplete"
        assert item == caller.of("response.output_item.done")[0]["item"]
        assert len(words(caller.of("response.done")[0]).split()) < len(STORY.split())
        assert done["usage"]["output_tokens"] > 0
        await caller.append(silence(0.6))
        await caller.wait("response.done", 2)
        assert order(caller.frames[end + 1 :]) == [*HEARD_TURN[1:], *ANSWER]
        assert of_response(caller, first)[-1]["type"] == "response.done"
        # Nor does the model write on.
        await until(lambda: house.model.running == 0)
        assert caller.errors() == []
        caller.checker.rest()


async def test_must_10_speech_is_told_within_200_ms_of_its_onset(house: House) -> None:
    piece = 2 * RATE_HZ // 50
    async with calling(house.ws) as caller:
        await _until_sounding(caller, "Tell me a story.")
        pcm = voice(0.5)
        for count in range(1, 26):
            await caller.append(pcm[(count - 1) * piece : count * piece])
            await caller.settled()
            if caller.count("input_audio_buffer.speech_started"):
                break
        assert count * 20 <= 200, f"told after {count * 20} ms of voice"
        await caller.wait("response.done")


async def test_must_10_an_answer_that_is_done_but_still_plays_is_not_cancelled_and_is_cut_in_memory(
    house: House,
) -> None:
    async with calling(house.ws) as caller:
        created = await ask(caller, "Hello.")
        begun_s = anyio.current_time()
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"
        await caller.append(voice(0.5))
        await caller.wait("input_audio_buffer.speech_started")
        most_heard = (anyio.current_time() - begun_s) / WORD_S + 1
        await caller.append(silence(0.6))
        second = await caller.wait("response.created", 2)
        await caller.wait("response.done", 2)
        endings = [frame["response"]["id"] for frame in caller.of("response.done")]
        assert endings == [created["response"]["id"], second["response"]["id"]]
        # The client said nothing of what it played: the server knows what cannot have been heard.
        assert len(house.model.remembers()) <= most_heard
        assert house.model.remembers() == TWELVE_WORDS.split()[: len(house.model.remembers())]


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
async def test_must_10_interrupt_response_false_lets_the_answer_run(house: House, kind: str) -> None:
    async with calling(house.ws) as caller:
        await caller.detect({"type": kind, "interrupt_response": False})
        await _until_sounding(caller, "Say a verse.")
        await caller.append(voice(0.6) + silence(4.5))
        await caller.wait("input_audio_buffer.speech_started")
        assert caller.count("response.done") == 0
        first = await caller.wait("response.done")
        assert (first["response"]["status"], words(first)) == ("completed", VERSE)
        assert (await caller.wait("response.done", 2))["response"]["status"] == "completed"
        caller.checker.rest()


async def test_must_10_speech_while_a_tool_works_is_a_turn_like_any(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.update(tools=[WEATHER])
        (call,) = (await answer(caller, "What is the weather in Oslo?"))["response"]["output"]
        assert call["type"] == "function_call"
        await _until_sounding(caller, "Tell me a story while you wait.")
        await caller.append(voice(0.6))
        done = (await caller.wait("response.done", 2))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        await caller.append(silence(0.6))
        assert (await caller.wait("response.done", 3))["response"]["status"] == "completed"
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "nine degrees"}
        await caller.send("conversation.item.create", item=result)
        await answer(caller, "And now?")
        assert [m.content for m in house.model.prompt() if m.role == "tool"] == ["nine degrees"]
        assert caller.errors() == []
        caller.checker.rest()


async def test_must_10_without_a_word_of_the_client_only_what_was_heard_is_remembered(house: House) -> None:
    async with calling(house.ws) as caller:
        await _until_sounding(caller, "Tell me a story.")
        begun_s = anyio.current_time()
        await anyio.sleep(0.7)
        await caller.append(voice(0.6))
        interrupted = await caller.wait("response.done")
        heard_s = anyio.current_time() - begun_s
        await caller.append(silence(0.6))
        await caller.wait("response.done", 2)
        remembered = house.model.remembers()
        sent = words(interrupted).split()
        assert remembered == sent[: len(remembered)]
        assert 0.7 / WORD_S - 1 <= len(remembered) <= heard_s / WORD_S + 2
        assert len(remembered) < len(sent)


# --- 12 ---------------------------------------------------------------------------------------------------------------


async def _truncate(caller: Caller, item_id: str, audio_end_ms: int) -> Frame:
    count = caller.count("conversation.item.truncated")
    await caller.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms)
    return await caller.wait("conversation.item.truncated", count + 1)


async def test_must_12_the_next_prompt_has_only_what_was_heard(house: House) -> None:
    async with calling(house.ws) as caller:
        await _until_sounding(caller, "Tell me a story.")
        await caller.append(voice(0.5))
        item_id = (await caller.wait("response.done"))["response"]["output"][0]["id"]
        truncated = await _truncate(caller, item_id, 650)
        assert (truncated["item_id"], truncated["content_index"], truncated["audio_end_ms"]) == (item_id, 0, 650)
        await caller.append(silence(0.6))
        await caller.wait("response.done", 2)
        # A word counts as heard from its middle on: the fifth is heard at 675 ms.
        assert house.model.remembers() == STORY.split()[:4]
        await caller.send("conversation.item.retrieve", item_id=item_id)
        kept = (await caller.wait("conversation.item.retrieved"))["item"]
        assert kept["content"][0]["transcript"].split() == STORY.split()[:4]
        assert caller.errors() == []


async def test_must_12_of_an_answer_that_was_all_sent_too(house: House) -> None:
    async with calling(house.ws) as caller:
        item_id = (await answer(caller, "Hello."))["response"]["output"][0]["id"]
        for audio_end_ms, count in ((1_100, 7), (500, 3), (0, 0)):
            await _truncate(caller, item_id, audio_end_ms)
            await answer(caller, "And?", conversation="auto", output_modalities=["text"])
            assistants = [m.content for m in house.model.prompt() if m.role == "assistant"]
            first = assistants[0].removesuffix(" ...").split() if count else []
            assert first == TWELVE_WORDS.split()[:count]
            if not count:
                assert TWELVE_WORDS.split()[0] not in " ".join(m.content for m in house.model.prompt()[:1])
            # The question and the answer in between are not part of what is looked at.
            await _forget(caller, item_id)


async def _forget(caller: Caller, kept_id: str) -> None:
    """Delete all but the first question and ``kept_id``."""
    for item_id in caller.checker.order[1:]:
        if item_id != kept_id:
            await caller.send("conversation.item.delete", item_id=item_id)
    await caller.settled()


async def test_must_12_a_truncate_within_or_little_beyond_what_was_sent_is_no_error(house: House) -> None:
    async with calling(house.ws) as caller:
        done = await answer(caller, "Hello.")
        item_id = done["response"]["output"][0]["id"]
        sent_ms = 12 * WORD_S * 1_000
        for audio_end_ms in (sent_ms, sent_ms + 1, sent_ms + 250, sent_ms + 5_000, 1, 0):
            await _truncate(caller, item_id, int(audio_end_ms))
        assert caller.errors() == []
        await caller.send("conversation.item.truncate", item_id="item_x", content_index=0, audio_end_ms=0)
        assert (await caller.wait("error"))["error"]["code"] == "item_truncate_invalid_item_id"


async def test_must_12_a_truncate_while_the_answer_is_still_sent(house: House) -> None:
    """Clients stop playing before they say that they cancel."""
    async with calling(house.ws) as caller:
        await _until_sounding(caller, "Tell me a story.")
        item_id = caller.of("response.output_item.added")[0]["item"]["id"]
        await _truncate(caller, item_id, 500)
        await caller.send("response.cancel")
        assert (await caller.wait("response.done"))["response"]["status"] == "cancelled"
        await answer(caller, "Go on.")
        assert house.model.remembers() == STORY.split()[:3]
        assert caller.errors() == []


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
