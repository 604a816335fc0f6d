"""The requests that begin and end calls."""

from __future__ import annotations

import json
import random
from typing import Any

import anyio
import httpx2
import pytest
from aiortc import VideoStreamTrack

from duologue.server.webrtc import routes
from tests.server.serving import Serving, serving, until
from tests.server.webrtc.phone import Phone, Voice, listening, post_sdp
from tests.server.webrtc.talking import on_the_phone, say

pytestmark = pytest.mark.anyio

CALLS = "/v1/realtime/calls"
SDP = {"Content-Type": "application/sdp"}
BEGUN = f"POST {CALLS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\nv=0".encode()
SESSION = json.dumps({"type": "realtime", "model": "gpt-realtime", "instructions": "Be kind."})


@pytest.fixture
async def offer() -> str:
    phone = Phone()
    phone.open_channel()
    text = await phone.offer()
    await phone.hang_up()
    return text


async def end(server: Serving, answer: httpx2.Response) -> None:
    """Do not wait for a caller that will not come."""
    assert await server.state.calls.hang_up(answer.headers["location"].rsplit("/", 1)[1])


async def test_the_answer_to_an_offer(offer: str, server: Serving) -> None:
    answer = await post_sdp(server.http, offer, model="gpt-realtime")
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/sdp")
    assert answer.headers["location"].startswith(f"{CALLS}/rtc_")
    assert answer.text.startswith("v=0")
    assert "opus/48000/2" in answer.text
    assert "PCMU" not in answer.text
    await end(server, answer)


@pytest.mark.parametrize("as_files", [True, False])
async def test_a_form_with_an_offer_and_a_session(as_files: bool, server: Serving) -> None:
    phone = Phone()
    phone.open_channel()
    offer = await phone.offer()
    parts: dict[str, Any] = (
        {"sdp": ("offer", offer, "application/sdp"), "session": ("session", SESSION, "application/json")}
        if as_files
        else {"sdp": (None, offer), "session": (None, SESSION)}
    )
    async with httpx2.AsyncClient(base_url=server.http) as client:
        answer = await client.post(CALLS, files=parts)
        assert answer.status_code == 201, answer.text
        await phone.accept(answer.text)
        async with listening(phone):
            session = (await phone.wait("session.created"))["session"]
            assert (session["model"], session["instructions"]) == ("gpt-realtime", "Be kind.")


async def test_the_address_of_old_clients(offer: str, server: Serving) -> None:
    async with httpx2.AsyncClient(base_url=server.http) as client:
        answer = await client.post("/v1/realtime?model=gpt-4o-realtime", content=offer, headers=SDP)
        assert answer.status_code == 201
        await end(server, answer)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "v=0",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
        "v=0\r\nm=audio\r\n",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF x\r\na=mid:0\r\n",
        "v=0\r\n" + "a=x\r\n" * 100_000,
    ],
)
async def test_what_is_no_offer_is_refused_in_plain_words(body: str, server: Serving) -> None:
    answer = await post_sdp(server.http, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "sdp")
    assert "Traceback" not in error["message"]
    assert server.state.slots.taken == 0


async def test_an_offer_without_opus_is_refused(offer: str, server: Serving) -> None:
    answer = await post_sdp(server.http, offer.replace("opus", "speex"))
    assert answer.status_code == 400
    assert server.state.slots.taken == 0


