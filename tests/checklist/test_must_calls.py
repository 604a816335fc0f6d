"""MUST 21: calls over WebRTC."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from tests.checklist.house import TWELVE_WORDS, House, answer, housing
from tests.server.caller import calling
from tests.server.serving import until
from tests.server.webrtc.phone import Phone, listening, silence, voice
from tests.server.webrtc.talking import on_the_phone, say
from tests.wire_checker import Frame

pytestmark = pytest.mark.anyio

CALLS = "/v1/realtime/calls"
PAGE = "https://page.example"
SESSION = {"type": "realtime", "model": "gpt-realtime", "instructions": "Be kind."}
AUDIO_DELTA = "response.output_audio.delta"
FLUSH_S = 0.2


@pytest.fixture(scope="module")
async def house(anyio_backend: str) -> AsyncIterator[House]:
    async with housing(allowed_origins=(PAGE,)) as shared:
        yield shared


@pytest.fixture
async def http(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=house.server.http, headers={"Origin": PAGE}, timeout=10.0) as client:
        yield client


@asynccontextmanager
async def _taken(phone: Phone, answered: httpx2.Response) -> AsyncIterator[Phone]:
    """The call that the server's answer leads to, once its events flow."""
    assert answered.status_code == 201, answered.text
    assert answered.headers["content-type"].split(";")[0] == "application/sdp"
    assert answered.text.startswith("v=0")
    place, _, phone.call_id = answered.headers["location"].rpartition("/")
    assert (place, phone.call_id[:4]) == (CALLS, "rtc_")
    # A page of another origin reads the call's id from a header.
    assert answered.headers["access-control-allow-origin"] in (PAGE, "*")
    assert "Location" in answered.headers["access-control-expose-headers"]
    await phone.accept(answered.text)
    async with listening(phone):
        await phone.wait("session.created")
        yield phone


async def _offering() -> tuple[Phone, str]:
    phone = Phone()
    phone.open_channel()
    return phone, await phone.offer()


