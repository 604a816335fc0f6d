"""Frames that are too large, and memory: nothing of what was refused is kept, nor of a session that has ended."""

from __future__ import annotations

import base64
import gc
import json
import re
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from duologue.audio.buffer import AudioBuffer
from duologue.audio.frame import SESSION_RATE_HZ
from tests import served
from tests.checklist.refusals import lives
from tests.server.caller import calling, silence
from tests.server.serving import Serving, serving, until

pytestmark = pytest.mark.anyio

APPEND = "input_audio_buffer.append"


async def test_a_frame_just_under_the_limit_works_and_one_over_it_closes_with_1009() -> None:
    async with serving(max_message_mib=1) as server, calling(server.ws) as neighbour:
        async with calling(server.ws) as caller:
            frame = json.dumps({"type": APPEND, "event_id": "evt_just", "audio": ""})
            room = 2**20 - len(frame)
            audio = base64.b64encode(silence(room / 48_000 * 3 / 4 - 0.01)).decode()
            frame = frame.replace('""', f'"{audio}"')
            frame = frame + " " * (2**20 - len(frame))
            assert len(frame) == 2**20
            await caller.socket.send(frame)
            await lives(caller)
            assert set(caller.errors()) == set()
            with suppress(ConnectionClosed):
                await caller.socket.send(frame + " ")
            assert await caller.closed() == 1009
        await until(lambda: server.state.slots.taken == 1)
        await lives(neighbour)


async def test_a_frame_over_the_limit_in_pieces_closes_with_1009() -> None:
    """Fragments of a message count together."""
    async with serving(max_message_mib=1) as server, calling(server.ws) as caller:
        with suppress(ConnectionClosed):
            await caller.socket.send(["x" * 2**18] * 5)
        assert await caller.closed() == 1009


async def test_fifteen_mebibytes_of_sound_in_one_frame_are_taken(server: Serving) -> None:
    """What OpenAI documents as the most that an append may carry; in base64 it is 20 MiB."""
    async with calling(server.ws) as caller:
        await caller.detect(None)
        await caller.send(APPEND, audio=base64.b64encode(bytes(15 * 2**20)).decode())
        await caller.send("input_audio_buffer.clear")
        await caller.wait("input_audio_buffer.cleared", within_s=15)
        await caller.detect({"type": "server_vad", "silence_duration_ms": 200})
        await lives(caller)
        assert caller.errors() == []


def _rss_kib(port: int) -> int:
    """What the process that listens there has in memory."""
    process = _listener(port)
    found = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
    assert found is not None
    return int(found[1])


def _listener(port: int) -> Path:
    listening = f":{port:04X} 00000000:0000 0A"
    inodes = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if listening in line}
    links = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(link.readlink()) in links for link in (process / "fd").iterdir()):
                return process
    raise AssertionError(f"nobody listens on {port}")


MUCH = "@" * 1_000_000
# Bad frames of 1 MB, each of another kind.
JUNK: list[str | bytes] = [
    MUCH,
    json.dumps({"type": MUCH}),
    json.dumps({"type": "response.cancel", "event_id": MUCH}),
    json.dumps({"type": APPEND, "audio": MUCH}),
    json.dumps({"type": "session.update", "session": {"type": "realtime", "instructions": MUCH}}),
    json.dumps({"type": "conversation.item.delete", "item_id": MUCH}),
    '{"type":"session.update","session":{"type":"realtime","tools":[' + "{}," * 330_000 + "{}]}}",
    "[" * 1_000_000,
    MUCH.encode(),
    json.dumps({"type": "conversation.item.create", "item": {"type": "message", "role": MUCH}}),
]


@pytest.mark.timeout(60)
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="memory is read from /proc")
async def test_two_hundred_bad_frames_of_a_megabyte_are_not_kept() -> None:
    """The first few let the process reach its size; what comes after adds next to nothing."""
    with served.serving("scripted") as url:
        port = int(url.rsplit(":", 1)[1])
        ws = f"ws://127.0.0.1:{port}/v1/realtime?model=gpt-realtime"
        await _throw(ws, 20)
        before_kib = _rss_kib(port)
        await _throw(ws, 200)
        assert _rss_kib(port) - before_kib < 8 * 1024


async def _throw(ws: str, frames: int) -> None:
    async with connect(ws, compression=None, max_size=None) as socket:
        with anyio.fail_after(30):
            for number in range(frames):
                await socket.send(JUNK[number % len(JUNK)])
                while json.loads(await socket.recv())["type"] != "error":
                    pass
            content = [{"type": "input_text", "text": "still there?"}]
            item = {"type": "message", "role": "user", "content": content}
            await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            await socket.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
            while (frame := json.loads(await socket.recv()))["type"] != "response.done":
                assert frame["type"] != "error", frame
            assert frame["response"]["status"] == "completed"


async def test_the_sound_of_an_ended_session_is_let_go(server: Serving) -> None:
    """At once, not when Python next looks for reference cycles: that may be many sessions later."""
    gc.collect()
    gc.disable()
    try:
        async with calling(server.ws) as caller:
            await caller.detect(None)
            await caller.append(silence(60), step_s=10)
            await caller.settled()
            assert _longest_kept_s() > 50
        await until(lambda: server.state.slots.taken == 0)
        assert _longest_kept_s() < 5
    finally:
        gc.enable()


def _longest_kept_s() -> float:
    """Of any session's sound."""
    kept = [buffer.end - buffer.start for buffer in gc.get_objects() if type(buffer) is AudioBuffer]
    return max(kept, default=0) / SESSION_RATE_HZ
