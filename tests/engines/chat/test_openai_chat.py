"""The client of chat servers, against a real server on a socket."""

from __future__ import annotations

import anyio
import pytest
from chat_server import ChatServer, Exchange, event, json_reply, serving, sse_reply
from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest
from duologue.engines.chat.discover import base_url_of, find_chat
from duologue.engines.chat.openai_chat import OpenAIChat
from duologue.engines.chat.spoken import SpokenText
from duologue.engines.chat.sse import SseReader
from duologue.errors import ConfigError, EngineError, EngineLost, EngineUnavailable

DONE = b"data: [DONE]\n\n"
REQUEST = ChatRequest((ChatMessage("system", "Be brief."), ChatMessage("user", "Hello?")), max_tokens=50)


async def ask(chat: OpenAIChat, request: ChatRequest = REQUEST) -> list[ChatDelta]:
    async with chat.stream(request) as deltas:
        return [delta async for delta in deltas]


def text_of(deltas: list[ChatDelta]) -> str:
    assert [delta.finish is None for delta in deltas] == [True] * (len(deltas) - 1) + [False]
    return "".join(delta.text for delta in deltas)


async def ask_once(server: ChatServer, **timeouts: float) -> list[ChatDelta]:
    chat = OpenAIChat(server.url, "tiny", "secret", **timeouts)  # type: ignore[arg-type]
    try:
        return await ask(chat)
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


async def close_unasked(exchange: Exchange) -> None:
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
            await ask_once(server, first_token_timeout_s=0.05, between_tokens_timeout_s=0.05)
        with anyio.fail_after(5):
            await server.left.wait()


@pytest.mark.anyio
async def test_a_broken_answer_is_lost() -> None:
    async with serving(break_off) as server:
        with pytest.raises(EngineLost, match="broke off"):
            await ask_once(server)


@pytest.mark.anyio
async def test_a_connection_closed_before_the_answer_is_tried_once_more() -> None:
    async with serving(close_unasked, sse_reply(event("Hi", "stop"), DONE)) as server:
        assert text_of(await ask_once(server)) == "Hi"
    async with serving(close_unasked) as server:
        with pytest.raises(EngineLost, match="no chat server answers"):
            await ask_once(server)
        assert len(server.requests) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (401, "OPENAI_API_KEY"),
        (403, "OPENAI_API_KEY"),
        (404, "--llm-model"),
        (429, "no more requests"),
        (503, "503"),
    ],
)
async def test_refusals_say_what_to_do(status: int, hint: str) -> None:
    body = {"error": {"message": "because " + "x" * 5000, "type": "t"}}
    async with serving(json_reply(body, status)) as server:
        with pytest.raises(EngineError, match=hint) as caught:
            await ask_once(server)
    assert not isinstance(caught.value, EngineLost)
    assert "because xxx" in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.anyio
@pytest.mark.parametrize("payload", [b'data: {"error": {"message": "out of memory"}}\n\n', b"data: out of memory\n\n"])
async def test_an_error_within_the_stream_is_raised(payload: bytes) -> None:
    async with serving(sse_reply(event("Hi"), payload)) as server:
        with pytest.raises(EngineError, match="out of memory"):
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


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("localhost:8000", "http://localhost:8000/v1"),
        (":8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("https://host/api/v1", "https://host/api/v1"),
        ("http://host/v1/chat/completions", "http://host/v1"),
        ("[::1]:80", "http://[::1]:80/v1"),
    ],
)
def test_addresses(address: str, url: str) -> None:
    assert base_url_of(address) == url


@pytest.mark.parametrize("address", ["", "http://", "host:port", "ftp://host", "http://a b", "http://h:99999"])
def test_no_addresses(address: str) -> None:
    with pytest.raises(ConfigError, match="http://127"):
        base_url_of(address)


@pytest.mark.anyio
async def test_find_chat_prefers_what_is_named() -> None:
    tags = json_reply({"models": [{"name": "nomic-embed-text"}, {"name": "qwen:1b", "details": {"family": "qwen2"}}]})
    async with serving() as named, serving() as in_env, serving(models=tags) as ollama:
        root = ollama.url.removesuffix("/v1")
        env = {"OPENAI_BASE_URL": in_env.url, "OPENAI_API_KEY": "k"}
        found = [
            await find_chat(f"127.0.0.1:{named.port}", "big", env, ollama_url=root),
            await find_chat(None, None, env, ollama_url=root),
            await find_chat(None, None, {"OPENAI_API_KEY": "k"}, ollama_url=root),
        ]
        for chat in found:
            assert chat is not None
            await chat.aclose()
    assert [(chat.base_url, chat.model) for chat in found if chat] == [
        (named.url, "big"),
        (in_env.url, "tiny"),
        (ollama.url, "qwen:1b"),
    ]
    assert named.requests[0].headers["authorization"] == "Bearer k"
    assert all("authorization" not in request.headers for request in ollama.requests)


@pytest.mark.anyio
async def test_find_chat_without_a_usable_server() -> None:
    tags = json_reply({"models": [{"name": "x", "capabilities": ["embedding"]}]})
    async with serving(models=tags) as ollama, serving(models=hang_at_once) as mute:
        assert await find_chat(None, None, {}, ollama_url=ollama.url.removesuffix("/v1")) is None
        assert await find_chat(None, None, {}, ollama_url=mute.url.removesuffix("/v1")) is None
        gone = mute.url
    assert await find_chat(None, None, {}, ollama_url=gone.removesuffix("/v1")) is None
    with pytest.raises(EngineUnavailable, match="no chat server answers"):
        await find_chat(gone, None, {})


@given(st.text(alphabet="a<>/think \n", max_size=60), st.lists(st.integers(1, 9), max_size=12))
def test_thoughts_are_left_out_wherever_the_text_is_cut(text: str, sizes: list[int]) -> None:
    whole, pieces = SpokenText(), SpokenText()
    expected = whole.feed(text) + whole.end()
    spoken, rest = "", text
    for size in sizes:
        spoken, rest = spoken + pieces.feed(rest[:size]), rest[size:]
    assert spoken + pieces.feed(rest) + pieces.end() == expected


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n\ufeff", codec="utf-8"), min_size=1), max_size=4),
    st.integers(1, 9),
)
def test_events_are_the_same_wherever_they_are_cut(payloads: list[str], size: int) -> None:
    wire = "".join(f": note\r\nid: 1\r\ndata: {payload}\r\n\r\n" for payload in payloads).encode()
    reader = SseReader()
    seen = [payload for at in range(0, len(wire), size) for payload in reader.feed(wire[at : at + size])]
    assert seen + reader.end() == payloads


def test_an_endless_event_is_refused() -> None:
    reader = SseReader()
    reader.feed(b"data: " + b"x" * 1_000_000)
    with pytest.raises(EngineError, match="1 MiB"):
        reader.feed(b"x" * 65_536)
