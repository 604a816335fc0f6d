"""Who gets in, who is told why not, and what the health pages say."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.server.caller import calling
from tests.server.serving import serving, until

pytestmark = pytest.mark.anyio


async def _refusal(url: str, **options: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, **options):
            pass
    response = caught.value.response
    assert response.headers["Content-Type"] == "application/json"
    return response.status_code, json.loads(response.body)["error"], dict(response.headers.raw_items())


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", "http://127.0.0.1:1", "file://"])
async def test_a_strange_page_is_refused(origin: str) -> None:
    async with serving() as server:
        status, error, _ = await _refusal(server.ws, additional_headers={"Origin": origin})
        assert (status, error["code"], error["type"]) == (403, "origin_not_allowed", "invalid_request_error")
        assert "allowed_origins" in error["message"]


async def test_the_servers_own_page_and_allowed_ones_come_in() -> None:
    async with serving(allowed_origins=("https://ours.example",)) as server:
        for origin in (server.http, "https://ours.example"):
            async with calling(server.ws, additional_headers={"Origin": origin}) as caller:
                assert caller.types() == ["session.created"]


async def test_while_it_warms_up() -> None:
    async with serving(is_ready=False) as server:
        status, error, headers = await _refusal(server.ws)
        assert (status, error["code"], error["type"]) == (503, "warming_up", "server_error")
        assert int(headers["retry-after"]) > 0
        server.state.is_ready = True
        async with calling(server.ws):
            pass


async def test_when_it_is_full() -> None:
    async with serving(max_sessions=1) as server:
        async with calling(server.ws) as caller:
            status, error, headers = await _refusal(server.ws)
            assert (status, error["code"]) == (503, "session_limit_reached")
            assert "1 places" in error["message"]
            assert "retry-after" in headers
            await caller.say()
            await caller.wait("response.done")
        await until(lambda: server.state.slots.taken == 0)
        async with calling(server.ws):
            pass


async def test_the_subprotocol_is_answered_and_the_key_is_not() -> None:
    offered = ["realtime", "openai-insecure-api-key.sk-secret", "openai-agents-sdk.0.20.0"]
    async with serving() as server, calling(server.ws, subprotocols=offered) as caller:
        assert caller.socket.subprotocol == "realtime"
        assert caller.socket.response is not None
        assert "sk-secret" not in str(caller.socket.response.headers)


async def test_without_an_offer_there_is_no_subprotocol() -> None:
    async with serving() as server, calling(server.ws) as caller:
        assert caller.socket.subprotocol is None


async def test_compression_is_declined() -> None:
    async with serving() as server, connect(server.ws, compression="deflate") as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


async def test_any_model_name_will_do() -> None:
    async with serving() as server:
        async with calling(server.ws) as caller:
            assert caller.frames[0]["session"]["model"] == "gpt-realtime"
        async with calling(server.ws.split("?")[0]) as caller:
            assert caller.frames[0]["session"]["model"]


async def test_the_first_frame_is_the_whole_session() -> None:
    async with serving() as server, calling(server.ws) as caller:
        session = caller.frames[0]["session"]
        assert session["object"] == "realtime.session"
        assert session["type"] == "realtime"
        assert session["id"].startswith("sess_")
        assert session["expires_at"] > 1_700_000_000
        assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
        assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}
        assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is True


async def test_health_and_readiness() -> None:
    async with serving(max_sessions=1, is_ready=False) as server, httpx2.AsyncClient(base_url=server.http) as web:
        assert (await web.get("/healthz")).json() == {"status": "ok"}
        warming = await web.get("/readyz")
        assert (warming.status_code, warming.json()["status"]) == (503, "warming")
        server.state.is_ready = True
        ready = await web.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert (ready.json()["sessions"], ready.json()["max_sessions"]) == (0, 1)
        async with calling(server.ws):
            full = await web.get("/readyz")
            assert (full.status_code, full.json()["status"]) == (200, "full")
        assert (await web.get("/v1/nowhere")).status_code == 404
