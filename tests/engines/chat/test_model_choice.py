"""Which models a chat server is said to have, and which of them a request goes to."""

from __future__ import annotations

import pytest
from chat_server import DONE, ChatServer, Reply, event, json_reply, serving, sse_reply

from duologue.engines.base import ChatMessage, ChatRequest
from duologue.engines.chat.discover import find_chat
from duologue.engines.chat.model_names import MOST_MODELS, chat_models
from duologue.engines.chat.openai_chat import OpenAIChat
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import ChatOptions

NAMES = ["nomic-embed-text", "small", "large", "whisper-1", "gpt-realtime", "tts-1-hd"]
ANSWER = sse_reply(event("Yes."), event(None, "stop"), DONE)


def lists(*names: str) -> Reply:
    return json_reply({"data": [{"id": name} for name in names]})


async def ask(chat: OpenAIChat, model: str | None) -> None:
    async with chat.stream(ChatRequest((ChatMessage("user", "Hello?"),), model=model)) as deltas:
        assert "".join([delta.text async for delta in deltas]) == "Yes."


def asked(server: ChatServer) -> list[object]:
    return [request.body["model"] for request in server.requests if request.path.endswith("/completions")]


def test_only_models_that_chat_and_the_default_first() -> None:
    assert chat_models("large", NAMES) == ("large", "small")
    assert chat_models("mine", ["mine:latest", "mine:7b"]) == ("mine", "mine:7b")
    # What the operator has named is right, whatever it is called.
    assert chat_models("embedded-chat", []) == ("embedded-chat",)


def test_a_list_that_one_can_read() -> None:
    assert len(chat_models("m0", [f"m{i}" for i in range(5_000)])) == MOST_MODELS
    assert chat_models("m", ["", "x" * 1_000]) == ("m",)


@pytest.mark.anyio
async def test_a_request_goes_to_the_model_that_it_names() -> None:
    async with serving(ANSWER, models=lists(*NAMES)) as server:
        chat = OpenAIChat(server.url, "small")
        await chat.start()
        for model in ("large", None, "gpt-realtime", "no-such", "small"):
            await ask(chat, model)
        await chat.aclose()
    assert chat.models == ("small", "large")
    assert asked(server) == ["large", "small", "small", "small", "small"]


@pytest.mark.anyio
async def test_an_operator_may_leave_no_choice() -> None:
    async with serving(ANSWER, models=lists(*NAMES)) as server:
        chat = OpenAIChat(server.url, "small", options=ChatOptions(choice=False))
        await chat.start()
        await ask(chat, "large")
        await chat.aclose()
    assert (chat.models, asked(server)) == (("small",), ["small"])


@pytest.mark.anyio
async def test_the_list_is_asked_for_anew_and_kept_while_nobody_answers() -> None:
    async with serving(ANSWER, models=lists("small")) as server:
        chat = OpenAIChat(server.url, "small")
        await chat.start()
        assert chat.models == ("small",)
        server.models = lists("small", "large")
        await chat.relist()
        assert chat.models == ("small", "large")
    await chat.relist()
    assert chat.models == ("small", "large")
    await chat.aclose()


@pytest.mark.anyio
async def test_a_chosen_model_that_is_gone_is_no_loss_of_the_server() -> None:
    gone = json_reply({"error": {"message": "model 'large' not found"}}, 404)
    async with serving(gone, ANSWER, models=lists("small", "large")) as server:
        chat = OpenAIChat(server.url, "small")
        await chat.start()
        with pytest.raises(EngineError, match="'large'") as failure:
            await ask(chat, "large")
        assert not isinstance(failure.value, EngineLost | EngineUnavailable)
        await ask(chat, "large")
        await chat.aclose()
    assert asked(server) == ["large", "small"]


@pytest.mark.anyio
async def test_an_ollama_tells_which_of_its_models_chat() -> None:
    tags = [{"name": "thinker", "capabilities": ["completion"]}, {"name": "finder", "capabilities": ["embedding"]}]
    both = json_reply({"models": tags, "data": [{"id": "thinker"}, {"id": "finder"}]})
    async with serving(ANSWER, models=both) as ollama:
        chat = await find_chat(None, None, {}, ollama_url=ollama.url.removesuffix("/v1"))
        assert chat is not None
        assert chat.models == ("thinker",)
        await chat.aclose()
