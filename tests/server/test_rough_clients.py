"""Clients that send rubbish, vanish, or never read: the session, the server and the neighbours go on."""

from __future__ import annotations

import base64
import json
import random
import socket
import struct
from contextlib import suppress

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from tests.server.caller import calling, silence, voice
from tests.server.serving import Serving, engines, serving, until

pytestmark = pytest.mark.anyio


RUBBISH = [
    "",
    "hello",
    "[]",
    "null",
    "[" * 100_000,
    '{"type":"session.update","session":' + '{"tools":' * 50_000,
    '{"type":"response.create","event_id":' + "9" * 4_000 + "}",
    '{"type":[]}',
    '{"type":"no.such.event"}',
    '{"type":"input_audio_buffer.append","audio":"@@@@"}',
    '{"type":"input_audio_buffer.append","audio":17}',
    '{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":{}}}}}}',
    '{"type":"conversation.item.create","item":{"type":"message"}}',
    '{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":' + "9" * 50 + "}",
    json.dumps({"type": "response.cancel", "event_id": "x" * 2_000_000}),
]


async def test_rubbish_leaves_the_session_alive() -> None:
    async with serving() as server, calling(server.ws) as caller:
        for number, text in enumerate(RUBBISH, start=1):
            await caller.socket.send(text)
            error = await caller.wait("error", number)
            assert error["error"]["type"] == "invalid_request_error"
        await caller.say()
        assert (await caller.wait("response.done"))["response"]["status"] == "completed"


async def test_binary_frames_are_refused_kindly() -> None:
    async with serving() as server, calling(server.ws) as caller:
        await caller.socket.send(bytes(range(256)))
        assert "text frames" in (await caller.wait("error"))["error"]["message"]
        await caller.say()
        await caller.wait("response.done")


async def test_sound_in_crumbs_and_in_one_lump() -> None:
    """Odd sizes: bytes of one sample may come in two frames."""
    async with serving() as server, calling(server.ws) as caller:
        pcm = voice(0.5) + silence(0.5)
        cuts = sorted(random.Random(5).sample(range(len(pcm)), 40))
        for start, end in zip([0, *cuts], [*cuts, len(pcm)], strict=True):
            audio = base64.b64encode(pcm[start:end]).decode()
            await caller.send("input_audio_buffer.append", audio=audio)
        await caller.wait("response.done")
        await caller.append(voice(0.5) + silence(0.5), step_s=10)
        await caller.wait("response.done", 2)
        caller.checker.rest()


async def test_a_message_too_large_ends_only_its_own_connection() -> None:
    async with serving(max_message_mib=1) as server, calling(server.ws) as neighbour:
        async with calling(server.ws) as caller:
            with suppress(ConnectionClosed):
                for _ in range(8):
                    await caller.socket.send("x" * (2 * 2**20))
            assert await caller.closed() == 1009
        await neighbour.say()
        await neighbour.wait("response.done")
        await until(lambda: server.state.slots.taken == 1)


def _reset(client: ClientConnection) -> None:
    """Vanish: no close frame, no FIN, a TCP reset."""
    raw = client.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


async def _call_and_vanish(server: Serving, dice: random.Random) -> None:
    async with connect(server.ws, compression=None, close_timeout=0.2) as client:
        messages = [
            {"type": "session.update", "session": {"type": "realtime"}},
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(voice(0.6)).decode()},
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(silence(0.6)).decode()},
            {"type": "response.create"},
            {"type": "response.create", "response": {"conversation": "none"}},
            {"type": "input_audio_buffer.append", "audio": base64.b64encode(voice(0.6)).decode()},
        ]
        for message in messages[: dice.randrange(len(messages) + 1)]:
            await client.send(json.dumps(message))
        await anyio.sleep(dice.uniform(0, 0.3))
        if dice.random() < 0.7:
            _reset(client)


async def test_fifty_vanish_and_no_place_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    client = engines(chat=ScriptedChat(word_s=0.01), tts=ScriptedSynthesizer(word_s=0.1))
    dice = random.Random(8)
    async with serving(client, max_sessions=64) as server:
        async with anyio.create_task_group() as crowd:
            for _ in range(50):
                crowd.start_soon(_call_and_vanish, server, dice)
                await anyio.sleep(0.01)
        await until(lambda: server.state.slots.taken == 0)
        async with calling(server.ws) as caller:
            await caller.say()
            await caller.wait("response.done")
    assert "session_failed" not in capsys.readouterr().out


async def test_who_never_reads_is_put_out_and_the_neighbour_is_not_harmed() -> None:
    async with serving() as server, calling(server.ws) as neighbour:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        raw.connect(("127.0.0.1", server.port))
        async with connect(server.ws, sock=raw, compression=None, max_queue=1, close_timeout=0.1) as deaf:
            await until(lambda: server.state.slots.taken == 2)
            content = [{"type": "input_text", "text": "x" * 200_000}]
            item = {"id": "long", "type": "message", "role": "user", "content": content}
            await deaf.send(json.dumps({"type": "conversation.item.create", "item": item}))
            for _ in range(400):
                await deaf.send(json.dumps({"type": "conversation.item.retrieve", "item_id": "long"}))
            await until(lambda: server.state.slots.taken == 1)
            await neighbour.say()
            assert (await neighbour.wait("response.done"))["response"]["status"] == "completed"
            _reset(deaf)
        assert server.state.slots.taken == 1


async def test_who_hangs_up_during_the_handshake_takes_no_place() -> None:
    request = (
        "GET /v1/realtime?model=x HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with serving() as server:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port)) as raw:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.sendall(request.encode())
        async with calling(server.ws) as caller:
            await until(lambda: server.state.slots.taken == 1)
            await caller.say()
            await caller.wait("response.done")
