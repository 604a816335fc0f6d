"""Moonshine tiny-en directly on onnxruntime: a whole turn of speech to written English.

Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands" (2024). The encoder
takes raw samples of any length, about 41 states a second; the decoder writes one token a run, greedily, with
its keys and values kept. The weights come inside the moonshine-voice 0.1.0 wheel, which is not imported.

On one core 1 s of speech costs 20-40 ms, 4 s 90, 8 s 190, 15 s 490: 10 ms to encode a second, 2.8 ms a token.

Requests are stepped one by one. A batch of 4 would cost 1.6 times less a clip, but the model quantises its
activations with one scale for the whole batch: its neighbours move a clip's encoder states by up to 0.75 of
6.3, and so its words. With the encoder alone and only the decoder batched, clips of like length four by four, the
words stay (23 errors in 215 words of commands instead of 22, one clip of them differs), and a clip costs only 1.14
to 1.18 times less: most of a token is matrices read for each row anyway, and a batch writes on until its last clip
has ended. For that nobody should wait for three others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.asr.clip import pieces_of, speech_of, syllables
from duologue.engines.base import TranscribeRequest, TranscribeResult
from duologue.engines.weights import OnnxSession, onnx_session, packaged_file
from duologue.errors import EngineUnavailable

_LAYERS = 6
_HEADS = 8
_HEAD_SIZE = 36
# The decoder wants a mask of samples and takes every 384th, the encoder's stride.
_SAMPLES_PER_STATE = 384
_START_TOKEN = 1
_END_TOKEN = 2
_WORD_MARK = "▁"

# English speech has 3-5 tokens a second; more than this is the model repeating itself. The constant lets a
# short "What's the weather like?" through.
_MAX_TOKENS_PER_S = 8.0
_MIN_TOKENS = 8
# A tail of 1 to 8 tokens that stands there three times running is a loop, not speech.
_LOOP_MAX_PERIOD = 8
_LOOP_REPEATS = 3
# Mean log probability of the tokens. Of 31 noises (rain, typing, dogs, a saw) 14 lie below -1.0; of 112 clips of
# speech, whispers and telephone digits among them, none does, the lowest having -0.95.
_MIN_MEAN_LOG_PROB = -1.0
# What its training on subtitled videos makes it write for the other noises, word for word.
_PHANTOMS = re.compile(r"You|Thanks? (you )?for watching[.!]?|©.*|[♪♫].*")

_DECODER_CACHE = [f"{layer}.decoder.{kind}" for layer in range(_LAYERS) for kind in ("key", "value")]
_ENCODER_CACHE = [f"{layer}.encoder.{kind}" for layer in range(_LAYERS) for kind in ("key", "value")]
_FIRST_OUTPUTS = ["logits", *(f"present.{name}" for name in _DECODER_CACHE + _ENCODER_CACHE)]
_NEXT_OUTPUTS = ["logits", *(f"present.{name}" for name in _DECODER_CACHE)]


class Moonshine:
    """Transcriber on Moonshine tiny-en. ``TranscribeRequest.language`` is not looked at: it hears English."""

    name = "moonshine"
    max_batch = 1
    device = "cpu"
    is_realtime = False
    languages = frozenset({"en"})

    def __init__(self) -> None:
        self._encoder: OnnxSession | None = None
        self._decoder: OnnxSession | None = None
        self._tokens: list[bytes] = []

    def load(self) -> None:
        """Read and warm the model (about 0.6 s, 100 MB). Raises EngineUnavailable."""
        folder = "assets/tiny-en"
        self._encoder = onnx_session(packaged_file("moonshine_voice", f"{folder}/encoder_model.ort"))
        self._decoder = onnx_session(packaged_file("moonshine_voice", f"{folder}/decoder_model_merged.ort"))
        self._tokens = read_tokens(packaged_file("moonshine_voice", f"{folder}/tokenizer.bin").read_bytes())
        self._write(np.zeros(SESSION_RATE_HZ, np.float32))

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        """One text a request. Longer sound than 15 s is cut at quiet places and the texts joined."""
        return [TranscribeResult(text=self._transcribe(request.audio)) for request in requests]

    def cost(self, request: TranscribeRequest) -> float:
        """In seconds of sound."""
        return len(request.audio) / SESSION_RATE_HZ

    def sample(self) -> TranscribeRequest:
        """3 s that sound like syllables to the model: it writes 13 tokens, as for speech of that length."""
        return TranscribeRequest(syllables(3.0))

    def close(self) -> None:
        """Let the weights go."""
        self._encoder = self._decoder = None

    def _transcribe(self, audio: Float32) -> str:
        texts = (self._text_of(piece) for piece in pieces_of(audio))
        return " ".join(text for text in texts if text)

    def _text_of(self, piece: Float32) -> str:
        speech = speech_of(piece)
        if len(speech) == 0:
            return ""
        tokens, mean_log_prob = self._write(speech)
        return clean_text(self._spell(tokens)) if mean_log_prob > _MIN_MEAN_LOG_PROB else ""

    def _write(self, speech: Float32) -> tuple[list[int], float]:
        """Greedy decoding of one clip: its tokens and the mean of their log probabilities."""
        if self._encoder is None or self._decoder is None:
            raise EngineUnavailable("moonshine is not loaded: call load() first")
        mask = np.ones((1, len(speech)), np.int64)
        (states,) = self._encoder.run(None, {"input_values": speech[None], "attention_mask": mask})
        limit = _MIN_TOKENS + int(_MAX_TOKENS_PER_S * len(speech) / SESSION_RATE_HZ)
        feed = _first_feed(states)
        outputs = dict(zip(_FIRST_OUTPUTS, self._decoder.run(_FIRST_OUTPUTS, feed), strict=True))
        feed["use_cache_branch"] = np.array([True])
        tokens: list[int] = []
        log_probs = 0.0
        while True:
            token, log_prob = _likeliest(outputs["logits"][0, -1])
            tokens.append(token)
            log_probs += log_prob
            if token == _END_TOKEN or len(tokens) >= limit or loop_length(tokens):
                return without_loop(tokens), log_probs / len(tokens)
            _feed_back(feed, token, outputs)
            outputs = dict(zip(_NEXT_OUTPUTS, self._decoder.run(_NEXT_OUTPUTS, feed), strict=True))

    def _spell(self, tokens: Sequence[int]) -> str:
        spelled = b"".join(self._tokens[token] for token in tokens if token > _END_TOKEN)
        return spelled.decode("utf-8", errors="ignore").replace(_WORD_MARK, " ").strip()


def _likeliest(logits: Float32) -> tuple[int, float]:
    token = int(logits.argmax())
    return token, -float(np.log(np.exp(logits - logits[token]).sum()))


def _first_feed(states: Float32) -> dict[str, Any]:
    length = states.shape[1]
    feed: dict[str, Any] = {
        "encoder_attention_mask": np.ones((1, length * _SAMPLES_PER_STATE), np.int64),
        "encoder_hidden_states": states,
        "input_ids": np.array([[_START_TOKEN]]),
        "use_cache_branch": np.array([False]),
    }
    for name in _DECODER_CACHE:
        feed[f"past_key_values.{name}"] = np.zeros((1, _HEADS, 0, _HEAD_SIZE), np.float32)
    for name in _ENCODER_CACHE:
        feed[f"past_key_values.{name}"] = np.zeros((1, _HEADS, length, _HEAD_SIZE), np.float32)
    return feed


def _feed_back(feed: dict[str, Any], token: int, outputs: Mapping[str, Any]) -> None:
    feed["input_ids"] = np.array([[token]])
    for name, value in outputs.items():
        if name != "logits":
            feed[name.replace("present", "past_key_values")] = value


def read_tokens(data: bytes) -> list[bytes]:
    """The vocabulary of ``tokenizer.bin``: for each token its length and its UTF-8 bytes, in order of number.

    The length is one byte, or two for 128 and more: the low seven bits with the top bit set, then the rest.
    """
    tokens: list[bytes] = []
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length = (length - 128) + 128 * data[at]
            at += 1
        tokens.append(data[at : at + length])
        at += length
    return tokens


def loop_length(tokens: Sequence[int]) -> int:
    """The period of a loop at the end of ``tokens``, 0 where there is none."""
    for period in range(1, _LOOP_MAX_PERIOD + 1):
        span = period * _LOOP_REPEATS
        tail = tokens[-span:]
        if len(tail) == span and all(tail[i] == tail[i - period] for i in range(period, span)):
            return period
    return 0


def without_loop(tokens: list[int]) -> list[int]:
    """``tokens`` with a loop at their end cut back to its first round."""
    period = loop_length(tokens)
    return tokens[: len(tokens) - period * (_LOOP_REPEATS - 1)] if period else tokens


def clean_text(text: str) -> str:
    """The text without what the model invents where nobody speaks: subtitles' phrases, question marks before
    the first word, and a "You" that is followed by the start of another sentence."""
    text = re.sub(r"^[?\s]+", "", text)
    if _PHANTOMS.fullmatch(text):
        return ""
    text = re.sub(r"^You[.?]?\s+(?=[A-Z][a-z])", "", text)
    return text if any(char.isalnum() for char in text) else ""