async def test_must_21_a_raw_offer_opens_a_call(house: House, http: httpx2.AsyncClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = await http.options(CALLS, headers=asked)
    assert preflight.headers["access-control-allow-origin"] in (PAGE, "*")
    phone, offer = await _offering()
    headers = {"Content-Type": "application/sdp"}
    answered = await http.post(f"{CALLS}?model=gpt-realtime", content=offer, headers=headers)
    async with _taken(phone, answered):
        assert phone.channel.label == "oai-events"
        assert phone.frames[0]["session"]["model"] == "gpt-realtime"
        assert (await phone.update(instructions="Be brief."))["instructions"] == "Be brief."


async def test_must_21_a_form_with_an_offer_and_a_session_opens_a_call(house: House, http: httpx2.AsyncClient) -> None:
    phone, offer = await _offering()
    parts = {
        "sdp": ("offer.sdp", offer, "application/sdp"),
        "session": ("session.json", json.dumps(SESSION), "application/json"),
    }
    async with _taken(phone, await http.post(CALLS, files=parts)):
        session = phone.frames[0]["session"]
        assert (session["model"], session["instructions"]) == ("gpt-realtime", "Be kind.")


async def test_must_21_a_body_that_is_no_offer_is_an_error_in_json(http: httpx2.AsyncClient) -> None:
    refused = await http.post(CALLS, content="hello", headers={"Content-Type": "application/sdp"})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"]


def _shape(value: Any) -> Any:
    """What a frame looks like, without what it says."""
    if isinstance(value, dict):
        return {key: value if key in ("type", "status", "role") else _shape(value) for key, value in value.items()}
    return [_shape(each) for each in value] if isinstance(value, list) else type(value).__name__


async def test_must_21_its_events_are_those_of_a_socket_but_for_the_sound(house: House) -> None:
    async with calling(house.ws) as caller:
        await answer(caller, "Hello.")
        await caller.wait("rate_limits.updated")
    async with on_the_phone(house.server, model="gpt-realtime") as phone:
        phone.send("conversation.item.create", item={"type": "message", "role": "user", "content": _text("Hello.")})
        phone.send("response.create")
        await phone.wait("output_audio_buffer.stopped")
        shown = [f for f in phone.frames if not f["type"].startswith("output_audio_buffer.")]
        expected = [f for f in caller.frames if f["type"] != AUDIO_DELTA]
        assert [_shape(frame) for frame in shown] == [_shape(frame) for frame in expected]
        _check_playing(phone)


def _text(text: str) -> list[Frame]:
    return [{"type": "input_text", "text": text}]


def _check_playing(phone: Phone) -> None:
    kinds = [frame["type"] for frame in phone.frames]
    assert kinds.count("output_audio_buffer.started") == kinds.count("output_audio_buffer.stopped") == 1
    started, stopped = kinds.index("output_audio_buffer.started"), kinds.index("output_audio_buffer.stopped")
    assert kinds.index("response.content_part.added") < started < kinds.index("response.output_audio.done")
    assert stopped > kinds.index("response.done"), "it is heard to its end after it was made"
    reply_id = phone.of("response.done")[0]["response"]["id"]
    for kind in ("started", "stopped"):
        assert phone.of(f"output_audio_buffer.{kind}")[0]["response_id"] == reply_id
    assert len(phone.ear.loud_s()) > 10


async def test_must_21_speech_flushes_what_is_made_but_not_heard(house: House) -> None:
    async with on_the_phone(house.server) as phone:
        await say(phone)
        done = (await phone.wait("response.done"))["response"]
        assert done["status"] == "completed"
        assert phone.count("output_audio_buffer.stopped") == 0
        await until(lambda: phone.ear.is_sounding)
        phone.voice.say(voice(0.5))
        await phone.wait("input_audio_buffer.speech_started", 2)
        begun_s = anyio.current_time()
        cleared = await phone.wait("output_audio_buffer.cleared")
        assert cleared["response_id"] == done["id"]
        truncated = await phone.wait("conversation.item.truncated")
        assert truncated["item_id"] == done["output"][0]["id"]
        phone.voice.say(silence(0.5))
        await anyio.sleep(FLUSH_S + 0.15)
        answered = {event["response_id"] for event in phone.of("output_audio_buffer.started")} - {done["id"]}
        loud_s = [at_s for at_s in phone.ear.loud_s() if begun_s + FLUSH_S < at_s < begun_s + FLUSH_S + 0.15]
        assert not answered
        assert not loud_s
        # The server says itself what was heard, and tells the model no more.
        await phone.wait("response.created", 2)
        await until(lambda: len(house.model.remembers()) > 0)
        heard = house.model.remembers()
        assert heard == TWELVE_WORDS.split()[: len(heard)]
        assert len(heard) < 12
        kinds = phone.types()
        order = ["output_audio_buffer.cleared", "conversation.item.truncated"]
        assert [kind for kind in kinds if kind in order] == order


async def test_must_21_speech_ends_an_answer_that_is_still_made(house: House) -> None:
    async with on_the_phone(house.server) as phone:
        phone.send("conversation.item.create", item={"type": "message", "role": "user", "content": _text("A story!")})
        phone.send("response.create")
        await until(lambda: phone.ear.is_sounding)
        phone.voice.say(voice(0.5))
        done = (await phone.wait("response.done"))["response"]
        begun_s = anyio.current_time()
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        await phone.wait("output_audio_buffer.cleared")
        await anyio.sleep(FLUSH_S + 0.1)
        assert not [at_s for at_s in phone.ear.loud_s() if at_s > begun_s + FLUSH_S]


async def test_must_21_a_client_may_clear_what_is_to_be_heard(house: House) -> None:
    async with on_the_phone(house.server) as phone:
        phone.send("output_audio_buffer.clear")
        await phone.update(instructions="still there")
        assert phone.count("error") == 0, "clearing nothing is no fault"
        phone.send("conversation.item.create", item={"type": "message", "role": "user", "content": _text("Hello.")})
        phone.send("response.create")
        await until(lambda: phone.ear.is_sounding)
        phone.send("output_audio_buffer.clear")
        await phone.wait("output_audio_buffer.cleared")
        await until(lambda: not phone.ear.is_sounding)


async def test_must_21_hang_up_ends_the_call(house: House, http: httpx2.AsyncClient) -> None:
    async with on_the_phone(house.server) as phone:
        assert (await http.post(f"{CALLS}/{phone.call_id}/hangup")).status_code == 200
        with anyio.fail_after(10):
            await phone.closed.wait()
        await until(lambda: house.server.state.slots.taken == 0)
        assert (await http.post(f"{CALLS}/{phone.call_id}/hangup")).status_code == 404


@pytest.mark.parametrize("is_sounding", [False, True])
async def test_must_21_a_caller_that_is_gone_leaves_nothing(house: House, is_sounding: bool) -> None:
    async with on_the_phone(house.server) as phone:
        if is_sounding:
            phone.send("response.create")
            await until(lambda: phone.ear.is_sounding)
    await until(lambda: house.server.state.slots.taken == 0)
    await until(lambda: house.model.running == 0)
    assert house.server.state.calls.find(phone.call_id) is None
