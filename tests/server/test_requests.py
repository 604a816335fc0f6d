"""What a client may ask for by hand: text, manual turns, items, cancelling, responses of its own."""

from __future__ import annotations

import anyio
import pytest

from duologue.engines.base import ChatRequest
from duologue.engines.scripted import TRANSCRIPT, TWELVE_WORDS, ScriptedChat, ScriptedSynthesizer
from tests.server.caller import calling, voice
from tests.server.serving import engines, serving

pytestmark = pytest.mark.anyio

SLOW = " ".join(f"word{i}" for i in range(60)) + "."


def _prompt(request: ChatRequest) -> str:
    """Answer with the whole prompt, so that a test sees what the model sees."""
    return " | ".join(f"{m.role}: {m.content}" for m in request.messages if m.role != "system")


def _text(done: dict[str, object]) -> str:
    part = done["response"]["output"][0]["content"][0]  # type: ignore[index]
    return str(part.get("text", part.get("transcript")))


async def test_a_written_question_gets_a_spoken_answer() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.write("good morning", item={"id": "item_mine"})
        added = await caller.wait("conversation.item.done")
        assert added["item"]["id"] == "item_mine"
        assert added["item"]["content"] == [{"type": "input_text", "text": "good morning"}]
        await caller.settled()
        assert caller.count("response.created") == 0
        await caller.send("response.create")
        assert _text(await caller.wait("response.done")) == TWELVE_WORDS
        assert caller.count("response.output_audio.delta") > 0
        caller.checker.rest()


async def test_an_answer_in_text_has_no_sound() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.update(output_modalities=["text"])
        await caller.write("good morning")
        await caller.send("response.create")
        done = await caller.wait("response.done")
        assert done["response"]["output_modalities"] == ["text"]
        assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": TWELVE_WORDS}]
        assert not [kind for kind in caller.types() if "output_audio" in kind]


async def test_one_answer_in_text_of_a_speaking_session() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.write("good morning")
        await caller.send("response.create", response={"output_modalities": ["text"], "max_output_tokens": 4})
        done = (await caller.wait("response.done"))["response"]
        assert done["status"] == "incomplete"
        assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
        assert len(done["output"][0]["content"][0]["text"].split()) == 4
        await caller.send("response.create")
        assert (await caller.wait("response.done", 2))["response"]["output_modalities"] == ["audio"]


async def test_turns_by_hand() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.detect(None)
        await caller.append(voice(0.5))
        await caller.send("input_audio_buffer.commit")
        await caller.wait("conversation.item.done")
        await caller.settled()
        assert "input_audio_buffer.speech_started" not in caller.types()
        assert caller.count("response.created") == 0
        await caller.send("response.create")
        await caller.wait("response.done")
        caller.checker.rest()


async def test_a_commit_of_next_to_nothing() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.detect(None)
        await caller.append(voice(0.05))
        await caller.send("input_audio_buffer.commit", event_id="evt_7")
        error = (await caller.wait("error"))["error"]
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "evt_7")
        assert error["message"].startswith("Error committing input audio buffer: buffer too small.")
        await caller.append(voice(0.1))
        await caller.send("input_audio_buffer.commit")
        await caller.wait("input_audio_buffer.committed")


async def test_a_commit_with_nothing_at_all_says_so() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.detect(None)
        await caller.send("input_audio_buffer.commit")
        assert "only has 0.00ms of audio" in (await caller.wait("error"))["error"]["message"]


async def test_what_is_cleared_is_not_answered() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.append(voice(0.5))
        await caller.send("input_audio_buffer.clear")
        await caller.wait("input_audio_buffer.cleared")
        await caller.append(bytes(48_000))
        await caller.settled()
        assert caller.count("input_audio_buffer.committed") == 0
        await caller.say()
        await caller.wait("response.done")
        caller.checker.rest()


