"""A Whisper without training: CTranslate2's folder at a real size, random within, that writes one set sentence.

For tests and for measuring on machines without the weights. The decoder's layers are random, its position
encodings are large and its last projection answers each of them with one word of the sentence, so that a
transcription has a sentence's length and ends. Where the sentence has ``*``, the sound decides which of 64 words
stands there; with a multilingual model it decides the language, too.

Sizes are those of Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), and of the
published large-v3 and turbo models; the vocabulary has Whisper's size and special tokens, but made-up words.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np

from duologue.audio.frame import Float32
from duologue.engines.weights import install_hint
from duologue.errors import EngineUnavailable

Size = Literal["tiny", "base", "small", "turbo", "large-v3", "test"]

# Size -> (mel bands, width, heads, encoder layers, decoder layers)
_SHAPES = {
    "tiny": (80, 384, 6, 4, 4),
    "base": (80, 512, 8, 6, 6),
    "small": (80, 768, 12, 12, 12),
    "turbo": (128, 1280, 20, 32, 4),
    "large-v3": (128, 1280, 20, 32, 32),
    "test": (80, 64, 2, 1, 2),
}
_LANGUAGES = [
    "en",
    "zh",
    "de",
    "es",
    "ru",
    "ko",
    "fr",
    "ja",
    "pt",
    "tr",
    "pl",
    "ca",
    "nl",
    "ar",
    "sv",
    "it",
    "id",
    "hi",
    "fi",
    "vi",
    "he",
    "uk",
    "el",
    "ms",
    "cs",
    "ro",
    "da",
    "hu",
    "ta",
    "no",
    "th",
    "ur",
    "hr",
    "bg",
    "lt",
    "la",
    "mi",
    "ml",
    "cy",
    "sk",
    "te",
    "fa",
    "lv",
    "bn",
    "sr",
    "az",
    "sl",
    "kn",
    "et",
    "mk",
    "br",
    "eu",
    "is",
    "hy",
    "ne",
    "mn",
    "bs",
    "kk",
    "sq",
    "sw",
    "gl",
    "mr",
    "pa",
    "si",
    "km",
    "sn",
    "yo",
    "so",
    "af",
    "oc",
    "ka",
    "be",
    "tg",
    "sd",
    "gu",
    "am",
    "yi",
    "lo",
    "uz",
    "fo",
    "ht",
    "ps",
    "tk",
    "nn",
    "mt",
    "sa",
    "lb",
    "my",
    "bo",
    "tl",
    "mg",
    "as",
    "tt",
    "haw",
    "ln",
    "ha",
    "ba",
    "jw",
    "su",
]
_TASKS = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
_TIMESTAMPS = 1501
_ENCODER_POSITIONS = 1500
_DECODER_POSITIONS = 448
DEFAULT_SENTENCE = " Turn on the lights in the * , please."
_CHOICES = 64
# The random logits of 51,865 words sum to e^11.4; the sentence's word stands e^6 above them all together.
_SURE_LOGIT = 17.4
# How strongly the sound pulls between the words that stand for "*".
_CHOICE_LOGIT = 4.0


def write_whisper(
    folder: Path, size: Size, seed: int = 0, *, is_english: bool = False, sentence: str = DEFAULT_SENTENCE
) -> None:
    """Write ``folder`` (made where it is missing): model.bin in float16, its configuration and its tokenizer.

    ``is_english``: the vocabulary of the ``.en`` models. Raises EngineUnavailable without ctranslate2,
    ValueError for a sentence of more than half as many words as the model is wide.
    """
    try:
        from ctranslate2.specs import WhisperSpec
        from ctranslate2.specs.model_spec import ModelConfig
    except ImportError as error:
        raise EngineUnavailable(f"ctranslate2 is not installed: {install_hint('faster_whisper')}") from error
    folder.mkdir(parents=True, exist_ok=True)
    mels, width, heads, encoder_layers, decoder_layers = _SHAPES[size]
    words = _Words(sentence, is_english=is_english, is_v3=mels == 128)
    if len(words.script) > width // 2:
        raise ValueError(f"a sentence of {len(words.script)} tokens is too long for a width of {width}")
    draw = _Draw(seed, width)
    spec = WhisperSpec(encoder_layers, heads, decoder_layers, heads)
    _fill_encoder(spec.encoder, draw, mels)
    _fill_decoder(spec.decoder, draw, words)
    spec.register_vocabulary(words.tokens)
    config: ModelConfig = spec.config
    config.suppress_ids = []
    config.suppress_ids_begin = [words.end]
    config.lang_ids = words.languages
    config.alignment_heads = [(decoder_layers - 1, head) for head in range(heads)]
    spec.validate()
    spec.optimize(quantization="float16")
    spec.save(str(folder))
    (folder / "tokenizer.json").write_text(json.dumps(words.tokenizer()), encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": mels}), encoding="utf-8")


class _Words:
    """The vocabulary and the script: for each decoder position the tokens that may come next."""

    def __init__(self, sentence: str, *, is_english: bool, is_v3: bool) -> None:
        from tokenizers.pre_tokenizers import ByteLevel

        plain = sorted(ByteLevel.alphabet())
        pieces = [piece.replace(" ", "Ġ") for piece in re.findall(r" ?\w+| ?\*| ?[^\w\s]", sentence)]
        choices = [f"Ġroom{number}" for number in range(_CHOICES)]
        plain = list(dict.fromkeys([*plain, *pieces, *choices]))
        count = 50_256 if is_english else 50_257
        # The last one empty, by which ctranslate2 knows a multilingual model.
        mark = [] if is_english else [""]
        plain += [*(f"Ġunsaid{number}" for number in range(count - len(plain) - len(mark))), *mark]
        languages = [*_LANGUAGES, "yue"] if is_v3 else _LANGUAGES
        names = ["endoftext", "startoftranscript", *languages, *_TASKS]
        self._plain = plain
        self._special = [f"<|{name}|>" for name in names] + [f"<|{i * 0.02:.2f}|>" for i in range(_TIMESTAMPS)]
        self.tokens = plain + self._special
        self.end = count
        self.languages = list(range(count + 2, count + 2 + len(languages)))
        ids = {token: number for number, token in enumerate(plain)}
        written = [[ids[c] for c in choices] if piece == "Ġ*" else [ids[piece]] for piece in pieces]
        # The prompt is start, language, task, no timestamps; for English start and no timestamps.
        prompt = [[self.end]] if is_english else [self.languages, [self.end], [self.end]]
        self.script = [*prompt, *written, [self.end]]

    def tokenizer(self) -> dict[str, Any]:
        """The same as a Hugging Face tokenizer: bytes to characters, without a single merge."""
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False) | {"special": True}
        first = len(self._plain)
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        return {
            "version": "1.0",
            "added_tokens": [{"id": first + i, "content": token, **flags} for i, token in enumerate(self._special)],
            "pre_tokenizer": level,
            "decoder": level,
            "model": {"type": "BPE", "vocab": {token: i for i, token in enumerate(self._plain)}, "merges": []},
        }


class _Draw:
    """Random weights of a width."""

    def __init__(self, seed: int, width: int) -> None:
        self.width = width
        self._random = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Float32:
        drawn: Float32 = self._random.standard_normal(shape, np.float32)
        return drawn * np.float32(scale)

    def linear(self, spec: Any, outputs: int, inputs: int, scale: float = 1.0) -> None:
        spec.weight = self.normal(outputs, inputs, scale=scale / inputs**0.5)
        spec.bias = np.zeros(outputs, np.float32)

    def norm(self, spec: Any) -> None:
        spec.gamma = np.ones(self.width, np.float32)
        spec.beta = np.zeros(self.width, np.float32)

    def attention(self, spec: Any, *, is_self: bool, scale: float) -> None:
        self.norm(spec.layer_norm)
        if is_self:
            self.linear(spec.linear[0], 3 * self.width, self.width)
        else:
            # Sharp, so that a few frames of sound speak, not the mean over 30 s that is much the same for all sounds.
            self.linear(spec.linear[0], self.width, self.width, scale=8.0)
            self.linear(spec.linear[1], 2 * self.width, self.width)
        self.linear(spec.linear[-1], self.width, self.width, scale)

    def feed_forward(self, spec: Any, scale: float) -> None:
        self.norm(spec.layer_norm)
        self.linear(spec.linear_0, 4 * self.width, self.width)
        self.linear(spec.linear_1, self.width, 4 * self.width, scale)


def _fill_encoder(encoder: Any, draw: _Draw, mels: int) -> None:
    for conv, inputs in ((encoder.conv1, mels), (encoder.conv2, draw.width)):
        conv.weight = draw.normal(draw.width, inputs, 3, scale=1 / (3 * inputs) ** 0.5)
        # Each sums to nothing over its inputs: spectra count, loudness does not.
        conv.weight -= conv.weight.mean(axis=1, keepdims=True)
        conv.bias = np.zeros(draw.width, np.float32)
    encoder.position_encodings.encodings = np.zeros((_ENCODER_POSITIONS, draw.width), np.float32)
    draw.norm(encoder.layer_norm)
    for layer in encoder.layer:
        draw.attention(layer.self_attention, is_self=True, scale=0.05)
        draw.feed_forward(layer.ffn, scale=0.05)


def _fill_decoder(decoder: Any, draw: _Draw, words: _Words) -> None:
    positions = draw.normal(_DECODER_POSITIONS, draw.width)
    # At right angles, so that no word of the sentence is drawn to another's place.
    script = len(words.script)
    axes, _ = np.linalg.qr(positions[:script].T)
    positions[:script] = axes.T * np.float32(draw.width**0.5)
    decoder.embeddings.weight = draw.normal(len(words.tokens), draw.width, scale=0.005)
    decoder.position_encodings.encodings = positions
    draw.norm(decoder.layer_norm)
    decoder.projection.weight = _projection(positions, draw, words)
    for layer in decoder.layer:
        draw.attention(layer.self_attention, is_self=True, scale=0.005)
        draw.attention(layer.attention, is_self=False, scale=0.4 / len(decoder.layer) ** 0.5)
        draw.feed_forward(layer.ffn, scale=0.005)


def _projection(positions: Float32, draw: _Draw, words: _Words) -> Float32:
    """[vocabulary, width]: noise, and for each position of the script what its tokens answer to."""
    weight = draw.normal(len(words.tokens), draw.width, scale=draw.width**-0.5)
    chosen = sorted({token for tokens in words.script if len(tokens) > 1 for token in tokens})
    # What the position alone would choose is taken out: the sound is to choose.
    places = positions[: len(words.script)]
    weight[chosen] = (weight[chosen] - weight[chosen] @ places.T @ places / draw.width) * np.float32(_CHOICE_LOGIT)
    for place, tokens in zip(places, words.script, strict=True):
        weight[tokens] += place * np.float32(_SURE_LOGIT / draw.width)
    return weight
