"""Which chat server is found, and who gets to see the key."""

from __future__ import annotations

import pytest
from chat_server import Exchange, json_reply, serving

from duologue.engines.chat.discover import base_url_of, find_chat, may_have_key
from duologue.errors import ConfigError, EngineUnavailable


async def mute(exchange: Exchange) -> None:
    await exchange.wait_for_leaving()


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
    async with serving(models=tags) as ollama, serving(models=mute) as silent:
        assert await find_chat(None, None, {}, ollama_url=ollama.url.removesuffix("/v1")) is None
        assert await find_chat(None, None, {}, ollama_url=silent.url.removesuffix("/v1")) is None
        gone = silent.url
    assert await find_chat(None, None, {}, ollama_url=gone.removesuffix("/v1")) is None
    with pytest.raises(EngineUnavailable, match="no chat server answers"):
        await find_chat(gone, None, {})


@pytest.mark.parametrize(
    ("url", "named", "may"),
    [
        ("https://api.example.com/v1", "", True),
        ("http://127.0.0.1:8000/v1", "", True),
        ("http://[::1]:8000/v1", "", True),
        ("http://gpu-box:8000/v1", "", False),
        ("http://192.168.1.7:8000/v1", "", False),
        ("http://localhost.example.com/v1", "", False),
        ("http://gpu-box:8000/v1", "http://gpu-box:8000", True),
        ("http://gpu-box:8000/v1", "http://other:8000/v1", False),
        ("http://gpu-box:8000/v1", "http://gpu-box:8001/v1", False),
    ],
)
def test_who_may_have_the_key(url: str, named: str, may: bool) -> None:
    assert may_have_key(url, {"OPENAI_BASE_URL": named} if named else {}) is may


@pytest.mark.anyio
async def test_the_key_stays_here_unless_it_is_meant_for_that_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    async with serving() as server:
        # An address of this machine that does not look like one.
        elsewhere = f"http://0.0.0.0:{server.port}/v1"
        by_flag = await find_chat(elsewhere, "big", {"OPENAI_API_KEY": "k"})
        by_name = await find_chat(None, "tiny", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": elsewhere})
        without = await find_chat(elsewhere, "tiny", {})
        for chat in (by_flag, by_name, without):
            assert chat is not None
            await chat.start()  # once more, as the server does
            await chat.aclose()
    assert [request.headers.get("authorization") for request in server.requests] == [None, "Bearer k", None] * 2
    warnings = [chat.model_warning for chat in (by_flag, by_name, without) if chat]
    assert warnings[1:] == [None, None]
    assert "OPENAI_API_KEY was not sent to 0.0.0.0" in (warnings[0] or "")
    assert "does not list a model 'big'" in (warnings[0] or "")


@pytest.mark.anyio
async def test_a_refusal_for_want_of_the_key_tells_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    async with serving(models=json_reply({}, 401)) as server:
        with pytest.raises(EngineUnavailable, match="OPENAI_API_KEY was not sent"):
            await find_chat(f"http://0.0.0.0:{server.port}", "tiny", {"OPENAI_API_KEY": "k"})
