"""MUST 6, 7, 8, 9, 11, 15 and 19: sound and words of a response, how it ends, who may ask for another one."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import anyio
import numpy as np
import pytest

from tests.checklist.house import (
    SPOKEN,
    TWELVE_WORDS,
    VERSE,
    WORD_S,
    House,
    answer,
    ask,
    housing,
    of_response,
    order,
    sound_of,
    words,
)
from tests.server.caller import RATE_HZ, Caller, calling, voice
from tests.wire_checker import LARGEST_FRAME_BYTES, Frame

pytestmark = pytest.mark.anyio

TRANSCRIPT_DELTA, AUDIO_DELTA = SPOKEN
TEXT_ANSWER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "deltas",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing() as shared:
        yield shared


def _ms(frame: Frame) -> float:
    return len(base64.b64decode(frame["delta"], validate=True)) * 1_000 / (2 * RATE_HZ)


# --- 6 ----------------------------------------------------------------------------------------------------------------


async def test_must_06_the_sound_is_that_of_the_synthesizer_in_handy_pieces(house: House) -> None:
    async with calling(house.ws) as caller:
        done = await answer(caller, "Hello.")
        deltas = caller.of(AUDIO_DELTA)
        pieces = [base64.b64decode(frame["delta"], validate=True) for frame in deltas]
        assert all(len(piece) % 2 == 0 for piece in pieces)
        sound = np.frombuffer(b"".join(pieces), dtype="<i2")
        assert np.array_equal(sound, sound_of(12 * WORD_S))
        assert all(20 <= _ms(frame) <= 500 for frame in deltas)
        assert {frame["item_id"] for frame in deltas} == {done["response"]["output"][0]["id"]}
        assert {(frame["output_index"], frame["content_index"]) for frame in deltas} == {(0, 0)}


async def test_must_06_no_delta_is_shorter_than_20_ms_whatever_the_length(house: House) -> None:
    async with calling(house.ws) as caller:
        await answer(caller, "Odd lengths, please.")
        assert [_ms(frame) for frame in caller.of(AUDIO_DELTA) if not 20 <= _ms(frame) <= 500] == []
        assert sum(map(_ms, caller.of(AUDIO_DELTA))) == 505


async def test_must_06_no_frame_is_too_large_for_any_client(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.append(voice(20.0), step_s=5.0)
        await caller.append(bytes(48_000))
        done = await caller.wait("response.done")
        for item_id in (caller.of("input_audio_buffer.committed")[0]["item_id"], done["response"]["output"][0]["id"]):
            await caller.send("conversation.item.retrieve", item_id=item_id)
        await caller.wait("conversation.item.retrieved", 2)
        assert max(len(str(frame)) for frame in caller.frames) < LARGEST_FRAME_BYTES


async def test_must_06_the_first_sound_is_sent_as_soon_as_there_is_any(house: House) -> None:
    house.voice.may_go_on = anyio.Event()
    async with calling(house.ws) as caller:
        await ask(caller, "A halting answer, please.")
        await caller.wait(AUDIO_DELTA)
        assert not house.voice.may_go_on.is_set(), "the synthesizer is still at its first phrase"
        assert caller.count("response.done") == 0
        house.voice.may_go_on.set()
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"
        assert sum(map(_ms, caller.of(AUDIO_DELTA))) == 1_500


async def test_must_06_sound_runs_ahead_of_its_hearing(house: House) -> None:
    async with calling(house.ws) as caller:
        begun_s = anyio.current_time()
        await answer(caller, "Hello.")
        assert anyio.current_time() - begun_s < sum(map(_ms, caller.of(AUDIO_DELTA))) / 1_000


# --- 7 ----------------------------------------------------------------------------------------------------------------


async def test_must_07_one_transcript_everywhere_and_in_step_with_the_sound(house: House) -> None:
    async with calling(house.ws) as caller:
        done = await answer(caller, "Say a verse.")
        deltas = "".join(frame["delta"] for frame in caller.of(TRANSCRIPT_DELTA))
        item_id = done["response"]["output"][0]["id"]
        await caller.send("conversation.item.retrieve", item_id=item_id)
        shown = [
            caller.of("response.output_audio_transcript.done")[0]["transcript"],
            caller.of("response.content_part.done")[0]["part"]["transcript"],
            caller.of("conversation.item.done")[-1]["item"]["content"][0]["transcript"],
            caller.of("response.output_item.done")[0]["item"]["content"][0]["transcript"],
            words(done),
            (await caller.wait("conversation.item.retrieved"))["item"]["content"][0]["transcript"],
        ]
        assert {deltas, *shown} == {VERSE}
        # Words are told when the sound before them has been sent, and not before.
        told, sent_ms = "", 0.0
        for frame in caller.frames:
            if frame["type"] == TRANSCRIPT_DELTA:
                assert sent_ms == pytest.approx(len(told.split()) * WORD_S * 1_000, abs=1)
                told += frame["delta"]
            elif frame["type"] == AUDIO_DELTA:
                sent_ms += _ms(frame)
                assert sent_ms <= len(told.split()) * WORD_S * 1_000 + 1
        assert caller.count(TRANSCRIPT_DELTA) > 1, "a transcript comes phrase by phrase"


# --- 8 ----------------------------------------------------------------------------------------------------------------


async def _interrupt(caller: Caller) -> None:
    await ask(caller, "Tell me a story.")
    await caller.wait(AUDIO_DELTA, 3)
    await caller.append(voice(0.5))


async def _cancel(caller: Caller) -> None:
    await ask(caller, "Tell me a story.")
    await caller.wait(AUDIO_DELTA)
    await caller.send("response.cancel")


async def _say(caller: Caller) -> None:
    await ask(caller, "Hello.")


async def _say_little(caller: Caller) -> None:
    await ask(caller, "Hello.", max_output_tokens=4)


async def _break(caller: Caller) -> None:
    await ask(caller, "Please break.")


ENDINGS: dict[str, tuple[Any, dict[str, Any] | None]] = {
    "completed": (_say, None),
    "cancelled by speech": (_interrupt, {"type": "cancelled", "reason": "turn_detected"}),
    "cancelled by the client": (_cancel, {"type": "cancelled", "reason": "client_cancelled"}),
    "incomplete": (_say_little, {"type": "incomplete", "reason": "max_output_tokens"}),
    "failed": (_break, {"type": "failed"}),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_must_08_a_response_ends_once_and_says_how(house: House, ending: str) -> None:
    act, details = ENDINGS[ending]
    async with calling(house.ws) as caller:
        await act(caller)
        done = (await caller.wait("response.done"))["response"]
        await caller.settled()
        assert done["status"] == ending.split(maxsplit=1)[0]
        if ending == "failed":
            error = done["status_details"].pop("error")
            assert all(isinstance(error[key], str) and error[key] for key in ("type", "code", "message"))
        assert done["status_details"] == details
        _check_usage(done["usage"])
        ends = [f for f in of_response(caller, done["id"]) if f["type"] == "response.done"]
        assert len(ends) == 1
        assert of_response(caller, done["id"])[-1] == ends[0]
        items = [item["status"] for item in done["output"]]
        expected = {"completed": ["completed"], "failed": []}.get(done["status"], ["incomplete"])
        assert items == expected
        assert caller.errors() == ["item_retrieve_invalid_item_id"], "that of the mark alone"


def _check_usage(usage: dict[str, Any]) -> None:
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert {"text_tokens", "audio_tokens", "image_tokens", "cached_tokens"} <= usage["input_token_details"].keys()
    assert usage["output_token_details"].keys() == {"text_tokens", "audio_tokens"}
    assert usage["output_tokens"] == sum(usage["output_token_details"].values())


# --- 9 ----------------------------------------------------------------------------------------------------------------


async def test_must_09_a_second_response_is_refused_and_the_first_goes_on(house: House) -> None:
    async with calling(house.ws) as caller:
        first = (await ask(caller, "Say a verse."))["response"]["id"]
        await caller.wait(AUDIO_DELTA)
        await caller.send("response.create", event_id="evt_2")
        error = (await caller.wait("error"))["error"]
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "evt_2")
        assert error["message"] == (
            f"Conversation already has an active response in progress: {first}. "
            "Wait until the response is finished before creating a new one."
        )
        done = await caller.wait("response.done")
        assert (done["response"]["id"], done["response"]["status"], words(done)) == (first, "completed", VERSE)
        assert caller.count("response.created") == 1
        assert (await answer(caller, "Hello."))["response"]["status"] == "completed"
        caller.checker.rest()


async def test_must_09_a_response_aside_runs_beside_and_leaves_the_history_alone(house: House) -> None:
    async with calling(house.ws, allows_aside=True) as caller:
        first = (await ask(caller, "Say a verse."))["response"]["id"]
        await caller.wait(AUDIO_DELTA)
        question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "On the side."}]}
        for modality in ("text", "audio"):
            aside = {"conversation": "none", "input": [question], "output_modalities": [modality]}
            await caller.send("response.create", response=aside)
            created = (await caller.wait("response.created", caller.count("response.created") + 1))["response"]
            assert created["conversation_id"] is None
            done = await caller.wait("response.done", caller.count("response.done") + 1)
            assert (done["response"]["id"], done["response"]["status"]) == (created["id"], "completed")
            assert [m.content for m in house.model.prompt()] == ["On the side."]
        last = (await caller.wait("response.done", 3))["response"]
        assert (last["id"], last["status"]) == (first, "completed")
        assert last["conversation_id"].startswith("conv_")
        assert caller.count("conversation.item.added") == 2, "the question and its answer"
        await answer(caller, "Hello.")
        assert [(m.role, m.content) for m in house.model.prompt()] == [
            ("user", "Say a verse."),
            ("assistant", VERSE),
            ("user", "Hello."),
        ]
        assert caller.errors() == []


async def test_must_09_responses_aside_do_not_keep_the_conversation_waiting(house: House) -> None:
    async with calling(house.ws, allows_aside=True) as caller:
        question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "A story!"}]}
        asides = []
        for number in (1, 2):
            await caller.send("response.create", response={"conversation": "none", "input": [question]})
            asides.append((await caller.wait("response.created", number))["response"]["id"])
        first = (await ask(caller, "Hello."))["response"]["id"]
        done = (await caller.wait("response.done"))["response"]
        assert (done["id"], done["status"]) == (first, "completed")
        for response_id in asides:
            await caller.send("response.cancel", response_id=response_id)
        await caller.wait("response.done", 3)
        ended = {f["response"]["id"]: f["response"]["status"] for f in caller.of("response.done")[1:]}
        assert ended == dict.fromkeys(asides, "cancelled")
        assert caller.errors() == []


# --- 11 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names_it", [True, False])
async def test_must_11_cancel_and_create_at_once(house: House, names_it: bool) -> None:
    async with calling(house.ws) as caller:
        first = (await ask(caller, "Tell me a story."))["response"]["id"]
        await caller.wait(AUDIO_DELTA)
        await caller.send("response.cancel", **({"response_id": first} if names_it else {}))
        await caller.send("response.create", response={"max_output_tokens": 3})
        done = (await caller.wait("response.done"))["response"]
        assert (done["id"], done["status"]) == (first, "cancelled")
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        second = (await caller.wait("response.done", 2))["response"]
        assert (second["id"] != first, second["status"]) == (True, "incomplete")
        assert caller.errors() == []
        caller.checker.rest()


async def test_must_11_cancel_right_behind_create(house: House) -> None:
    async with calling(house.ws) as caller:
        await caller.write("Tell me a story.")
        for _ in range(3):
            await caller.send("response.create")
            await caller.send("response.cancel")
        await caller.wait("response.done", 3)
        statuses = [frame["response"]["status_details"]["reason"] for frame in caller.of("response.done")]
        assert statuses == ["client_cancelled"] * 3
        assert (await answer(caller, "Hello."))["response"]["status"] == "completed"
        assert caller.errors() == []
        caller.checker.rest()


async def test_must_11_cancel_with_nothing_to_cancel_is_the_exact_error(house: House) -> None:
    async with calling(house.ws) as caller:
        refused = {
            "type": "invalid_request_error",
            "code": "response_cancel_not_active",
            "message": "Cancellation failed: no active response found",
            "param": None,
            "event_id": "evt_1",
        }
        await caller.send("response.cancel", event_id="evt_1")
        assert (await caller.wait("error"))["error"] == refused
        await answer(caller, "Hello.", output_modalities=["text"])
        await caller.send("response.cancel", event_id="evt_1")
        assert (await caller.wait("error", 2))["error"] == refused
        await ask(caller, "Say a verse.")
        await caller.send("response.cancel", event_id="evt_1", response_id="resp_of_nobody")
        assert (await caller.wait("error", 3))["error"]["code"] == "response_cancel_not_active"
        done = await caller.wait("response.done", 2)
        assert (done["response"]["status"], words(done)) == ("completed", VERSE)


# --- 15 ---------------------------------------------------------------------------------------------------------------


async def test_must_15_metadata_is_echoed_at_both_ends(house: House) -> None:
    metadata = {"client_event_id": "evt_9", "topic": "greeting"}
    async with calling(house.ws) as caller:
        manners: list[dict[str, Any]] = [{}, {"output_modalities": ["text"]}, {"conversation": "none", "input": []}]
        for manner in manners:
            done = await answer(caller, "Hello.", metadata=metadata, **manner)
            assert done["response"]["metadata"] == metadata
        created = await ask(caller, "Tell me a story.", metadata={"a": "b"})
        await caller.send("response.cancel")
        cancelled = await caller.wait("response.done", 4)
        assert created["response"]["metadata"] == cancelled["response"]["metadata"] == {"a": "b"}
        assert (await answer(caller, "Please break.", metadata={"c": "d"}))["response"]["metadata"] == {"c": "d"}
        assert (await answer(caller, "Hello."))["response"]["metadata"] is None
        told = [frame["response"]["metadata"] for frame in caller.of("response.created")]
        assert told == [metadata, metadata, metadata, {"a": "b"}, {"c": "d"}, None]


# --- 19 ---------------------------------------------------------------------------------------------------------------


async def test_must_19_a_session_in_text(house: House) -> None:
    async with calling(house.ws) as caller:
        assert (await caller.update(output_modalities=["text"]))["output_modalities"] == ["text"]
        await caller.say()
        done = await caller.wait("response.done")
        assert order(caller.frames)[-len(TEXT_ANSWER) :] == TEXT_ANSWER
        assert caller.of("response.content_part.added")[0]["part"] == {"type": "text", "text": ""}
        assert "".join(frame["delta"] for frame in caller.of("response.output_text.delta")) == TWELVE_WORDS
        assert caller.of("response.output_text.done")[0]["text"] == TWELVE_WORDS
        assert caller.of("response.content_part.done")[0]["part"] == {"type": "text", "text": TWELVE_WORDS}
        assert done["response"]["output_modalities"] == ["text"]
        assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": TWELVE_WORDS}]
        assert not [kind for kind in caller.types() if "output_audio" in kind]
        assert done["response"]["usage"]["output_token_details"]["audio_tokens"] == 0
        await answer(caller, "And?")
        assert house.model.remembers() == TWELVE_WORDS.split()
        assert (await answer(caller, "Aloud.", output_modalities=["audio"]))["response"]["status"] == "completed"
        assert caller.count(AUDIO_DELTA) > 0
        caller.checker.rest()


async def test_must_19_one_response_in_text(house: House) -> None:
    async with calling(house.ws) as caller:
        done = await answer(caller, "Say a verse.", output_modalities=["text"])
        assert order(caller.frames)[-len(TEXT_ANSWER) :] == TEXT_ANSWER
        assert (done["response"]["output_modalities"], words(done)) == (["text"], VERSE)
        assert (await answer(caller, "Hello."))["response"]["output_modalities"] == ["audio"]
        assert caller.count(AUDIO_DELTA) > 0
        caller.checker.rest()