async def test_a_commit_by_hand_in_the_middle_of_a_detected_turn() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.append(voice(0.5))
        await caller.send("input_audio_buffer.commit")
        committed = await caller.wait("input_audio_buffer.committed")
        assert committed["item_id"] == caller.of("input_audio_buffer.speech_started")[0]["item_id"]
        await caller.settled()
        assert caller.count("response.created") == 0


async def test_cancel_with_nothing_to_cancel() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.send("response.cancel", event_id="evt_1")
        error = (await caller.wait("error"))["error"]
        assert error == {
            "type": "invalid_request_error",
            "code": "response_cancel_not_active",
            "message": "Cancellation failed: no active response found",
            "param": None,
            "event_id": "evt_1",
        }


@pytest.mark.parametrize("names_it", [True, False])
async def test_cancel_then_create_at_once(names_it: bool) -> None:
    client = engines(chat=ScriptedChat(SLOW), tts=ScriptedSynthesizer(word_s=0.2))
    async with serving(client) as server, calling(server.ws) as caller:
        await caller.write("tell me a story")
        await caller.send("response.create")
        created = await caller.wait("response.created")
        await caller.wait("response.output_audio.delta")
        await caller.send("response.cancel", **({"response_id": created["response"]["id"]} if names_it else {}))
        await caller.send("response.create")
        done = (await caller.wait("response.done"))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        second = await caller.wait("response.created", 2)
        assert second["response"]["id"] != created["response"]["id"]
        await caller.send("response.cancel")
        await caller.wait("response.done", 2)
        assert caller.errors() == []
        caller.checker.rest()


@pytest.mark.parametrize("first_s", [0.0, 1.0])
async def test_cancel_while_the_answer_waits_for_its_next_words(first_s: float) -> None:
    chat = ScriptedChat("one two three four, five six seven. eight nine ten.", first_s=first_s, word_s=0.15)
    async with serving(engines(chat=chat)) as server, calling(server.ws) as caller:
        await caller.write("hello")
        await caller.send("response.create")
        await caller.wait("response.created" if first_s else "response.output_audio.delta")
        await anyio.sleep(0.1)
        await caller.send("response.cancel")
        assert (await caller.wait("response.done"))["response"]["status"] == "cancelled"
        await caller.settled()


async def test_a_second_response_is_refused_and_the_first_undisturbed() -> None:
    client = engines(chat=ScriptedChat(SLOW), tts=ScriptedSynthesizer(word_s=0.02))
    async with serving(client) as server, calling(server.ws) as caller:
        await caller.write("hello")
        await caller.send("response.create")
        first = (await caller.wait("response.created"))["response"]["id"]
        await caller.send("response.create", event_id="evt_2")
        error = (await caller.wait("error"))["error"]
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "evt_2")
        assert first in error["message"]
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"


async def test_a_response_aside_leaves_the_conversation_alone() -> None:
    async with (
        serving(engines(chat=ScriptedChat(answer=_prompt))) as server,
        calling(server.ws, allows_aside=True) as caller,
    ):
        await caller.write("in the conversation")
        content = [{"type": "input_text", "text": "on the side"}]
        aside = {
            "conversation": "none",
            "metadata": {"topic": "classification"},
            "output_modalities": ["text"],
            "input": [{"type": "message", "role": "user", "content": content}],
        }
        await caller.send("response.create", response=aside)
        done = await caller.wait("response.done")
        assert _text(done) == "user: on the side"
        assert done["response"]["metadata"] == {"topic": "classification"}
        assert caller.of("response.created")[0]["response"]["metadata"] == {"topic": "classification"}
        assert caller.count("conversation.item.added") == 1
        await caller.send("response.create", response={"output_modalities": ["text"]})
        assert _text(await caller.wait("response.done", 2)) == "user: in the conversation"


