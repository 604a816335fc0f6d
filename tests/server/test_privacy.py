"""Nothing that people say, and no key, is in a log at any level, in a metric, on the operator's page or in a trace."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
import structlog

from duologue.cli.log import configure_logging
from duologue.engines.base import ChatRequest, SpeakRequest
from duologue.engines.local import LocalEngines
from duologue.engines.scripted import (
    ScriptedChat,
    ScriptedSynthesizer,
    ScriptedTranscriber,
    ScriptedTurn,
    ScriptedVad,
)
from duologue.engines.scripted_chat import ScriptedToolChat
from duologue.server.traces import open_traces
from tests.server.asking import bearer
from tests.server.caller import Caller, calling
from tests.server.collector import Collector, collecting
from tests.server.serving import Serving, engines, serving, until

pytestmark = pytest.mark.anyio

KEY = "canary-key-1d0c"
# Each says where it was heard; one pattern finds them all.
CANARY = re.compile(r"canary|kanarie", re.IGNORECASE)
SAID = "please get the weather in canarysaid"
ANSWER = "canaryanswer is what there is to say"
OUTPUT = "canaryoutput"
TOOL = {
    "type": "function",
    "name": "get_weather_canarytool",
    "description": "canarydescription",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SESSION: dict[str, Any] = {
    "instructions": "canaryinstructions",
    "tools": [TOOL],
    "audio": {"input": {"transcription": {"model": "whisper-1", "prompt": "canaryprompt"}}},
}


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that the server logs at debug level, as `duologue serve --log-level debug` writes it."""
    stream = io.StringIO()
    root = logging.getLogger()
    kept, level, filters = root.handlers, root.level, logging.getLogger("uvicorn.error").filters
    root.handlers = []
    logging.getLogger("uvicorn.error").filters = []
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        configure_logging("debug")
    yield stream
    root.handlers = kept
    root.setLevel(level)
    logging.getLogger("uvicorn.error").filters = filters
    structlog.reset_defaults()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


async def seen_from_outside(server: Serving) -> str:
    """What an operator can ask for."""
    async with httpx.AsyncClient(headers=bearer(KEY)) as web:
        pages = [await web.get(server.http + path) for path in ("/metrics", "/ops/state", "/readyz", "/healthz")]
    assert [page.status_code for page in pages if page.status_code != 404] != []
    return "\n".join(page.text for page in pages)


async def talk(caller: Caller) -> None:
    """A turn with a call of a function, its result, and an interruption."""
    await caller.update(**SESSION)
    await caller.say()
    done = await caller.wait("response.done")
    call = done["response"]["output"][0]
    assert "canarysaid" in call["arguments"]
    item = {"type": "function_call_output", "call_id": call["call_id"], "output": OUTPUT}
    await caller.send("conversation.item.create", item=item)
    await caller.send("response.create")
    answer = await caller.wait("response.done", 2)
    assert OUTPUT in answer["response"]["output"][0]["content"][0]["transcript"]
    await caller.write("canarywritten")
    await caller.settled()


def leaks(text: str) -> list[str]:
    return sorted({match.group() for match in re.finditer(r"\S*(?:canary|kanarie)\S*", text, re.IGNORECASE)})


async def test_nothing_that_was_said_and_no_key_is_told_to_anybody(logged: io.StringIO, collector: Collector) -> None:
    spoken = engines(asr=ScriptedTranscriber(SAID), chat=ScriptedToolChat())
    async with serving(spoken, api_key=KEY) as server:
        traces = server.state.traces = open_traces(
            server.state.settings.model_copy(update={"otlp_endpoint": collector.url})
        )
        assert traces is not None
        async with calling(server.ws, additional_headers=bearer(KEY)) as caller:
            await talk(caller)
            secret = await make_secret(server)
            seen = await seen_from_outside(server)
        async with calling(server.ws, additional_headers=bearer(secret)) as caller:
            await caller.say()
            await caller.wait("response.done")
            await caller.wait("rate_limits.updated")
        await be_refused(server, secret)
        seen += await seen_from_outside(server)
        await until(lambda: not server.state.slots.taken)
        await traces.aclose()
    sent = b"".join(collector.raw).decode("latin-1")
    assert "session_started" in logged.getvalue()
    assert "session_refused" in logged.getvalue()
    # A turn that calls a function is answered by the client's request, whenever that comes; it has no latency.
    assert "duologue_voice_to_voice_seconds_count 1.0" in seen
    assert len([span for span in collector.spans if span.name == "turn"]) == 1
    for told in (logged.getvalue(), seen, sent):
        assert leaks(told) == []
        assert secret not in told


async def make_secret(server: Serving) -> str:
    body = {"session": {"type": "realtime", "instructions": "canarysecretinstructions"}}
    async with httpx.AsyncClient(headers=bearer(KEY)) as web:
        answer = await web.post(f"{server.http}/v1/realtime/client_secrets", json=body)
    secret = answer.json()["value"]
    assert secret.startswith("ek_")
    return str(secret)


async def be_refused(server: Serving, secret: str) -> None:
    """In every way in which a request that carries something private can be wrong."""
    async with httpx.AsyncClient() as web:
        for headers in (bearer("canary-wrong-key"), bearer(f"{secret}x"), {}):
            answer = await web.post(f"{server.http}/v1/realtime/client_secrets", headers=headers, json={})
            assert answer.status_code == 401
        answer = await web.get(f"{server.http}/v1/models", headers=bearer(secret))
        assert answer.status_code == 401
    async with calling(server.ws, additional_headers=bearer(KEY)) as caller:
        await caller.send("canary.event", canary="canary")
        await caller.send("session.update", session={"type": "realtime", "voice": "canaryvoice"})
        await caller.send("conversation.item.create", item={"type": "canary"})
        await caller.socket.send('{"type": "canary')
        await caller.wait("error", 3)


class Choking(ScriptedTranscriber):
    """Fails over what it hears, and says so."""

    def __init__(self) -> None:
        super().__init__(hear=lambda _request: fail(SAID))


def fail(words: str) -> str:
    raise ValueError(f"cannot do anything with {words!r}")


class ChokingVoice(ScriptedSynthesizer):
    async def results(self, request: SpeakRequest) -> Any:
        fail(request.text)
        yield


def choking_chat(request: ChatRequest) -> str:
    return fail(request.messages[-1].content)


@pytest.mark.parametrize(
    "broken",
    [{"asr": Choking()}, {"chat": ScriptedChat(answer=choking_chat)}, {"tts": ChokingVoice()}],
    ids=["asr", "chat", "tts"],
)
async def test_a_fault_tells_where_it_was_and_not_over_which_words(logged: io.StringIO, broken: dict[str, Any]) -> None:
    """An engine's exception may quote what it was given."""
    stages = {
        "vad": ScriptedVad(),
        "turn": ScriptedTurn(),
        "asr": ScriptedTranscriber(SAID),
        "chat": ScriptedChat(ANSWER),
        "tts": ScriptedSynthesizer(phrase_s=0.3),
    }
    local = LocalEngines(stages | broken)
    await local.start()
    try:
        async with serving(local) as server:
            async with calling(server.ws) as caller:
                await caller.update(**SESSION)
                await caller.say()
                await until(lambda: "ValueError" in logged.getvalue())
            await until(lambda: not server.state.slots.taken)
    finally:
        await local.aclose()
    assert "in fail" in logged.getvalue()
    assert leaks(logged.getvalue()) == []
