"""Who gets in, who is told why not, and what the health pages say."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from duologue.engines.base import ChatDelta, ChatRequest
from duologue.engines.scripted import ScriptedChat
from duologue.server.admission import Admission
from tests.server.caller import calling
from tests.server.serving import engines, serving, until

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


async def test_who_does_not_get_in_has_a_place_in_the_line() -> None:
    async with serving(max_sessions=1) as server:
        async with calling(server.ws):
            _, first, headers = await _refusal(server.ws)
            assert headers["retry-after"] == str(first["retry_after_s"])
            # The same key and address: without a ticket it is the same client again.
            _, again, _ = await _refusal(server.ws)
            assert (again["ticket"], again["position"], again["of"]) == (first["ticket"], 1, 1)
            _, shown, _ = await _refusal(f"{server.ws}&ticket={first['ticket']}")
            assert shown["ticket"] == first["ticket"]
            _, second, _ = await _refusal(server.ws)
            assert (second["position"], second["of"]) == (2, 2)
        await until(lambda: server.state.slots.taken == 0)
        _, error, _ = await _refusal(server.ws, additional_headers={"X-Duologue-Ticket": second["ticket"]})
        assert (error["code"], error["position"]) == ("session_limit_reached", 1)
        async with calling(f"{server.ws}&ticket={first['ticket']}"):
            assert (server.state.admission.waiting, server.state.admission.called) == (1, 0)


async def test_a_full_line_refuses() -> None:
    async with (
        serving(max_sessions=1, max_waiting=1) as server,
        calling(server.ws),
        httpx2.AsyncClient(base_url=server.http) as web,
    ):
        assert (await web.post("/v1/admission")).json()["position"] == 1
        status, error, headers = await _refusal(server.ws)
        assert (status, error["code"]) == (503, "session_limit_reached")
        assert error.keys() == {"type", "code", "message", "param"}
        assert int(headers["retry-after"]) > 0
        refused = await web.post("/v1/admission")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "session_limit_reached")


async def test_a_page_asks_first() -> None:
    async with serving(max_sessions=1) as server, httpx2.AsyncClient(base_url=server.http) as web:
        place = (await web.post("/v1/admission")).json()
        assert (place["admitted"], place["hold_s"] > 0) == (True, True)
        waits = await web.post("/v1/admission")
        told = waits.json()
        assert (told["admitted"], told["position"], told["of"]) == (False, 1, 1)
        assert waits.headers["retry-after"] == str(told["retry_after_s"])
        assert told["message"]
        async with calling(f"{server.ws}&ticket={place['ticket']}"):
            again = (await web.post("/v1/admission", params={"ticket": told["ticket"]})).json()
            assert (again["admitted"], again["ticket"]) == (False, told["ticket"])
        await until(lambda: server.state.slots.taken == 0)
        got = (await web.post("/v1/admission", headers={"X-Duologue-Ticket": told["ticket"]})).json()
        assert (got["admitted"], got["ticket"]) == (True, told["ticket"])
        assert (await web.delete("/v1/admission", params={"ticket": told["ticket"]})).status_code == 204
        async with calling(server.ws):
            pass


async def test_the_door_to_the_line_is_the_door_to_the_rest() -> None:
    async with serving(api_key="sk-one,sk-two") as server, httpx2.AsyncClient(base_url=server.http) as web:
        assert (await web.post("/v1/admission")).status_code == 401
        headers = {"Authorization": "Bearer sk-one"}
        strange = await web.post("/v1/admission", headers={**headers, "Origin": "https://evil.example"})
        assert strange.status_code == 403
        made = await web.post("/v1/realtime/client_secrets", headers=headers)
        secret = {"Authorization": f"Bearer {made.json()['value']}"}
        assert (await web.post("/v1/admission", headers=secret)).json()["admitted"]
        server.state.is_ready = False
        assert (await web.post("/v1/admission", headers=headers)).json()["error"]["code"] == "warming_up"


async def test_a_key_has_so_many_and_another_key_is_not_touched() -> None:
    def key(name: str) -> dict[str, Any]:
        return {"additional_headers": {"Authorization": f"Bearer {name}"}}

    async with serving(api_key="sk-one,sk-two", max_sessions_per_key=1) as server, httpx2.AsyncClient() as web:
        made = await web.post(f"{server.http}/v1/realtime/client_secrets", headers={"Authorization": "Bearer sk-one"})
        async with calling(server.ws, **key("sk-one")):
            for shown in ("sk-one", made.json()["value"]):
                status, error, _ = await _refusal(server.ws, **key(shown))
                assert (status, error["code"]) == (503, "session_limit_reached")
                assert "This key" in error["message"]
                assert "sk-one" not in error["message"]
            async with calling(server.ws, **key("sk-two")):
                pass


async def test_an_address_has_so_many_and_a_proxy_says_which() -> None:
    def from_(address: str) -> dict[str, Any]:
        return {"additional_headers": {"X-Forwarded-For": address}}

    proxied = serving(max_sessions_per_address=1, trust_forwarded_for=("127.0.0.1",))
    async with proxied as server, calling(server.ws, **from_("2001:db8::1")):
        status, error, _ = await _refusal(server.ws, **from_("2001:db8::2"))
        assert (status, error["code"]) == (503, "session_limit_reached")
        assert "This address" in error["message"]
        async with calling(server.ws, **from_("198.51.100.7")):
            pass
        # Of this machine as many as like.
        async with calling(server.ws), calling(server.ws):
            pass


async def test_a_refusal_waits_for_nothing() -> None:
    """Who may come in is decided in plain calls: there is no place in them where anybody could be kept waiting."""
    decisions = (Admission.ask, Admission.settle, Admission.keep_house, Admission._take, Admission._queue)
    assert not any(inspect.iscoroutinefunction(each) for each in decisions)
    async with serving(max_sessions=1, max_waiting=100) as server, calling(server.ws):
        async with anyio.create_task_group() as crowd:
            for _ in range(50):
                crowd.start_soon(_refusal, server.ws)
        assert server.state.slots.taken == 1


async def test_twice_the_capacity_at_once() -> None:
    """So many as the machine is thought to bear come in, the rest waits, and is let in as places come free."""
    async with serving() as server, httpx2.AsyncClient(base_url=server.http) as web:
        server.state.admission.capacity = 4
        answers = [(await web.post("/v1/admission")).json() for _ in range(8)]
        assert [answer["admitted"] for answer in answers] == [True] * 4 + [False] * 4
        assert [answer["code"] for answer in answers[4:]] == ["queued"] * 4
        async with AsyncExitStack() as inside:
            for answer in answers[:4]:
                await inside.enter_async_context(calling(f"{server.ws}&ticket={answer['ticket']}"))
            assert (await web.get("/readyz")).json()["status"] == "full"
            server.state.admission.capacity = 8
            for answer in answers[4:]:
                await inside.enter_async_context(calling(f"{server.ws}&ticket={answer['ticket']}"))
            assert (server.state.slots.taken, server.state.admission.waiting) == (8, 0)


async def test_an_engine_that_swallows_its_cancellation_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.engines.slots.LEASE_S", 0.4)
    monkeypatch.setattr("duologue.engines.slots.ASK_S", 0.05)
    stubborn = Stubborn()
    async with serving(engines(chat=stubborn), load=True) as server:
        async with calling(server.ws) as caller:
            await caller.say()
            await until(lambda: stubborn.is_asked)
        await until(lambda: server.state.slots.taken == 0)
        async with calling(server.ws) as caller:
            await anyio.sleep(0.6)
            await caller.settled()
            assert server.state.slots.taken == 1
        stubborn.release.set()


class Stubborn(ScriptedChat):
    """Does not end when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = False
        self.release = anyio.Event()

    async def results(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        self.is_asked = True
        with anyio.CancelScope(shield=True):
            await self.release.wait()
        yield ChatDelta("Yes.", finish="stop")


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
