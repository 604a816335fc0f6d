"""MUST 4, 10 and 12: turns of voice, interruptions, and what is remembered of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from duologue.engines.scripted_chat import STORY
from tests.checklist.house import (
    ANSWER,
    CLOSING,
    HEARD_TURN,
    TWELVE_WORDS,
    VERSE,
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


async def test_must_10_speech_ends_an_answer_before_its_first_word(house: House) -> None:
    async with calling(house.ws) as caller:
        created = await ask(caller, "Slowly now, tell me a story.")
        await caller.append(voice(0.5))
        done = (await caller.wait("response.done"))["response"]
        assert (done["id"], done["output"]) == (created["response"]["id"], [])
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        kinds = [frame["type"] for frame in caller.frames]
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index("response.done")
        await caller.append(silence(0.6))
        assert (await caller.wait("response.done", 2))["response"]["status"] == "completed"
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


@pytest.mark.parametrize("kind", VADS)
async def test_must_10_interrupt_response_false_lets_the_answer_run(house: House, kind: str) -> None:
    async with calling(house.ws) as caller:
        await caller.detect({"type": kind, "interrupt_response": False})
        await _until_sounding(caller, "Say a verse.")
        await caller.append(voice(0.6) + silence(4.5))
        await caller.wait("input_audio_buffer.speech_started")
        assert caller.count("response.done") == 0
        first = await caller.wait("response.done")
        assert (first["response"]["status"], words(first)) == ("completed", VERSE)


async def test_must_10_speech_while_a_tool_works_is_a_turn_like_any(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.update(tools=[WEATHER])
        (call,) = (await answer(caller, "What is the weather in Oslo?"))["response"]["output"]
        assert call["type"] == "function_call"
        await caller.say()
        assert (await caller.wait("response.done", 2))["response"]["status"] == "completed"
        await _until_sounding(caller, "Tell me a story while you wait.")
        await caller.append(voice(0.6))
        done = (await caller.wait("response.done", 3))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        await caller.append(silence(0.6))
        assert (await caller.wait("response.done", 4))["response"]["status"] == "completed"
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


async def test_must_12_the_client_knows_better_than_the_server_and_may_say_so_late(house: House) -> None:
    async with calling(house.ws) as caller:
        await _until_sounding(caller, "Tell me a story.")
        await caller.append(voice(0.5))
        item_id = (await caller.wait("response.done"))["response"]["output"][0]["id"]
        # The next answer is thought of already, with what the server believes to have been heard.
        await caller.append(silence(0.15))
        await caller.settled()
        await _truncate(caller, item_id, 1_500)
        await caller.append(silence(0.5))
        await caller.wait("response.done", 2)
        assert house.model.remembers() == STORY.split()[:10]


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
