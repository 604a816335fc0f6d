"""Voxtral behind HTTP, against a server that speaks as vLLM does."""

from __future__ import annotations

from itertools import pairwise

import anyio
import numpy as np
import pytest
from tests.engines.chat.chat_server import Exchange, event, sse_reply
from tests.engines.chat.chat_server import serving as raw_server
from tests.engines.standins.serving import unused_url
from tests.engines.standins.vllm import MODEL, Vllm, sounds_of, texts_of, vllm

from duologue.audio.frame import Float32
from duologue.engines.base import ChatMessage, SpeechDelta, SpeechRequest
from duologue.engines.http import api_key_for
from duologue.engines.speech import voxtral_server
from duologue.engines.speech.voxtral_server import VoxtralServer
from duologue.engines.speech.voxtral_server_prompt import chat_messages
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import VoxtralServerOptions

pytestmark = pytest.mark.anyio


def sound(number: int = 1, seconds: float = 1.0) -> Float32:
    """A sound that no other number has."""
    return np.full(int(16_000 * seconds), number / 100, np.float32)


def question(number: int = 1) -> ChatMessage:
    return ChatMessage("user", "", audio=sound(number))


RULES = ChatMessage("system", "Be brief.")
REQUEST = SpeechRequest((RULES, question()))


def engine(server: Vllm, **options: object) -> VoxtralServer:
    return VoxtralServer(VoxtralServerOptions(url=server.url, **options))  # type: ignore[arg-type]


async def ask(speech: VoxtralServer, request: SpeechRequest = REQUEST) -> list[SpeechDelta]:
    async with speech.stream(request) as deltas:
        return [delta async for delta in deltas]


async def ask_once(server: Vllm, request: SpeechRequest = REQUEST, **options: object) -> list[SpeechDelta]:
    speech = engine(server, **options)
    try:
        return await ask(speech, request)
    finally:
        await speech.aclose()


def said(deltas: list[SpeechDelta]) -> str:
    return "".join(delta.text for delta in deltas)


def heard(deltas: list[SpeechDelta]) -> str:
    return "".join(delta.heard for delta in deltas)


async def test_answers_a_sound_and_says_what_it_heard() -> None:
    async with vllm() as server:
        deltas = await ask_once(server, SpeechRequest((RULES, question()), language="en"))
    assert said(deltas) == "It is four. Really."
    assert heard(deltas) == "What is two and two?"
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"]
    assert [delta.is_heard for delta in deltas].count(True) == 1
    (usage,) = [delta.usage for delta in deltas if delta.usage]
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (400, 6, 0)
    (message,) = server.chats[0]["messages"]
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["text", "input_audio"]
    assert texts_of(message) == ["Be brief."]
    assert sounds_of(message)[0].tolist() == [328] * 16_000
    (form,) = server.forms
    assert form["language"] == "en"
    assert form["max_completion_tokens"] == str(8 + 16)
    assert len(form["samples"]) == 16_000


async def test_the_words_are_asked_for_after_the_first_clause() -> None:
    async with vllm(answer=["Well", ",", " it"] + [" is"] * 300) as server:
        deltas = await ask_once(server)
    assert heard(deltas) == "What is two and two?"
    assert server.log.index("chat asked") < server.log.index("transcription asked")
    first = next(index for index, delta in enumerate(deltas) if delta.heard)
    assert said(deltas[:first]).startswith("Well, it")


async def test_the_words_are_asked_for_at_the_end_of_a_short_answer() -> None:
    async with vllm(answer=["Yes", "."]) as server:
        deltas = await ask_once(server)
    assert server.log.index("chat ended") < server.log.index("transcription asked")
    assert deltas[-1].is_heard