async def test_damaged_offers_never_break_the_server(offer: str, server: Serving) -> None:
    rng = random.Random(5)
    lines = offer.splitlines()
    for _ in range(25):
        damaged = [line for line in lines if rng.random() > 0.1]
        at = rng.randrange(1, len(damaged))
        damaged[at] = damaged[at][: rng.randrange(len(damaged[at]) + 1)] + rng.choice(["", " ", "99999999999", ":"])
        damaged.insert(rng.randrange(1, len(damaged)), rng.choice(lines))
        answer = await post_sdp(server.http, "\r\n".join(damaged) + "\r\n")
        assert answer.status_code in (201, 400), answer.text
        if answer.status_code == 201:
            await end(server, answer)
    await until(lambda: server.state.slots.taken == 0)


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("a=rtcp-mux", "a=fmtp:50 useinbandfec=1"),  # of a format that is not there
        ("BUNDLE 0 1", "BUNDLE 0 2"),
        ("BUNDLE 0 1", "BUNDLE 7"),
        ("a=mid:1", "a=mid:0"),
        ("a=fingerprint", "a=finger"),
    ],
)
async def test_an_offer_that_does_not_fit_together_is_refused(
    offer: str, there: str, instead: str, server: Serving
) -> None:
    assert there in offer
    answer = await post_sdp(server.http, offer.replace(there, instead))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_offer")
    assert "StopIteration" not in answer.text


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ({"session": (None, SESSION)}, "sdp"),
        ({"sdp": (None, "v=0\r\n"), "session": (None, "[1]")}, "session"),
        ({"sdp": (None, "v=0\r\n"), "session": (None, "{")}, "session"),
        ({"sdp": (None, "v=0\r\n"), "session": (None, '{"a":' + "[" * 100_000)}, "session"),
        ({"sdp": (None, "v=0\r\n"), "session": (None, '{"a":' + "[" * 200 + "]" * 200 + "}")}, "session"),
        ({"sdp": (None, "v=0\r\n" + "a=x\r\n" * 60_000)}, "sdp"),
        ({"sdp": ("offer", b"v=0" + bytes(3 << 20))}, "sdp"),
    ],
)
async def test_a_form_that_cannot_be_used(parts: dict[str, Any], param: str, server: Serving) -> None:
    async with httpx2.AsyncClient(base_url=server.http) as client:
        answer = await client.post(CALLS, files=parts)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_form_without_its_own_boundaries_is_refused(server: Serving) -> None:
    async with httpx2.AsyncClient(base_url=server.http) as client:
        for kind in ("multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary="):
            answer = await client.post(CALLS, content=b"v=0\r\n", headers={"Content-Type": kind})
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_an_offer_that_does_not_end_is_given_up(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "BODY_S", 0.1)
    async with await anyio.connect_tcp("127.0.0.1", server.port) as socket:
        await socket.send(BEGUN)
        assert b"408" in await socket.receive()


async def test_a_caller_that_leaves_before_its_offer_has_ended(
    server: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async with await anyio.connect_tcp("127.0.0.1", server.port) as socket:
        await socket.send(BEGUN)
    await post_sdp(server.http, "")
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_session_that_cannot_be(offer: str, server: Serving) -> None:
    async with httpx2.AsyncClient(base_url=server.http) as client:
        session = json.dumps({"type": "realtime", "output_modalities": ["smell"]})
        answer = await client.post(CALLS, files={"sdp": (None, offer), "session": (None, session)})
        assert answer.status_code == 400
        assert server.state.slots.taken == 0


async def test_not_ready_and_full(offer: str) -> None:
    async with serving(is_ready=False) as server:
        answer = await post_sdp(server.http, offer)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "warming_up")
    async with serving(max_sessions=1) as server, on_the_phone(server):
        answer = await post_sdp(server.http, offer)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "session_limit_reached")
        assert "retry-after" in answer.headers


@pytest.mark.parametrize("action", ["accept", "reject", "refer"])
async def test_telephone_calls_are_not_taken(action: str, server: Serving) -> None:
    async with httpx2.AsyncClient(base_url=server.http) as client:
        answer = await client.post(f"{CALLS}/rtc_1/{action}", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_implemented")


async def test_a_picture_and_a_second_microphone_are_declined(server: Serving) -> None:
    phone = Phone()
    phone.peer.addTrack(VideoStreamTrack())
    phone.peer.addTrack(Voice())
    async with on_the_phone(server, phone):
        answer = phone.peer.remoteDescription.sdp
        assert answer.count("a=inactive") == 2
        call = server.state.calls.find(phone.call_id)
        assert call is not None
        await say(phone)
        await phone.wait("response.done")
        assert [r.track._queue.qsize() for r in call._peer.getReceivers()] == [0, 0, 0]


async def test_calls_end_with_the_server() -> None:
    phone = Phone()
    async with serving() as server:
        phone.open_channel()
        answer = await post_sdp(server.http, await phone.offer())
        await phone.accept(answer.text)
        await phone.wait("session.created")
    with anyio.fail_after(10):
        await phone.closed.wait()
