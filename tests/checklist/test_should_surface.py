"""The checklist's SHOULD items beside the session itself: side-bands, MCP, REST, a full house; and two COULD items."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from duologue.engines.scripted import TRANSCRIPT
from duologue.engines.scripted_chat import ScriptedToolChat
from duologue.engines.wav import to_wav
from tests.checklist.refusals import lives
from tests.conformance.mcp_tools import tools as mcp_tools
from tests.server.caller import calling, silence, voice
from tests.server.rest.house import events, hum, hush
from tests.server.serving import Serving, engines, serving, until
from tests.server.webrtc.phone import Phone
from tests.server.webrtc.talking import on_the_phone, say
from tests.web import Web

pytestmark = pytest.mark.anyio


async def _read_until(side: ClientConnection, kind: str) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    with anyio.fail_after(10):
        while not frames or frames[-1]["type"] != kind:
            frames.append(json.loads(await side.recv()))
    return frames


async def test_should_sideband_by_call_id(server: Serving) -> None:
    """It is not greeted; both channels see all events and steer one session; when it leaves the call goes on."""
    async with on_the_phone(server) as phone:
        url = f"ws://127.0.0.1:{server.port}/v1/realtime?call_id={phone.call_id}"
        async with connect(url, compression=None) as side:
            session = {"type": "realtime", "instructions": "Be brief."}
            await side.send(json.dumps({"type": "session.update", "session": session}))
            [updated] = await _read_until(side, "session.updated")
            assert updated["session"]["instructions"] == "Be brief."
            assert (await phone.wait("session.updated")) == updated
            phone.send("conversation.item.create", item=_question("hello"))
            await side.send(json.dumps({"type": "response.create", "response": {"metadata": {"from": "the side"}}}))
            seen = await _read_until(side, "output_audio_buffer.stopped")
            await phone.wait("output_audio_buffer.stopped")
            assert seen == phone.frames[-len(seen) :]
            assert not [frame for frame in seen if frame["type"] == "response.output_audio.delta"]
            done = phone.of("response.done")[0]["response"]
            assert (done["status"], done["metadata"]) == ("completed", {"from": "the side"})
        await say(phone)
        await phone.wait("response.done", 2)
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url):
            pass
    assert caught.value.response.status_code == 404
    assert json.loads(caught.value.response.body)["error"]["code"] == "call_not_found"


def _question(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


@pytest.fixture
async def mcp_url() -> AsyncIterator[str]:
    """A server of the official package with one tool, ``get_weather``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        web = Web(uvicorn.Config(mcp_tools.streamable_http_app(), log_config=None, lifespan="on"))
        async with anyio.create_task_group() as tg:
            tg.start_soon(lambda: web.serve(sockets=[listener]))
            await until(lambda: web.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
            web.should_exit = True


async def test_should_mcp_server_url_be_executed_by_the_server(mcp_url: str) -> None:
    """The client does nothing: tools are listed, one is called, and what it gave is spoken."""
    async with (
        serving(engines(chat=ScriptedToolChat())) as server,
        calling(server.ws) as caller,
    ):
        tool = {"type": "mcp", "server_label": "house", "server_url": mcp_url, "require_approval": "never"}
        await caller.update(tools=[tool])
        listed = (await caller.wait("mcp_list_tools.completed"))["item_id"]
        [item] = [frame["item"] for frame in caller.of("conversation.item.done") if frame["item"]["id"] == listed]
        assert (item["type"], item["server_label"]) == ("mcp_list_tools", "house")
        assert [each["name"] for each in item["tools"]] == ["get_weather"]
        assert item["tools"][0]["input_schema"]["properties"].keys() == {"city"}
        await caller.write("What is the weather in Oslo?")
        await caller.send("response.create")
        await caller.wait("response.done", 2)
        done = [frame["item"] for frame in caller.of("response.output_item.done")]
        [call] = [item for item in done if item["type"] == "mcp_call"]
        assert (call["name"], json.loads(call["arguments"])) == ("get_weather", {"city": "Oslo"})
        assert "nine degrees in Oslo" in call["output"]
        kinds = [kind for kind in caller.types() if "mcp" in kind]
        assert kinds == [
            "mcp_list_tools.in_progress",
            "mcp_list_tools.completed",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
            "response.mcp_call.in_progress",
            "response.mcp_call.completed",
        ]
        said = caller.of("response.done")[1]["response"]["output"][0]["content"][0]["transcript"]
        assert "nine degrees in Oslo" in said
        assert caller.errors() == []


async def test_should_rest_sse_of_speech(server: Serving) -> None:
    async with httpx2.AsyncClient(base_url=server.http) as client:
        asked = {"model": "tts-1", "input": "Hello to you all.", "voice": "alloy"}
        asked |= {"response_format": "pcm", "stream_format": "sse"}
        answer = await client.post("/v1/audio/speech", json=asked)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events(answer.text)
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert len(b"".join(base64.b64decode(event["audio"]) for event in deltas)) == 0.3 * 48_000
    assert done["type"] == "speech.audio.done"
    assert done["usage"].keys() >= {"input_tokens", "output_tokens", "total_tokens"}


async def test_should_rest_sse_of_transcriptions(server: Serving) -> None:
    sound = to_wav(np.concatenate([hum(1.0), hush(2.5), hum(1.0)]))
    async with httpx2.AsyncClient(base_url=server.http) as client:
        files = {"file": ("a.wav", sound, "audio/wav")}
        asked = {"model": "whisper-1", "stream": "true"}
        answer = await client.post("/v1/audio/transcriptions", files=files, data=asked)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events(answer.text)
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert "".join(event["delta"] for event in deltas) == done["text"] == f"{TRANSCRIPT} {TRANSCRIPT}"
    assert done["type"] == "transcript.text.done"


async def test_should_429_or_503_when_full() -> None:
    """JSON before the upgrade, and when to come again, over both transports; then there is room again."""
    async with serving(max_sessions=1) as server, httpx2.AsyncClient(base_url=server.http) as client:
        async with calling(server.ws) as caller:
            with pytest.raises(InvalidStatus) as caught:
                async with connect(server.ws):
                    pass
            refusal = caught.value.response
            assert refusal.headers["Content-Type"].startswith("application/json")
            _is_full(refusal.status_code, json.loads(refusal.body), refusal.headers.get("Retry-After"))
            phone = Phone()
            headers = {"Content-Type": "application/sdp"}
            answer = await client.post("/v1/realtime/calls", content=await phone.offer(), headers=headers)
            _is_full(answer.status_code, answer.json(), answer.headers.get("retry-after"))
            await phone.hang_up()
            await lives(caller)
        await until(lambda: server.state.slots.taken == 0)
        async with calling(server.ws) as caller:
            await lives(caller)


def _is_full(status: int, body: dict[str, Any], retry_after: str | None) -> None:
    assert status in (429, 503)
    place = {"position", "of", "ticket", "retry_after_s"}
    assert body["error"].keys() == {"type", "code", "message", "param"} | place
    assert body["error"]["message"]
    assert retry_after is not None
    assert int(retry_after) > 0


async def test_could_realtime_sessions_of_before_ga(server: Serving) -> None:
    """The secret in the old answer opens a session with the old fields' meaning."""
    asked = {
        "model": "gpt-4o-realtime-preview",
        "modalities": ["text"],
        "instructions": "Be an old console.",
        "input_audio_format": "g711_ulaw",
        "turn_detection": None,
    }
    async with httpx2.AsyncClient(base_url=server.http) as client:
        answer = await client.post("/v1/realtime/sessions", json=asked)
    assert answer.status_code == 200
    made = answer.json()
    assert {key: made[key] for key in asked} == asked
    assert made["client_secret"]["value"].startswith("ek_")
    headers = {"Authorization": f"Bearer {made['client_secret']['value']}"}
    async with calling(server.ws.split("?")[0], additional_headers=headers) as caller:
        shown = caller.frames[0]["session"]
        assert (shown["output_modalities"], shown["instructions"]) == (["text"], "Be an old console.")
        assert shown["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert shown["audio"]["input"]["turn_detection"] is None


async def test_could_vendor_events_only_behind_the_opt_in(server: Serving) -> None:
    """``x_metrics=1`` brings one event of our own for each answer to a spoken turn; without it every event is
    OpenAI's."""
    async with calling(server.ws) as caller:
        await lives(caller)
        assert not [kind for kind in caller.types() if kind.startswith("duologue.")]
    async with connect(f"{server.ws}&x_metrics=1", compression=None) as ws:
        audio = base64.b64encode(voice(0.6) + silence(0.6)).decode()
        await ws.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        seen = await _read_until(ws, "response.done")
        [timing] = [frame for frame in seen if frame["type"] == "duologue.response.timing"]
        assert timing["event_id"].startswith("event_")
        assert timing["response_id"] == seen[-1]["response"]["id"]
        assert timing["ms_since_speech_end"]["first_sent"] >= 0


async def test_could_hold_of_playback_only_behind_the_opt_in(server: Serving) -> None:
    """``x_playout=1`` lets a client say how far it has played, late or of what is not there as well; to others that
    is no event. Whoever says it gets no event of ours that was not asked for."""
    played = {"type": "duologue.output_audio.played", "event_id": "mine", "item_id": "item_gone", "audio_end_ms": 40}
    async with calling(server.ws) as caller:
        await caller.socket.send(json.dumps(played))
        error = (await caller.wait("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "mine")
        await lives(caller)
    async with calling(f"{server.ws}&x_playout=1") as caller:
        await caller.socket.send(json.dumps(played))
        await lives(caller)
        assert "error" not in caller.types()
        assert not [kind for kind in caller.types() if kind.startswith("duologue.")]
