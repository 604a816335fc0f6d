"""MUST 1 and 20: who gets in, with a key or with a client secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.checklist.house import House, answer, housing
from tests.server.asking import KEY, bearer, offer
from tests.server.caller import calling
from tests.server.webrtc.phone import Phone, listening

pytestmark = pytest.mark.anyio

WRONG = "wrong-key-77aa01"


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing(api_key=KEY) as shared:
        yield shared


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=house.server.http, headers=bearer(KEY), timeout=10.0) as client:
        yield client


# --- 1 ----------------------------------------------------------------------------------------------------------------


async def test_must_01_a_key_in_the_header_opens(house: House) -> None:
    async with calling(house.ws, additional_headers=bearer(KEY)) as caller:
        assert caller.socket.subprotocol is None
        assert caller.frames[0]["session"]["model"] == "gpt-realtime"
        assert (await answer(caller, "Hello."))["response"]["status"] == "completed"


async def test_must_01_a_key_as_subprotocol_opens_and_is_not_answered(house: House) -> None:
    for offered in (offer(KEY), offer(KEY)[::-1]):
        async with calling(house.ws, subprotocols=offered) as caller:
            assert caller.socket.subprotocol == "realtime"
            response = caller.socket.response
            assert response is not None
            assert KEY not in str(list(response.headers.raw_items()))
            assert response.headers.get_all("Sec-WebSocket-Protocol") == ["realtime"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"additional_headers": bearer(WRONG)},
        {"subprotocols": ["realtime"]},
        {"subprotocols": offer(WRONG)},
    ],
    ids=["none", "header", "subprotocol without key", "subprotocol"],
)
async def test_must_01_a_bad_key_is_refused_in_json_before_the_upgrade(house: House, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(house.ws, **options):
            pass
    response = caught.value.response
    assert response.status_code == 401
    assert response.headers["Content-Type"].startswith("application/json")
    error = json.loads(response.body)["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert error["message"]
    assert WRONG not in f"{response.body!r} {list(response.headers.raw_items())}"


# --- 20 ---------------------------------------------------------------------------------------------------------------

BOUND = {
    "type": "realtime",
    "model": "gpt-realtime-2.1",
    "instructions": "Speak of ships.",
    "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}, "output": {"voice": "marin"}},
}


async def _secret(http: httpx2.AsyncClient, **more: Any) -> dict[str, Any]:
    made = await http.post("/v1/realtime/client_secrets", json={"session": BOUND, **more})
    assert made.status_code == 200, made.text
    body: dict[str, Any] = made.json()
    assert body["value"].startswith("ek_")
    assert isinstance(body["expires_at"], int)
    _check_bound(body["session"])
    return body


def _check_bound(session: dict[str, Any]) -> None:
    assert (session["object"], session["type"]) == ("realtime.session", "realtime")
    assert (session["instructions"], session["audio"]["output"]["voice"]) == ("Speak of ships.", "marin")
    assert session["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}


async def test_must_20_a_secret_opens_a_socket_with_its_session_several_times(
    house: House, http: httpx2.AsyncClient
) -> None:
    value = (await _secret(http))["value"]
    no_model = house.ws.partition("?")[0]
    ways: list[dict[str, Any]] = [{"additional_headers": bearer(value)}, {"subprotocols": offer(value)}]
    for options in ways:
        async with calling(no_model, **options) as caller:
            session = caller.frames[0]["session"]
            _check_bound(session)
            assert session["model"] == "gpt-realtime-2.1"
            assert (await answer(caller, "Hello."))["response"]["status"] == "completed"
            assert house.model.asked[-1].messages[0].content.startswith("Speak of ships.")
            # The client may change what it was given.
            assert (await caller.update(instructions="Speak of trains."))["instructions"] == "Speak of trains."


async def test_must_20_a_secret_opens_a_call_with_its_session(house: House, http: httpx2.AsyncClient) -> None:
    value = (await _secret(http))["value"]
    phone = Phone()
    phone.open_channel()
    headers = {**bearer(value), "Content-Type": "application/sdp"}
    answered = await http.post("/v1/realtime/calls", content=await phone.offer(), headers=headers)
    assert answered.status_code == 201, answered.text
    await phone.accept(answered.text)
    async with listening(phone):
        _check_bound((await phone.wait("session.created"))["session"])


async def test_must_20_an_expired_secret_opens_nothing(
    house: House, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await _secret(http, expires_after={"anchor": "created_at", "seconds": 10})
    secrets = house.server.state.secrets
    now_s = secrets._clock
    async with calling(house.ws, additional_headers=bearer(made["value"])) as caller:
        monkeypatch.setattr(secrets, "_clock", lambda: now_s() + 11)
        ways: list[dict[str, Any]] = [
            {"additional_headers": bearer(made["value"])},
            {"subprotocols": offer(made["value"])},
        ]
        for options in ways:
            with pytest.raises(InvalidStatus, match="401"):
                async with connect(house.ws, **options):
                    pass
        refused = await http.post("/v1/realtime/calls", content="v=0", headers=bearer(made["value"]))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        # A session that it has opened goes on.
        assert (await answer(caller, "Hello."))["response"]["status"] == "completed"


@pytest.mark.parametrize("seconds", [9, 7_201])
async def test_must_20_a_life_of_10_to_7200_seconds(http: httpx2.AsyncClient, seconds: int) -> None:
    refused = await http.post("/v1/realtime/client_secrets", json={"expires_after": {"seconds": seconds}})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "expires_after.seconds"
