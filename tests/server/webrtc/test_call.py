"""Whole calls: aiortc as the client, over this machine's network, with scripted engines."""

from __future__ import annotations

import json
import re
from typing import Any

import anyio
import httpx2
import pytest
from websockets.asyncio.client import connect

from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from duologue.server.webrtc import call as calls_module
from tests.server.serving import engines, serving, until
from tests.server.webrtc.phone import LOUD, Phone, listening, post_sdp, silence, voice
from tests.server.webrtc.talking import on_the_phone, say

pytestmark = pytest.mark.anyio

LONG = " ".join(f"word{i}" for i in range(40)) + "."


async def test_a_turn() -> None:
    async with serving() as server, on_the_phone(server) as phone:
        shown = phone.of("session.created")[0]["session"]
        assert shown["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
        await say(phone)
        await phone.wait("output_audio_buffer.stopped")
        assert phone.types() == [
            "session.created",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            *[kind for kind in phone.types() if kind in SPOKEN],
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
            "output_audio_buffer.stopped",
        ]
        assert phone.count("output_audio_buffer.started") == 1
        assert phone.count("response.output_audio.delta") == 0
        reply = phone.of("response.done")[0]["response"]
        assert reply["status"] == "completed"
        assert phone.of("output_audio_buffer.started")[0]["response_id"] == reply["id"]
        await until(lambda: len(phone.ear.loud_s()) > 10)
    await until(lambda: server.state.slots.taken == 0)


SPOKEN = {"output_audio_buffer.started", "response.output_audio_transcript.delta"}


async def test_speech_cuts_an_answer_that_is_still_being_made() -> None:
    client = engines(chat=ScriptedChat(LONG, word_s=0.05), tts=ScriptedSynthesizer(word_s=0.2))
    async with serving(client) as server, on_the_phone(server) as phone:
        await say(phone)
        await until(lambda: phone.ear.is_sounding)
        phone.voice.say(voice(0.5))
        await phone.wait("output_audio_buffer.cleared")
        cleared_s = anyio.current_time()
        done = (await phone.wait("response.done"))["response"]
        assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
        await phone.wait("conversation.item.truncated")
        await anyio.sleep(0.5)
        assert not [at_s for at_s in phone.ear.loud_s() if at_s > cleared_s + 0.2]


async def test_speech_cuts_an_answer_that_is_made_but_not_heard() -> None:
    client = engines(chat=ScriptedChat(LONG[:48] + ".", word_s=0.0), tts=ScriptedSynthesizer(word_s=0.22))
    async with serving(client) as server, on_the_phone(server) as phone:
        await say(phone)
        done = (await phone.wait("response.done"))["response"]
        assert done["status"] == "completed"
        assert phone.count("output_audio_buffer.stopped") == 0
        await until(lambda: phone.ear.is_sounding)
        phone.voice.say(voice(0.5))
        cleared = await phone.wait("output_audio_buffer.cleared")
        cleared_s = anyio.current_time()
        assert cleared["response_id"] == done["id"]
        truncated = await phone.wait("conversation.item.truncated")
        assert truncated["item_id"] == done["output"][0]["id"]
        phone.voice.say(silence(0.5))
        await anyio.sleep(0.5)
        assert not [at_s for at_s in phone.ear.loud_s() if cleared_s + 0.2 < at_s < cleared_s + 0.4]


async def test_a_client_may_clear_the_buffer() -> None:
    client = engines(chat=ScriptedChat(LONG), tts=ScriptedSynthesizer(word_s=0.2))
    async with serving(client) as server, on_the_phone(server) as phone:
        await say(phone)
        await until(lambda: phone.ear.is_sounding)
        phone.send("output_audio_buffer.clear")
        await phone.wait("output_audio_buffer.cleared")
        await until(lambda: phone.ear.heard[-1][1] < LOUD)


async def test_a_caller_without_a_microphone_may_write() -> None:
    async with serving() as server, on_the_phone(server, Phone(listens_only=True)) as phone:
        content = [{"type": "input_text", "text": "hello"}]
        phone.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        phone.send("response.create")
        await phone.wait("response.done")
        await until(lambda: len(phone.ear.loud_s()) > 5)


async def test_a_caller_without_a_data_channel_hears_answers() -> None:
    phone = Phone()
    async with serving() as server:
        answer = await post_sdp(server.http, await phone.offer())
        await phone.accept(answer.text)
        async with listening(phone):
            await until(lambda: bool(phone.ear.heard))
            await say(phone)
            await until(lambda: len(phone.ear.loud_s()) > 10)


async def test_a_caller_that_names_no_address_is_found_where_it_calls_from() -> None:
    """Browsers post their offer before they know their addresses, or with names that nobody can resolve."""
    phone = Phone()
    phone.open_channel()
    lines = (await phone.offer()).splitlines(keepends=True)
    offer = "".join(line for line in lines if "candidate" not in line)
    async with serving() as server:
        await phone.accept((await post_sdp(server.http, offer)).text)
        async with listening(phone):
            await phone.wait("session.created")


async def test_a_caller_that_is_not_who_it_says_is_dropped_at_once() -> None:
    """The offer has the fingerprints of another."""
    phone = Phone()
    phone.open_channel()
    offer = re.sub("(a=fingerprint:[^ ]+ )..:..", r"\g<1>12:34", await phone.offer())
    async with serving() as server:
        await phone.accept((await post_sdp(server.http, offer)).text)
        await until(lambda: server.state.slots.taken == 0, within_s=5)
    await phone.hang_up()


async def test_a_session_of_captions() -> None:
    session = json.dumps({"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    phone = Phone()
    phone.open_channel()
    offer = await phone.offer()
    async with serving() as server, httpx2.AsyncClient(base_url=server.http) as client:
        answer = await client.post("/v1/realtime/calls", files={"sdp": (None, offer), "session": (None, session)})
        assert answer.status_code == 201, answer.text
        await phone.accept(answer.text)
        async with listening(phone):
            assert (await phone.wait("session.created"))["session"]["type"] == "transcription"
            await say(phone)
            await phone.wait("conversation.item.input_audio_transcription.completed")
            assert phone.count("response.created") == 0


async def test_a_client_secret_brings_its_session() -> None:
    """What came with the offer goes over what the secret is bound to."""
    bound = {"type": "realtime", "instructions": "Be kind.", "audio": {"output": {"voice": "marin"}}}
    posted = json.dumps({"type": "realtime", "instructions": "Be brief."})
    phone = Phone()
    phone.open_channel()
    offer = await phone.offer()
    async with serving() as server, httpx2.AsyncClient(base_url=server.http) as client:
        secret = (await client.post("/v1/realtime/client_secrets", json={"session": bound})).json()["value"]
        headers = {"Authorization": f"Bearer {secret}"}
        parts = {"sdp": (None, offer), "session": (None, posted)}
        answer = await client.post("/v1/realtime/calls", files=parts, headers=headers)
        assert answer.status_code == 201, answer.text
        await phone.accept(answer.text)
        async with listening(phone):
            session = (await phone.wait("session.created"))["session"]
            assert session["instructions"] == "Be brief."
            assert session["audio"]["output"]["voice"] == "marin"


async def test_hang_up_by_request() -> None:
    async with serving() as server, httpx2.AsyncClient(base_url=server.http) as client:
        async with on_the_phone(server) as phone:
            answer = await client.post(f"/v1/realtime/calls/{phone.call_id}/hangup")
            assert answer.status_code == 200
            with anyio.fail_after(10):
                await phone.closed.wait()
            await until(lambda: server.state.slots.taken == 0)
            again = await client.post(f"/v1/realtime/calls/{phone.call_id}/hangup")
        assert again.status_code == 404
        assert again.json()["error"]["code"] == "call_not_found"


async def test_a_caller_that_hangs_up_is_gone_at_once() -> None:
    async with serving() as server:
        async with on_the_phone(server) as phone:
            assert server.state.calls.find(phone.call_id) is not None
        await until(lambda: server.state.slots.taken == 0, within_s=3)
        assert server.state.calls.find(phone.call_id) is None


async def test_a_caller_that_vanishes_is_noticed() -> None:
    async with serving() as server, on_the_phone(server) as phone:
        phone.vanish()
        await until(lambda: server.state.slots.taken == 0, within_s=12)


async def test_a_call_that_never_comes_up_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "CONNECT_S", 0.3)
    async with serving() as server:
        phone = Phone()
        answer = await post_sdp(server.http, await phone.offer())
        assert (answer.status_code, server.state.slots.taken) == (201, 1)
        await until(lambda: server.state.slots.taken == 0)
        await phone.hang_up()


async def test_the_longest_duration_ends_a_call_with_a_word() -> None:
    async with serving(max_session_s=0.5) as server, on_the_phone(server) as phone:
        error = await phone.wait("error")
        assert error["error"]["code"] == "session_expired"
        with anyio.fail_after(10):
            await phone.closed.wait()


async def test_a_side_channel_sees_and_steers_the_call() -> None:
    async with serving() as server, on_the_phone(server) as phone:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime?call_id={phone.call_id}"
        async with connect(url, compression=None) as socket:
            await socket.send(
                json.dumps({"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}})
            )
            first = json.loads(await socket.recv())
            assert first["type"] == "session.updated"
            updated = await phone.wait("session.updated")
            assert updated["session"]["instructions"] == "Be brief."
            await say(phone)
            await phone.wait("response.done")
            kinds = {first["type"]}
            with anyio.fail_after(5):
                while "response.done" not in kinds:
                    kinds.add(json.loads(await socket.recv())["type"])
        await say(phone)
        await phone.wait("response.done", 2)


async def test_binary_messages_and_nonsense_are_answered() -> None:
    async with serving() as server, on_the_phone(server) as phone:
        phone.channel.send(b"\x00\x01")
        phone.channel.send("nonsense")
        await phone.wait("error", 2)
        await phone.update(instructions="still there")


async def test_events_as_large_as_a_browser_takes_them() -> None:
    async with serving() as server, on_the_phone(server) as phone:
        phone.send("conversation.item.create", item=_item("item_large", 200_000))
        done = await phone.wait("conversation.item.done")
        assert sum(len(part["text"]) for part in done["item"]["content"]) == 200_000


async def test_an_event_too_large_for_the_channel_is_replaced_by_an_error() -> None:
    """Browsers take 256 KiB: an item of just that size, taken over a WebSocket, is more with its event around it."""
    async with serving() as server, on_the_phone(server) as phone:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime?call_id={phone.call_id}"
        async with connect(url, compression=None) as socket:
            item = _item("item_larger", 261_900)
            await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            assert (await phone.wait("error"))["error"]["code"] == "message_too_large"
        await phone.update(instructions="still there")


def _item(item_id: str, length: int) -> dict[str, Any]:
    content = [{"type": "input_text", "text": "x" * (length // 2)}] * 2
    return {"id": item_id, "type": "message", "role": "user", "content": content}
