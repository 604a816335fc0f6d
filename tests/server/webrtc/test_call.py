"""Whole calls: aiortc as the client, over this machine's network, with scripted engines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from duologue.store.sqlite import SqliteStore
from tests.server.serving import Serving, serving, until
from tests.server.webrtc.phone import Phone, listening, post_sdp
from tests.server.webrtc.talking import on_the_phone, say
from tests.wire_checker import WireChecker

pytestmark = pytest.mark.anyio


async def test_a_turn(server: Serving) -> None:
    async with on_the_phone(server) as phone:
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
        phone.checker.rest()


SPOKEN = {"output_audio_buffer.started", "response.output_audio_transcript.delta"}


async def test_a_caller_without_a_microphone_may_write(server: Serving) -> None:
    async with on_the_phone(server, Phone(listens_only=True)) as phone:
        content = [{"type": "input_text", "text": "hello"}]
        phone.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        phone.send("response.create")
        await phone.wait("response.done")
        await until(lambda: len(phone.ear.loud_s()) > 5)


async def test_a_caller_without_a_data_channel_hears_answers(server: Serving) -> None:
    phone = Phone()
    answer = await post_sdp(server.http, await phone.offer())
    await phone.accept(answer.text)
    async with listening(phone):
        await until(lambda: bool(phone.ear.heard))
        await say(phone)
        await until(lambda: len(phone.ear.loud_s()) > 10)


async def test_a_caller_that_names_no_address_is_found_where_it_calls_from(server: Serving) -> None:
    """Browsers post their offer before they know their addresses, or with names that nobody can resolve."""
    phone = Phone()
    phone.open_channel()
    lines = (await phone.offer()).splitlines(keepends=True)
    offer = "".join(line for line in lines if "candidate" not in line)
    await phone.accept((await post_sdp(server.http, offer)).text)
    async with listening(phone):
        await phone.wait("session.created")


async def test_a_caller_that_is_not_who_it_says_is_dropped_at_once(server: Serving) -> None:
    """The offer has the fingerprints of another."""
    phone = Phone()
    phone.open_channel()
    offer = re.sub("(a=fingerprint:[^ ]+ )..:..", r"\g<1>12:34", await phone.offer())
    await phone.accept((await post_sdp(server.http, offer)).text)
    await until(lambda: server.state.slots.taken == 0, within_s=5)
    await phone.hang_up()


async def test_a_session_of_captions(server: Serving) -> None:
    session = json.dumps({"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    phone = Phone()
    phone.open_channel()
    offer = await phone.offer()
    async with httpx2.AsyncClient(base_url=server.http) as client:
        answer = await client.post("/v1/realtime/calls", files={"sdp": (None, offer), "session": (None, session)})
        assert answer.status_code == 201, answer.text
        await phone.accept(answer.text)
        async with listening(phone):
            assert (await phone.wait("session.created"))["session"]["type"] == "transcription"
            await say(phone)
            await phone.wait("conversation.item.input_audio_transcription.completed")
            assert phone.count("response.created") == 0


async def test_a_client_secret_brings_its_session(server: Serving) -> None:
    """What came with the offer goes over what the secret is bound to."""
    bound = {"type": "realtime", "instructions": "Be kind.", "audio": {"output": {"voice": "marin"}}}
    posted = json.dumps({"type": "realtime", "instructions": "Be brief."})
    phone = Phone()
    phone.open_channel()
    offer = await phone.offer()
    async with httpx2.AsyncClient(base_url=server.http) as client:
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


async def test_hang_up_by_request(server: Serving) -> None:
    async with httpx2.AsyncClient(base_url=server.http) as client:
        async with on_the_phone(server) as phone:
            answer = await client.post(f"/v1/realtime/calls/{phone.call_id}/hangup")
            assert answer.status_code == 200
            with anyio.fail_after(10):
                await phone.closed.wait()
            await until(lambda: server.state.slots.taken == 0)
            again = await client.post(f"/v1/realtime/calls/{phone.call_id}/hangup")
        assert again.status_code == 404
        assert again.json()["error"]["code"] == "call_not_found"


async def test_a_caller_that_hangs_up_is_gone_at_once(server: Serving) -> None:
    async with on_the_phone(server) as phone:
        assert server.state.calls.find(phone.call_id) is not None
    await until(lambda: server.state.slots.taken == 0, within_s=3)
    assert server.state.calls.find(phone.call_id) is None


async def test_the_longest_duration_ends_a_call_with_a_word() -> None:
    async with serving(max_session_s=0.5) as server, on_the_phone(server) as phone:
        error = await phone.wait("error")
        assert error["error"]["code"] == "session_expired"
        with anyio.fail_after(10):
            await phone.closed.wait()


async def test_a_side_channel_sees_and_steers_the_call(server: Serving) -> None:
    async with on_the_phone(server) as phone:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime?call_id={phone.call_id}"
        async with connect(url, compression=None) as socket:
            seen = WireChecker(over_webrtc=True, joins=True)
            update = {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}}
            await socket.send(json.dumps(update))
            assert seen.see(await socket.recv())["type"] == "session.updated", "it is not greeted anew"
            assert (await phone.wait("session.updated"))["session"]["instructions"] == "Be brief."
            await say(phone)
            await phone.wait("output_audio_buffer.started")
            await socket.send(json.dumps({"type": "output_audio_buffer.clear"}))
            await phone.wait("conversation.item.truncated")
            with anyio.fail_after(5):
                while seen.frames[-1]["type"] != "conversation.item.truncated":
                    seen.see(await socket.recv())
            assert [f["event_id"] for f in seen.frames] == [f["event_id"] for f in phone.frames[1:]], "all, in order"
        await say(phone)
        await phone.wait("output_audio_buffer.stopped")


async def test_a_side_channel_ends_with_its_call_and_not_before(server: Serving) -> None:
    async with on_the_phone(server) as phone:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime?call_id={phone.call_id}"
        async with connect(url, compression=None):
            pass
        async with connect(url, compression=None) as socket:
            await phone.update(instructions="still there")
            assert json.loads(await socket.recv())["type"] == "session.updated"
            phone.channel.close()
            with anyio.fail_after(5):
                await socket.wait_closed()
            assert socket.close_code == 1000
            with pytest.raises(InvalidStatus, match="404"):
                await connect(url, compression=None)


async def test_binary_messages_and_nonsense_are_answered(server: Serving) -> None:
    async with on_the_phone(server) as phone:
        phone.channel.send(b"\x00\x01")
        phone.channel.send("nonsense")
        await phone.wait("error", 2)
        await phone.update(instructions="still there")


async def test_events_as_large_as_a_browser_takes_them(server: Serving) -> None:
    async with on_the_phone(server) as phone:
        phone.send("conversation.item.create", item=_item("item_large", 200_000))
        done = await phone.wait("conversation.item.done")
        assert sum(len(part["text"]) for part in done["item"]["content"]) == 200_000


async def test_an_event_too_large_for_the_channel_is_replaced_by_an_error(server: Serving) -> None:
    """Browsers take 256 KiB: an item of just that size, taken over a WebSocket, is more with its event around it."""
    async with on_the_phone(server) as phone:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime?call_id={phone.call_id}"
        async with connect(url, compression=None) as socket:
            item = _item("item_larger", 261_900)
            await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            assert (await phone.wait("error"))["error"]["code"] == "message_too_large"
        await phone.update(instructions="still there")


def _item(item_id: str, length: int) -> dict[str, Any]:
    content = [{"type": "input_text", "text": "x" * (length // 2)}] * 2
    return {"id": item_id, "type": "message", "role": "user", "content": content}


async def test_a_call_goes_on_with_what_was_said_in_another(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "talk.sqlite")
    async with serving(store=store) as server:
        async with on_the_phone(server, _taking_own(), x_conversation="new") as phone:
            opened = await phone.wait("duologue.conversation.opened")
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
            phone.send("conversation.item.create", item={**item, "id": "item_hello"})
            await phone.wait("conversation.item.done")
        name = opened["conversation_id"]
        await until(lambda: not server.state.keeping.is_live(name))
        async with on_the_phone(server, _taking_own("item_hello"), x_conversation=name) as later:
            again = await later.wait("duologue.conversation.opened")
            assert (again["items"], again["title"]) == (1, "Hello.")
            later.send("conversation.item.retrieve", item_id="item_hello")
            await later.wait("conversation.item.retrieved")
        stranger = Phone()
        stranger.open_channel()
        refused = await post_sdp(server.http, await stranger.offer(), x_conversation="conv_nowhere")
        await stranger.hang_up()
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "conversation_not_found")
    await store.aclose()


async def test_a_call_that_is_left_is_told_why_and_its_place_is_handed_over(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "talk.sqlite")
    async with (
        serving(store=store, max_sessions=1) as server,
        on_the_phone(server, _taking_own(), x_conversation="new") as ghost,
    ):
        name = (await ghost.wait("duologue.conversation.opened"))["conversation_id"]
        stranger = Phone()
        stranger.open_channel()
        assert (await post_sdp(server.http, await stranger.offer(), x_conversation="new")).status_code == 503
        await stranger.hang_up()
        async with on_the_phone(server, _taking_own(), x_conversation=name) as later:
            assert (await later.wait("duologue.conversation.opened"))["kept"]
            assert (await ghost.wait("error"))["error"]["code"] == "conversation_taken_over"
            assert server.state.slots.taken == 1
    await store.aclose()


def _taking_own(*before: str) -> Phone:
    """A phone that asked for events that are not OpenAI's, in a conversation with the items ``before``."""
    phone = Phone()
    phone.checker = WireChecker(over_webrtc=True, takes_own=True, order=list(before))
    return phone
