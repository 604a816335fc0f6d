"""When a chat server is asked again, and when not."""

from __future__ import annotations

import anyio
import pytest
from chat_server import DONE, ChatServer, Exchange, Reply, event, json_reply, serving, sse_reply

from duologue.engines.base import ChatMessage, ChatRequest
from duologue.engines.chat.openai_chat import OpenAIChat
from duologue.engines.chat.retry import Passing, Retries
from duologue.errors import EngineError, EngineLost
from duologue.options import ChatOptions

REQUEST = ChatRequest((ChatMessage("user", "Hello?"),), max_tokens=50)
HI = sse_reply(event("Hi", "stop"), DONE)

pytestmark = pytest.mark.anyio


async def ask(server: ChatServer, *, times: int = 1, retries: int = 1, first_s: float = 20.0, **extra: object) -> str:
    options = ChatOptions(retries=retries, first_token_timeout_s=first_s)
    chat = OpenAIChat(server.url, "tiny", options=options, extra=extra)
    said = ""
    try:
        for _ in range(times):
            async with chat.stream(REQUEST) as deltas:
                async for delta in deltas:
                    said += delta.text
    finally:
        await chat.aclose()
    return said


def refuse(status: int, message: str = "no", **headers: str) -> Reply:
    async def reply(exchange: Exchange) -> None:
        await exchange.head(status, "application/json", **headers)
        await exchange.write(b'{"error": {"message": "%s"}}' % message.encode())
        await exchange.end()

    return reply


async def close_at_once(exchange: Exchange) -> None:
    await exchange.stream.aclose()


async def break_off_before_the_first_word(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.write(event("<think>Let me see"))
    await exchange.stream.aclose()


async def break_off_after_the_first_word(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.write(event("Hi"))
    await exchange.stream.aclose()


@pytest.mark.parametrize("failure", [refuse(429), refuse(503), refuse(503, retry_after="0.01"), close_at_once])
async def test_what_passes_is_tried_again(failure: Reply) -> None:
    async with serving(failure, HI) as server:
        assert await ask(server) == "Hi"
        assert len(server.requests) == 2


async def test_a_stream_broken_before_the_first_word_is_tried_again() -> None:
    async with serving(break_off_before_the_first_word, HI) as server:
        assert await ask(server) == "Hi"


async def test_nothing_is_tried_again_after_the_first_word() -> None:
    async with serving(break_off_after_the_first_word, HI) as server:
        with pytest.raises(EngineLost, match="broke off"):
            await ask(server, retries=5)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("failure", "tries"),
    [(refuse(429), 2), (refuse(503), 2), (refuse(429, retry_after="60"), 1), (refuse(500), 1), (refuse(400), 1)],
)
async def test_how_often(failure: Reply, tries: int) -> None:
    async with serving(failure) as server:
        with pytest.raises(EngineError):
            await ask(server)
        assert len(server.requests) == tries


async def test_a_closed_connection_costs_no_retry_the_first_time() -> None:
    async with serving(close_at_once, HI) as server:
        assert await ask(server, retries=0) == "Hi"
    async with serving(close_at_once) as server:
        with pytest.raises(EngineLost, match="no chat server answers"):
            await ask(server, retries=0)
        assert len(server.requests) == 2


async def test_no_try_begins_after_the_time_for_the_first_word() -> None:
    async with serving(refuse(503, retry_after="1.5")) as server:
        with anyio.fail_after(5), pytest.raises(EngineLost):
            await ask(server, retries=5, first_s=0.5)
        assert len(server.requests) == 1


def test_pauses_grow_and_end() -> None:
    retries, failure = Retries(3), Passing(EngineError("no"))
    assert [retries.pause_after(failure) for _ in range(4)] == [0.1, 0.2, 0.4, None]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("Unknown field: stream_options", "stream_options"),
        ("include_usage is not supported", "stream_options"),
        ("extra fields not permitted: cache_prompt", "cache_prompt"),
        ("Unsupported parameter: max_tokens. Use max_completion_tokens instead.", "max_tokens"),
    ],
)
async def test_a_field_refused_by_name_is_left_out_from_then_on(said: str, field: str) -> None:
    async with serving(refuse(400, said), HI) as server:
        assert await ask(server, times=2, retries=0, cache_prompt=True) == "HiHi"
        assert [field in request.body for request in server.requests] == [True, False, False]
        limits = [request.body.get("max_completion_tokens") for request in server.requests]
    assert limits == ([None, 50, 50] if field == "max_tokens" else [None] * 3)


async def test_a_limit_that_is_too_high_is_not_sent_by_another_name() -> None:
    async with serving(json_reply({"error": "max_tokens is too large: 50"}, 400)) as server:
        with pytest.raises(EngineError, match="too large"):
            await ask(server)
        assert len(server.requests) == 1
