"""The client of chat servers, against a real server on a socket."""

from __future__ import annotations

import anyio
import pytest
from chat_server import DONE, ChatServer, Exchange, event, json_reply, serving, sse_reply, usage_event

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest, Tool
from duologue.engines.chat.openai_chat import OpenAIChat
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import ChatOptions

REQUEST = ChatRequest((ChatMessage("system", "Be brief."), ChatMessage("user", "Hello?")), max_tokens=50)


async def ask(chat: OpenAIChat, request: ChatRequest = REQUEST) -> list[ChatDelta]:
    async with chat.stream(request) as deltas:
        return [delta async for delta in deltas]


def text_of(deltas: list[ChatDelta]) -> str:
    assert [delta.finish is None for delta in deltas] == [True] * (len(deltas) - 1) + [False]
    return "".join(delta.text for delta in deltas)


async def ask_once(
    server: ChatServer, request: ChatRequest = REQUEST, *, between_s: float = 20.0, **options: float
) -> list[ChatDelta]:
    chosen = ChatOptions.model_validate(options)
    chat = OpenAIChat(server.url, "tiny", "secret", options=chosen, between_tokens_timeout_s=between_s)
    try:
        return await ask(chat, request)
    finally:
        await chat.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("piece", [None, 1, 7, 100_000])
async def test_streams_an_answer_however_it_is_cut(piece: int | None) -> None:
    events = (b": hello\n\n", event("", role="assistant"), event("Grüß"), event(" dich"), event(None, "stop"), DONE)
    async with serving(sse_reply(*events, piece=piece)) as server:
        deltas = await ask_once(server)
    assert text_of(deltas) == "Grüß dich"
    assert deltas[-1].finish == "stop"
    sent = server.requests[0]
    assert sent.headers["authorization"] == "Bearer secret"
    assert sent.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 50,
    }


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("events", "text", "finish"),
    [
        (
            (event("Hi").replace(b"\n", b"\r\n"), event(" there", "stop").replace(b"\n", b"\r\n")),
            "Hi there",
            "stop",
        ),
        ((event("Hi"), event(" there")), "Hi there", "stop"),
        ((event("Hi"), event(" there").rstrip(b"\n")), "Hi there", "stop"),
        (
            (event("Hi"), event(None, "length"), b'data: {"choices":[],"usage":{"total_tokens":3}}\n\n', DONE),
            "Hi",
            "length",
        ),
        ((b'data: {"choices":[]}\n\n', event("Hi"), DONE), "Hi", "stop"),
        ((event(None, reasoning_content="Let me see"), event("Hi", "stop"), DONE), "Hi", "stop"),
        ((event("<thi"), event("nk>secret</th"), event("ink>\n\nHi"), event(None, "stop")), "Hi", "stop"),
        ((event("two < three <"), event(None, "stop")), "two < three <", "stop"),
        ((DONE,), "", "stop"),
    ],
)
async def test_tolerates_what_servers_do(events: tuple[bytes, ...], text: str, finish: str) -> None:
    async with serving(sse_reply(*events)) as server:
        deltas = await ask_once(server)
    assert text_of(deltas) == text
    assert deltas[-1].finish == finish