async def test_instructions_for_one_response() -> None:
    def system(request: ChatRequest) -> str:
        return request.messages[0].content

    async with serving(engines(chat=ScriptedChat(answer=system))) as server, calling(server.ws) as caller:
        await caller.update(instructions="be brief", output_modalities=["text"])
        await caller.write("hello")
        await caller.send("response.create", response={"instructions": "be long"})
        assert _text(await caller.wait("response.done")) == "be long"
        await caller.send("response.create")
        assert _text(await caller.wait("response.done", 2)) == "be brief"


async def test_items_go_where_the_client_puts_them() -> None:
    async with serving(engines(chat=ScriptedChat(answer=_prompt))) as server, calling(server.ws) as caller:
        await caller.update(output_modalities=["text"])
        await caller.write("two", item={"id": "b"})
        await caller.write("one", item={"id": "a"}, previous_item_id="root")
        await caller.write("three", item={"id": "c"}, previous_item_id="b")
        await caller.wait("conversation.item.done", 3)
        assert [f["previous_item_id"] for f in caller.of("conversation.item.added")] == [None, None, "b"]
        assert caller.checker.order == ["a", "b", "c"]
        await caller.send("response.create")
        assert _text(await caller.wait("response.done")) == "user: one two three"


async def test_deleted_items_are_forgotten() -> None:
    async with serving(engines(chat=ScriptedChat(answer=_prompt))) as server, calling(server.ws) as caller:
        await caller.update(output_modalities=["text"])
        await caller.write("remember", item={"id": "a"})
        await caller.write("forget", item={"id": "b"})
        await caller.send("conversation.item.delete", item_id="b")
        assert (await caller.wait("conversation.item.deleted"))["item_id"] == "b"
        await caller.send("response.create")
        assert _text(await caller.wait("response.done")) == "user: remember"


async def test_a_spoken_turn_can_be_retrieved_with_its_words() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        await caller.say()
        completed = await caller.wait("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == TRANSCRIPT
        assert completed["usage"]["type"] == "duration"
        await caller.send("conversation.item.retrieve", item_id=completed["item_id"])
        item = (await caller.wait("conversation.item.retrieved"))["item"]
        assert item["content"] == [{"type": "input_audio", "transcript": TRANSCRIPT}]


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("conversation.item.delete", {"item_id": "x"}, "item_delete_invalid_item_id"),
        ("conversation.item.retrieve", {"item_id": "x"}, "item_retrieve_invalid_item_id"),
        ("conversation.item.truncate", {"item_id": "x", "audio_end_ms": 1}, "item_truncate_invalid_item_id"),
    ],
)
async def test_items_that_do_not_exist(kind: str, fields: dict[str, object], code: str) -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.send(kind, event_id="evt_3", content_index=0, **fields)
        error = (await caller.wait("error"))["error"]
        assert (error["code"], error["event_id"]) == (code, "evt_3")
        assert error["message"].endswith("the item with id 'x' does not exist.")


async def test_an_id_is_taken_once() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.write("one", item={"id": "a"})
        await caller.write("again", item={"id": "a"}, event_id="evt_4")
        error = (await caller.wait("error"))["error"]
        assert (error["code"], error["event_id"]) == ("item_create_duplicate_item_id", "evt_4")


async def test_a_truncate_beyond_the_end_is_no_error() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.write("hello")
        await caller.send("response.create")
        item_id = (await caller.wait("response.done"))["response"]["output"][0]["id"]
        await caller.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=57_340)
        await caller.wait("conversation.item.truncated")
        assert caller.errors() == []


async def test_a_long_conversation_is_replayed_in_one_go() -> None:
    """A client that comes back sends hundreds of items without waiting; that does not make it a slow one."""
    async with serving() as server, calling(server.ws) as caller:
        with anyio.fail_after(10):
            for number in range(600):
                await caller.write(f"line {number}", item={"id": f"item_{number}"})
        await caller.wait("conversation.item.done", 600)
        assert caller.checker.order == [f"item_{number}" for number in range(600)]
