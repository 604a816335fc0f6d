"""The whole of Voxtral in this process, on a tiny checkpoint: what transformers says, whoever else is talking."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e .[voxtral]")
pytest.importorskip("transformers", reason="needs transformers: pip install -e .[voxtral]")
pytest.importorskip("mistral_common", reason="needs mistral-common: pip install -e .[voxtral]")

from duologue.audio.frame import Float32
from duologue.engines.base import ChatMessage, SpeechDelta, SpeechRequest
from duologue.engines.speech.detokenise import Words
from duologue.engines.speech.layout import Layout
from duologue.engines.speech.rows import RowModel
from duologue.engines.speech.voxtral import Voxtral
from duologue.engines.wav import to_wav
from duologue.errors import Overloaded
from duologue.options import VoxtralOptions

from .voxtral_reference import Reference, noise

pytestmark = pytest.mark.anyio

_COUNT = 14
_SYSTEM = ChatMessage("system", "You are terse.")


class _Counted(Voxtral):
    """Voxtral that counts how often its model is loaded."""

    loads = 0

    def open_model(self) -> tuple[RowModel, Layout]:
        self.loads += 1
        return super().open_model()


def _engine(folder: Path, conversations: int = 4) -> _Counted:
    options = {"model": str(folder), "device": "cpu", "context_tokens": 1024, "conversations": conversations}
    return _Counted(VoxtralOptions.model_validate(options))


@pytest.fixture(scope="module")
def reference(voxtral_folder: Path) -> Reference:
    return Reference(voxtral_folder)


@pytest.fixture(scope="module")
def layout(voxtral_folder: Path) -> Layout:
    return Layout(voxtral_folder, 1024)


@pytest.fixture
async def engine(voxtral_folder: Path) -> AsyncIterator[_Counted]:
    engine = _engine(voxtral_folder)
    await engine.start()
    yield engine
    await engine.aclose()


def _turn(audio: Float32) -> ChatMessage:
    return ChatMessage("user", "", audio=audio)


def _asked(*messages: ChatMessage, conversation: str = "c", **more: Any) -> SpeechRequest:
    more = {"wants": "answer", "max_tokens": _COUNT, "language": "en", **more}
    return SpeechRequest((_SYSTEM, *messages), conversation=conversation, **more)


async def _all(engine: Voxtral, request: SpeechRequest) -> list[SpeechDelta]:
    async with engine.stream(request) as deltas:
        return [delta async for delta in deltas]


def _said(deltas: Sequence[SpeechDelta]) -> str:
    return "".join(delta.text for delta in deltas)


def _heard(deltas: Sequence[SpeechDelta]) -> str:
    return "".join(delta.heard for delta in deltas)


def _text(layout: Layout, tokens: Sequence[int]) -> str:
    words = Words(layout.token_bytes)
    return "".join(words.feed(token) for token in tokens)


async def test_an_answer_is_what_generate_gives(engine: _Counted, reference: Reference, layout: Layout) -> None:
    for seed, seconds in ((1, 0.7), (2, 4.0), (3, 31.0)):
        audio = noise(seconds, seed=seed)
        deltas = await _all(engine, _asked(_turn(audio), conversation=str(seed)))
        expected = reference.generate(reference.reply_prompt(audio), _COUNT)
        assert _said(deltas) == _text(layout, expected)
        assert deltas[-1].finish == "length"


async def test_a_second_turn_is_what_generate_gives_and_fills_its_own_only(
    engine: _Counted, reference: Reference, layout: Layout
) -> None:
    audio = noise(3.0, seed=4)
    history = (ChatMessage("user", "What is the time?"), ChatMessage("assistant", "It is nine."))
    await _all(engine, _asked(_turn(noise(2.0, seed=5))))
    await _all(engine, _asked(*history, wants="nothing"))
    deltas = await _all(engine, _asked(*history, _turn(audio)))
    texts = [{"type": "text", "text": text} for text in ("You are terse.", "What is the time?")]
    sound = {"type": "audio", "base64": base64.b64encode(to_wav(audio)).decode()}
    conversation = [
        {"role": "user", "content": texts},
        {"role": "assistant", "content": "It is nine."},
        {"role": "user", "content": [sound]},
    ]
    inputs = reference.processor.apply_chat_template(conversation)
    assert _said(deltas) == _text(layout, reference.generate(inputs, _COUNT))
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.prompt_tokens == inputs.input_ids.shape[1]
    assert usage.prompt_tokens - usage.cached_tokens == 1 + 1 + 375 + 1


@pytest.mark.parametrize("language", ["en", "de", None])
async def test_the_users_words_are_what_a_transcription_request_gives(
    engine: _Counted, reference: Reference, layout: Layout, language: str | None
) -> None:
    audio = noise(1.0, seed=6)
    deltas = await _all(engine, _asked(_turn(audio), wants="both", language=language))
    expected = reference.generate(reference.transcript_prompt(audio, language), 8 + 16)
    assert _heard(deltas) == _text(layout, expected).lstrip()
    assert _said(deltas) == _text(layout, reference.generate(reference.reply_prompt(audio), _COUNT))
    assert engine.stats.sounds == 1
    assert engine.stats.batches[2] >= 1, "some steps were taken for both"


async def test_twenty_sessions_at_once_load_once_and_each_hears_its_own(
    voxtral_folder: Path, reference: Reference, layout: Layout
) -> None:
    engine = _engine(voxtral_folder, conversations=20)
    sounds = [noise(1.0 + 0.1 * number, seed=number) for number in range(20)]
    said: dict[int, str] = {}

    async def talk(number: int) -> None:
        await engine.start()
        messages = (ChatMessage("system", f"Your name is {number}."), _turn(sounds[number]))
        request = SpeechRequest(messages, conversation=str(number), max_tokens=8, wants="answer")
        said[number] = _said(await _all(engine, request))

    async with anyio.create_task_group() as tg:
        for number in range(20):
            tg.start_soon(talk, number)
    batches = engine.stats.batches
    await engine.aclose()
    assert engine.loads == 1
    assert max(batches) > 2
    assert sum(batches.values()) < 20 * 7
    prompts = [reference.reply_prompt(sound, f"Your name is {number}.") for number, sound in enumerate(sounds)]
    expected = [_text(layout, reference.generate(inputs, 8)) for inputs in prompts]
    assert [said[number] for number in range(20)] == expected
    assert len(set(expected)) > 3, "a mixed-up row would show"


async def test_an_attempt_that_was_dropped_leaves_no_trace(
    engine: _Counted, reference: Reference, layout: Layout
) -> None:
    whole = noise(3.0, seed=8)
    async with engine.stream(_asked(_turn(whole[:32_000]), wants="both", max_tokens=200)) as deltas:
        for _ in range(5):
            await anext(deltas)
    expected = _text(layout, reference.generate(reference.reply_prompt(whole), _COUNT))
    assert _said(await _all(engine, _asked(_turn(whole)))) == expected
    again = await _all(engine, _asked(_turn(whole)))
    assert _said(again) == expected
    assert again[-1].usage is not None
    assert again[-1].usage.prompt_tokens - again[-1].usage.cached_tokens == 1


async def test_more_answers_than_rows_are_refused_and_the_others_go_on(voxtral_folder: Path) -> None:
    engine = _engine(voxtral_folder, conversations=1)
    await engine.start()
    outcomes: list[str] = []

    async def talk(number: int) -> None:
        try:
            await _all(engine, _asked(_turn(noise(1.0, seed=number)), conversation=str(number), max_tokens=120))
            outcomes.append("answered")
        except Overloaded:
            outcomes.append("refused")

    async with anyio.create_task_group() as tg:
        for number in range(5):
            tg.start_soon(talk, number)
    await engine.aclose()
    assert sorted(outcomes) == ["answered"] * 2 + ["refused"] * 3