async def test_does_what_is_wanted_and_no_more() -> None:
    async with vllm() as server:
        speech = engine(server)
        assert await ask(speech, SpeechRequest((RULES, question()), wants="nothing")) == []
        assert not server.log
        answer = await ask(speech, SpeechRequest((RULES, question()), wants="answer"))
        assert (said(answer), heard(answer)) == ("It is four. Really.", "")
        assert not server.forms
        words = await ask(speech, SpeechRequest((RULES, question()), wants="transcript"))
        assert (said(words), heard(words)) == ("", "What is two and two?")
        assert words[-1].is_heard
        assert len(server.chats) == 1
        typed = await ask(speech, SpeechRequest((RULES, ChatMessage("user", "Hello?"))))
        assert (said(typed), heard(typed)) == ("It is four. Really.", "")
        assert server.chats[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nHello?"}]
        await speech.aclose()
        quiet = await ask_once(server, transcript=False)
        assert not any(delta.is_heard for delta in quiet)


async def test_a_sound_that_comes_again_is_not_transcribed_again() -> None:
    async with vllm() as server:
        speech = engine(server)
        await ask(speech)
        again = await ask(speech)
        await speech.aclose()
    assert heard(again) == "What is two and two?"
    assert len(server.forms) == 1


@pytest.mark.parametrize("sound_turns", [1, 2, 5])
async def test_long_conversations_keep_within_the_limits(sound_turns: int) -> None:
    """Ten turns by sound: never a refusal, and each prompt begins with the one before except where a block ends."""
    messages: tuple[ChatMessage, ...] = (RULES,)
    async with vllm() as server:
        speech = engine(server, audio_turns=sound_turns)
        for number in range(1, 11):
            messages += (question(number),)
            answer = said(await ask(speech, SpeechRequest(messages)))
            messages += (ChatMessage("assistant", answer),)
        await speech.aclose()
    prompts = [chat["messages"] for chat in server.chats]
    counts = [sum(len(sounds_of(message)) for message in prompt) for prompt in prompts]
    assert counts == [(number % sound_turns) + 1 for number in range(10)]
    kept = [later[: len(earlier)] == earlier for earlier, later in pairwise(prompts)]
    assert kept == [(number % sound_turns) != 0 for number in range(1, 10)]
    assert texts_of(prompts[-1][0])[0].startswith("Be brief.")
    if sound_turns == 1:
        assert prompts[-1][0]["content"] == "Be brief.\n\nWhat is two and two?"


async def test_turns_whose_words_nobody_knows_stay_sound_up_to_five() -> None:
    messages = [RULES]
    for number in range(1, 9):
        messages += [question(number), ChatMessage("assistant", "Yes.")]
    async with vllm() as server:
        await ask_once(server, SpeechRequest((*messages, question(9)), wants="answer"))
    (chat,) = server.chats
    sounds = [int(sound[0]) for message in chat["messages"] for sound in sounds_of(message)]
    assert sounds == [round(number * 327.68) for number in range(5, 10)]
    assert chat["messages"][2]["content"] == "(The words of this turn are not known.)"


async def test_every_message_finds_a_place_that_the_model_knows() -> None:
    messages = (
        ChatMessage("assistant", "Good morning."),
        ChatMessage("user", "The weather?"),
        ChatMessage("assistant", ""),
        ChatMessage("tool", "Rain.", tool_call_id="1"),
        ChatMessage("system", "Speak like a sailor."),
        ChatMessage("assistant", "Arr, rain."),
    )
    async with vllm() as server:
        await ask_once(server, SpeechRequest(messages))
    assert server.chats[0]["messages"] == [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Good morning."},
        {"role": "user", "content": "The weather?\n\n(Result: Rain.)\n\nSpeak like a sailor."},
        {"role": "assistant", "content": "Arr, rain."},
        {"role": "user", "content": "Go on."},
    ]


async def test_limits_of_the_answer() -> None:
    async with vllm() as server:
        deltas = await ask_once(server, SpeechRequest((RULES, question()), max_tokens=3, wants="answer"))
        assert (said(deltas), deltas[-1].finish) == ("It is four", "length")
        server.loops = True
        deltas = await ask_once(server, SpeechRequest((RULES, question()), wants="answer"))
        assert (len(deltas), deltas[-1].finish) == (1025, "length")
        words = await ask_once(server, SpeechRequest((question(),), wants="transcript"))
        assert sum(1 for delta in words if delta.heard) == 8 + 16


async def test_leaving_aborts_the_answer() -> None:
    async with vllm(loops=True) as server:
        speech = engine(server)
        async with speech.stream(SpeechRequest((RULES, question()), max_tokens=1000)) as deltas:
            first = await anext(aiter(deltas))
        assert first.text == "It"
        await server.aborted["chat"].wait()
        server.loops = False
        assert said(await ask(speech)) == "It is four. Really."
        await speech.aclose()


async def test_leaving_aborts_the_words_as_well() -> None:
    async with vllm() as server:
        speech = engine(server)
        server.faults = {"transcription": "hang midway"}
        async with speech.stream(REQUEST) as deltas:
            async for delta in deltas:
                if delta.heard:
                    break
        await server.aborted["transcription"].wait()
        await speech.aclose()


async def test_being_cancelled_aborts_the_answer() -> None:
    begun = anyio.Event()

    async def listen(speech: VoxtralServer) -> None:
        async with speech.stream(REQUEST) as deltas:
            async for _ in deltas:
                begun.set()

    async with vllm(faults={"chat": "hang midway"}) as server:
        speech = engine(server)
        async with anyio.create_task_group() as group:
            group.start_soon(listen, speech)
            await begun.wait()
            group.cancel_scope.cancel()
        await server.aborted["chat"].wait()
        await speech.aclose()


@pytest.mark.parametrize("fault", ["500", "400", "hang", "hang midway", "break off", "fail midway", "garbage midway"])
async def test_the_answer_comes_where_the_words_fail(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.engines.asr.transcriptions._PATIENCE_S", -0.3)
    monkeypatch.setattr("duologue.engines.asr.transcriptions._BETWEEN_S", 0.2)
    async with vllm(faults={"transcription": fault}) as server:
        deltas = await ask_once(server)
    assert said(deltas) == "It is four. Really."
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"]
    assert not any(delta.is_heard for delta in deltas)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("500", EngineLost),
        ("503", EngineLost),
        ("429", EngineLost),
        ("400", EngineError),
        ("401", EngineUnavailable),
        ("hang", EngineLost),
        ("hang midway", EngineLost),
        ("break off", EngineLost),
        ("fail midway", EngineLost),
        ("garbage midway", EngineError),
    ],
)
async def test_failures_of_the_answer_say_what_they_are(
    fault: str, kind: type[EngineError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voxtral_server, "_FIRST_TOKEN_S", 0.2)
    monkeypatch.setattr(voxtral_server, "_BETWEEN_TOKENS_S", 0.2)
    async with vllm(faults={"chat": fault}) as server:
        speech = engine(server)
        with pytest.raises(EngineError) as caught:
            await ask(speech)
        assert type(caught.value) is kind
        assert server.url in caught.value.message
        assert said(await ask(speech)) == "It is four. Really."
        await speech.aclose()


async def test_an_unknown_model_is_a_warning_at_start_and_an_error_in_a_turn() -> None:
    async with vllm() as server:
        speech = engine(server, model="mistralai/Voxtral-Huge")
        await speech.start()
        assert speech.model_warning is not None
        assert MODEL in speech.model_warning
        with pytest.raises(EngineUnavailable, match="does not exist"):
            await ask(speech)
        await speech.aclose()


async def test_starts_and_warms_up() -> None:
    async with vllm() as server:
        speech = engine(server)
        await speech.start()
        await speech.warm_up()
        await speech.aclose()
    assert speech.model_warning is None
    assert server.chats[0]["max_completion_tokens"] == 1
    assert len(sounds_of(server.chats[0]["messages"][0])[0]) == 8000


async def test_says_what_to_start_where_nobody_answers() -> None:
    speech = VoxtralServer(VoxtralServerOptions(url=unused_url()))
    with pytest.raises(EngineUnavailable, match=r"vllm serve .*\[voxtral_server\]"):
        await speech.start()
    with pytest.raises(EngineLost, match="vllm serve"):
        await ask(speech)
    await speech.aclose()


async def test_the_key_goes_to_this_machine_and_not_over_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert api_key_for("http://127.0.0.1:8000/v1") == "secret"
    assert api_key_for("https://gpu.example/v1") == "secret"
    assert api_key_for("wss://gpu.example/v1") == "secret"
    assert api_key_for("http://gpu.example:8000/v1") is None
    assert api_key_for("http://localhost.example/v1") is None


async def close_unasked(exchange: Exchange) -> None:
    await exchange.stream.aclose()


async def test_a_connection_that_was_just_closed_costs_one_more_try() -> None:
    request = SpeechRequest((ChatMessage("user", "Hello?"),))
    async with raw_server(close_unasked, sse_reply(event("Hi.", "stop"))) as server:
        speech = VoxtralServer(VoxtralServerOptions(url=server.url))
        assert said(await ask(speech, request)) == "Hi."
        assert len(server.requests) == 2
        server.replies[:] = [close_unasked]
        with pytest.raises(EngineLost, match="vllm serve"):
            await ask(speech, request)
        assert len(server.requests) == 4
        await speech.aclose()


def test_prompts_pass_the_rules_of_the_model_s_own_tokenizer() -> None:
    instruct = pytest.importorskip("mistral_common.protocol.instruct", reason="needs mistral-common")
    assert instruct is not None
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.protocol.instruct.validator import MistralRequestValidatorV5

    answer = ChatMessage("assistant", "Yes.")
    conversations = (
        [RULES, question()],
        [RULES, answer, question()],
        [answer, question()],
        [question(), answer, question(2), ChatMessage("tool", "Rain."), RULES, answer],
    )
    for messages in conversations:
        prompt = chat_messages(messages, 5, lambda _: None)
        MistralRequestValidatorV5().validate_request(ChatCompletionRequest.from_openai(prompt))
        refused = ChatCompletionRequest.from_openai([{"role": "system", "content": "Be brief."}, *prompt])
        with pytest.raises(ValueError, match="not allowed prior to the tokenizer version 13"):
            MistralRequestValidatorV5().validate_request(refused)