@pytest.mark.anyio
async def test_takes_a_whole_answer_from_a_server_that_does_not_stream() -> None:
    reply = json_reply({"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]})
    async with serving(reply) as server:
        assert text_of(await ask_once(server)) == "Hi."


USAGE = {"prompt_tokens": 30, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 25}}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "events",
    [
        (event("Hi"), event(None, "stop"), usage_event(USAGE), DONE),
        (event("Hi"), event("", "stop", usage=USAGE), DONE),
        (event("Hi", usage={**USAGE, "completion_tokens": 1}), event(None, "stop"), usage_event(USAGE)),
    ],
)
async def test_tells_the_usage_with_the_last_delta(events: tuple[bytes, ...]) -> None:
    async with serving(sse_reply(*events)) as server:
        deltas = await ask_once(server)
    assert text_of(deltas) == "Hi"
    usage = deltas[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (30, 7, 25)
    assert all(delta.usage is None for delta in deltas[:-1])


async def dawdle_after_the_end(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.write(event("Hi", "stop"))
    await exchange.wait_for_leaving()


@pytest.mark.anyio
async def test_a_server_that_does_not_count_is_not_waited_for() -> None:
    async with serving(dawdle_after_the_end) as server:
        with anyio.fail_after(5):
            deltas = await ask_once(server)
    assert (text_of(deltas), deltas[-1].usage) == ("Hi", None)


@pytest.mark.anyio
async def test_calls_a_tool() -> None:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": ""}}
    rest = {"index": 0, "function": {"arguments": '{"word": "owl"}'}}
    reply = sse_reply(event(None, tool_calls=[first]), event(None, tool_calls=[rest]), event(None, "tool_calls"), DONE)
    tool = Tool("look_up", "Looks a word up.", '{"type": "object"}')
    request = ChatRequest(REQUEST.messages, tools=(tool,), tool_choice="look_up", parallel_tool_calls=False)
    async with serving(reply) as server:
        deltas = await ask_once(server, request)
    calls = [delta.tool_call for delta in deltas if delta.tool_call]
    assert [(call.index, call.id, call.name) for call in calls] == [(0, "call_1", "look_up"), (0, "", "")]
    assert "".join(call.arguments for call in calls) == '{"word": "owl"}'
    assert deltas[-1].finish == "tool_calls"
    sent = server.requests[0].body
    assert sent["tools"] == [
        {
            "type": "function",
            "function": {"name": "look_up", "description": "Looks a word up.", "parameters": {"type": "object"}},
        }
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "look_up"}}
    assert sent["parallel_tool_calls"] is False


@pytest.mark.anyio
async def test_connection_is_warm_and_kept() -> None:
    async with serving(sse_reply(event("Hi", "stop"), DONE)) as server:
        chat = OpenAIChat(server.url)
        await chat.start()
        await chat.warm_up()
        assert text_of(await ask(chat)) == "Hi"
        assert text_of(await ask(chat)) == "Hi"
        await chat.aclose()
    assert chat.model == "tiny"
    assert server.connections == 1


async def hang_after_hi(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.write(event("Hi"))
    await exchange.wait_for_leaving()


async def hang_at_once(exchange: Exchange) -> None:
    await exchange.wait_for_leaving()


async def hang_after_headers(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.wait_for_leaving()


async def break_off(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.write(event("Hi"))
    await exchange.stream.aclose()


@pytest.mark.anyio
async def test_leaving_early_stops_the_server_and_the_next_request_works() -> None:
    async with serving(hang_after_hi, sse_reply(event("Again", "stop"), DONE)) as server:
        chat = OpenAIChat(server.url, "tiny")
        async with chat.stream(REQUEST) as deltas:
            assert (await anext(aiter(deltas))).text == "Hi"
        with anyio.fail_after(5):
            await server.left.wait()
        assert text_of(await ask(chat)) == "Again"
        await chat.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("hang", [hang_after_hi, hang_at_once, hang_after_headers])
async def test_cancelling_stops_the_server_and_the_next_request_works(hang: object) -> None:
    async with serving(hang, sse_reply(event("Again", "stop"), DONE)) as server:  # type: ignore[arg-type]
        chat = OpenAIChat(server.url, "tiny")
        async with anyio.create_task_group() as group:
            group.start_soon(ask, chat)
            await server.asked.wait()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        with anyio.fail_after(5):
            await server.left.wait()
        assert text_of(await ask(chat)) == "Again"
        await chat.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("hang", [hang_after_hi, hang_at_once, hang_after_headers])
async def test_a_silent_server_is_lost(hang: object) -> None:
    async with serving(hang) as server:  # type: ignore[arg-type]
        with pytest.raises(EngineLost, match="no token in time"):
            await ask_once(server, between_s=0.05, first_token_timeout_s=0.05)
        with anyio.fail_after(5):
            await server.left.wait()


@pytest.mark.anyio
async def test_a_broken_answer_is_lost() -> None:
    async with serving(break_off) as server:
        with pytest.raises(EngineLost, match="broke off"):
            await ask_once(server)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (400, EngineError, "400"),
        (401, EngineUnavailable, "OPENAI_API_KEY"),
        (403, EngineUnavailable, "OPENAI_API_KEY"),
        (404, EngineUnavailable, "--llm-model"),
        (429, EngineLost, "no more requests"),
        (500, EngineLost, "500"),
        (503, EngineLost, "503"),
    ],
)
async def test_refusals_say_what_to_do(status: int, kind: type[EngineError], hint: str) -> None:
    body = {"error": {"message": "because " + "x" * 5000, "type": "t"}}
    async with serving(json_reply(body, status)) as server:
        with pytest.raises(EngineError, match=hint) as caught:
            await ask_once(server, retries=0)
    assert type(caught.value) is kind
    assert "because xxx" in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'data: {"error": {"message": "out of memory"}}\n\n', "/v1 failed: out of memory$"),
        (b'data: {"error": "out of memory", "choices": null}\n\n', "/v1 failed: out of memory$"),
        (b"data: out of memory\n\n", "/v1 sent no chat completion: out of memory$"),
    ],
)
async def test_an_error_within_the_stream_is_raised(payload: bytes, said: str) -> None:
    async with serving(sse_reply(event("Hi"), payload)) as server:
        with pytest.raises(EngineError, match=said):
            await ask_once(server)


@pytest.mark.anyio
async def test_nothing_listening() -> None:
    async with serving() as server:
        url = server.url
    chat = OpenAIChat(url, "tiny")
    with pytest.raises(EngineLost, match="no chat server answers at http://127"):
        await ask(chat)
    with pytest.raises(EngineUnavailable, match="start it"):
        await chat.start()
    await chat.aclose()


@pytest.mark.anyio
async def test_start_warns_of_an_unlisted_model_only() -> None:
    names = json_reply({"data": [{"id": "llama3:latest"}, {"id": "phi"}]})
    warnings = {}
    async with serving(models=names) as server:
        for model in ("llama3", "phi", "gone"):
            chat = OpenAIChat(server.url, model)
            await chat.start()
            warnings[model] = chat.model_warning
            await chat.aclose()
    assert warnings["llama3"] is None
    assert warnings["phi"] is None
    assert "phi" in (warnings["gone"] or "")


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "hint"), [(401, "OPENAI_API_KEY"), (404, "--llm-model")])
async def test_start_without_list_or_key(status: int, hint: str) -> None:
    async with serving(models=json_reply({}, status)) as server:
        chat = OpenAIChat(server.url)
        with pytest.raises(EngineUnavailable, match=hint):
            await chat.start()
        await chat.aclose()
