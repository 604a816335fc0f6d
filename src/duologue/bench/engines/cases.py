"""What each engine is asked when it is measured, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

import numpy as np
import soxr

from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, Float32, to_float
from duologue.bench.made_speech import made_clips
from duologue.engines.base import (
    VAD_WINDOW_SAMPLES,
    ChatMessage,
    ChatRequest,
    Plain,
    SpeakRequest,
    SpeechRequest,
    TranscribeRequest,
    TurnRequest,
    VadRequest,
)
from duologue.engines.client import ASR, CHAT, SPEECH, TTS, TURN, VAD, Stage
from duologue.items import new_id

ANSWER_TOKENS = 40
# A first clause and a sentence: 1.2 s and 3 s of speech.
CLAUSE = "Yes, that is quite right,"
SENTENCE = "The old harbour lies behind the hill, and the boats come in every morning."
INSTRUCTIONS = "You are a friendly assistant who answers in one or two short sentences of plain speech."
# About 500 tokens of conversation before the turn.
EARLIER = (
    ChatMessage("user", "Could you tell me what there is to see around the harbour in the late afternoon?"),
    ChatMessage("assistant", "The fish market is open until five, and from the lighthouse you see the whole bay."),
) * 10


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request. ``ask`` makes the next one; ``ahead``, where there is one, is sent before it, unmeasured.

    ``unit``: what ``amount`` counts in the results of one request, for the rate.
    """

    name: str
    stage: Stage[Any, Any]
    unit: str
    ask: Callable[[str], Plain]
    amount: Callable[[Sequence[Any]], float]
    ahead: Callable[[str], Plain] | None = None


async def a_turn() -> Float32:
    """float32 [n] at 16 kHz: a turn of about four seconds, in espeak-ng's voice. Raises ConfigError without it."""
    clip = (await made_clips("turns"))[0]
    sound = soxr.resample(to_float(clip.samples), VOICE_RATE_HZ, SESSION_RATE_HZ)
    return np.asarray(sound, np.float32)


def cases_of(stage: str, turn: Float32) -> list[Case]:
    """The cases of a stage, none for a stage that is not measured; ``turn``: what is heard."""
    return {
        "vad": _vad_cases,
        "turn": _turn_cases,
        "asr": _asr_cases,
        "speech": _speech_cases,
        "chat": _chat_cases,
        "tts": _tts_cases,
    }[stage](turn)


def _vad_cases(turn: Float32) -> list[Case]:
    window = turn[:VAD_WINDOW_SAMPLES][None]
    length_s = VAD_WINDOW_SAMPLES / SESSION_RATE_HZ
    return [Case("one window", VAD, "s of sound", lambda _: VadRequest(window), lambda _: length_s)]


def _turn_cases(turn: Float32) -> list[Case]:
    return [Case("a turn", TURN, "decisions", lambda _: TurnRequest(turn), lambda _: 1.0)]


def _asr_cases(turn: Float32) -> list[Case]:
    length_s = len(turn) / SESSION_RATE_HZ
    name = f"a turn of {length_s:.1f} s"
    return [Case(name, ASR, "s of sound", lambda _: TranscribeRequest(turn, "en"), lambda _: length_s)]


def _speech_cases(turn: Float32) -> list[Case]:
    def case(name: str, earlier: Sequence[ChatMessage], wants: Literal["answer", "both"]) -> Case:
        def ask(key: str) -> SpeechRequest:
            return _spoken(key, (*earlier, ChatMessage("user", "", audio=_like(turn, key))), wants)

        ahead = (lambda key: _spoken(key, earlier, "nothing")) if earlier else None
        return Case(name, SPEECH, "tokens", ask, _tokens, ahead)

    return [
        case("new conversation", (), "answer"),
        case("500 tokens before, kept", EARLIER, "answer"),
        case("the same, with transcript", EARLIER, "both"),
    ]


def _chat_cases(_turn: Float32) -> list[Case]:
    asked = (ChatMessage("system", INSTRUCTIONS), *EARLIER, ChatMessage("user", "And how do I get there?"))
    request = ChatRequest(asked, max_tokens=ANSWER_TOKENS)
    return [Case("500 tokens before", CHAT, "tokens", lambda _: request, _tokens)]


def _tts_cases(_turn: Float32) -> list[Case]:
    return [
        Case("a first clause", TTS, "s of speech", lambda _: SpeakRequest(CLAUSE), _speech_s),
        Case("a sentence", TTS, "s of speech", lambda _: SpeakRequest(SENTENCE), _speech_s),
    ]


def _like(turn: Float32, key: str) -> Float32:
    """The turn with a little noise of its own: no engine has heard it before."""
    rng = np.random.default_rng(crc32(key.encode()))
    return turn + rng.standard_normal(len(turn), np.float32) * np.float32(0.001)


def _spoken(key: str, messages: Sequence[ChatMessage], wants: Literal["answer", "both", "nothing"]) -> SpeechRequest:
    asked = (ChatMessage("system", INSTRUCTIONS), *messages)
    return SpeechRequest(asked, conversation=key, max_tokens=ANSWER_TOKENS, language="en", wants=wants)


def _tokens(deltas: Sequence[Any]) -> float:
    """Tokens as the engine counted them, else pieces of text."""
    usage = next((delta.usage for delta in reversed(deltas) if delta.usage is not None), None)
    return float(usage.completion_tokens) if usage is not None else sum(1.0 for delta in deltas if delta.text)


def _speech_s(chunks: Sequence[Any]) -> float:
    return float(sum(len(chunk.pcm) for chunk in chunks)) / VOICE_RATE_HZ


def new_key() -> str:
    """A conversation of its own."""
    return new_id("bench")
