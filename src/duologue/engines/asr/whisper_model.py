"""A Whisper on CTranslate2, opened from a folder: which device, which arithmetic, how many threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from duologue.audio.frame import Float32
from duologue.engines.asr.whisper_guard import MAX_TOKENS, Attempt
from duologue.engines.weights import install_hint
from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import Device, WhisperOptions

# Without the tokenizer, faster-whisper would fetch one from the hub.
_NEEDED_FILES = ("model.bin", "config.json", "tokenizer.json")
# What "auto" takes: the first that the device can do.
_PREFERRED = {"cuda": ("float16", "bfloat16", "float32"), "cpu": ("int8", "float32")}
# One turn is ready soonest when every core works on it; beyond eight the encoder's products are too small to share.
_MAX_THREADS = 8


class WhisperModel:
    """The loaded model and its tokenizer. Any thread may call; ``turn`` lets one batch at a time through.

    Interleaved, the encoding of a second turn would come before the words of a first one that is half done.
    """

    def __init__(self, folder: Path, options: WhisperOptions, threads: int | None = None) -> None:
        """``threads``: on a CPU; None for ``cpu_threads``.

        Raises EngineUnavailable for what is missing, ConfigError for what this machine cannot do.
        """
        faster_whisper = _faster_whisper()
        kind = resolve_device(options.device)
        compute_type = resolve_compute_type(options.compute_type, kind)
        _check_files(folder)
        try:
            self._net = faster_whisper.WhisperModel(
                str(folder),
                device=kind,
                compute_type=compute_type,
                cpu_threads=threads or cpu_threads(),
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            why = str(error).split(". ")[0]
            raise EngineUnavailable(f"The Whisper in {folder} cannot be read ({why}): pull it again.") from error
        self.device = "cuda:0" if kind == "cuda" else "cpu"
        self.is_multilingual: bool = self._net.model.is_multilingual
        self.extractor = _extractor(self._net.model.n_mels)
        self.turn = threading.Lock()
        self._tokenizers = self._make_tokenizers()
        self._suppressed = self._make_suppressed()

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639 codes that the model knows."""
        return frozenset(self._tokenizers)

    def encode(self, features: Float32) -> Any:
        """[n, mels, 3000] -> the encoder's states on the device."""
        return self._net.encode(features)

    def detect(self, encoded: Any) -> list[str]:
        """The likeliest language of each row."""
        return [ranked[0][0].strip("<|>") for ranked in self._net.model.detect_language(encoded)]

    def write(
        self, encoded: Any, languages: Sequence[str], limits: Sequence[int], sounds_s: Sequence[float], **search: int
    ) -> list[Attempt]:
        """One text a row. Rows share the longest limit, so that a row does not depend on its neighbours."""
        prompts = [self._prompt(language) for language in languages]
        # CTranslate2 halves max_length before it counts new tokens.
        results = self._net.model.generate(
            encoded,
            prompts,
            max_length=2 * min(MAX_TOKENS, max(limits)),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
            **search,
        )
        return [self._attempt(*row) for row in zip(results, languages, limits, sounds_s, strict=True)]

    def spell(self, tokens: Sequence[int], language: str) -> str:
        """``tokens`` as text."""
        text: str = self._tokenizers[language].decode(list(tokens))
        return text.strip()

    def align(self, encoded: Any, language: str, tokens: Sequence[Sequence[int]], frames: Sequence[int]) -> Any:
        """faster-whisper's words with times, a list for each row; all rows in one language."""
        rows = [list(row) for row in tokens]
        return self._net.find_alignment(self._tokenizers[language], rows, encoded, list(frames))

    def _attempt(self, result: Any, language: str, limit: int, sound_s: float) -> Attempt:
        tokens = tuple(result.sequences_ids[0])
        # The score is a mean over the written tokens; the end's own log probability is in its sum.
        mean_log_prob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        text = self.spell(tokens, language)
        return Attempt(tokens, text, mean_log_prob, result.no_speech_prob, sound_s, limit)

    def _prompt(self, language: str) -> list[int]:
        tokenizer = self._tokenizers[language]
        return [*tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _make_tokenizers(self) -> dict[str, Any]:
        from faster_whisper.tokenizer import Tokenizer

        vocabulary = self._net.hf_tokenizer
        known = (code for code in self._net.supported_languages if vocabulary.token_to_id(f"<|{code}|>") is not None)
        return {code: Tokenizer(vocabulary, self.is_multilingual, "transcribe", code) for code in known}

    def _make_suppressed(self) -> list[int]:
        from faster_whisper.transcribe import get_suppressed_tokens

        return list(get_suppressed_tokens(self._tokenizers["en"], [-1]))


def rows_of(encoded: Any, rows: Sequence[int]) -> Any:
    """Some rows of the encoder's states, by way of the CPU; all of them as they are."""
    import ctranslate2

    if len(rows) == encoded.shape[0]:
        return encoded
    states = encoded.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.array(states)[list(rows)]))


def resolve_device(wanted: Device) -> str:
    """ "cpu" or "cuda". Raises ConfigError for a GPU that is not there."""
    import ctranslate2

    has_gpu = ctranslate2.get_cuda_device_count() > 0
    if wanted == "cuda" and not has_gpu:
        raise ConfigError("whisper: device is cuda, but CTranslate2 finds no GPU here: set it to auto or cpu.")
    return "cuda" if wanted == "cuda" or (wanted == "auto" and has_gpu) else "cpu"


def resolve_compute_type(wanted: str, kind: str) -> str:
    """The arithmetic for "cpu" or "cuda". Raises ConfigError with what that device can do."""
    import ctranslate2

    possible = ctranslate2.get_supported_compute_types(kind)
    if wanted == "auto":
        return next((name for name in _PREFERRED[kind] if name in possible), "default")
    if wanted not in possible:
        offered = ", ".join(sorted(possible & {"int8", "int8_float16", "float16", "bfloat16", "float32"}))
        raise ConfigError(f"whisper: this machine's {kind} cannot do compute_type {wanted}; it can do: {offered}.")
    return wanted


def cpu_threads() -> int:
    """Threads of one step on a CPU."""
    return min(os.cpu_count() or 1, _MAX_THREADS)


def _faster_whisper() -> Any:
    try:
        import faster_whisper
    except ImportError as error:
        raise EngineUnavailable(f"faster-whisper is not installed: {install_hint('faster_whisper')}") from error
    return faster_whisper


def _extractor(mels: int) -> Any:
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor(feature_size=mels)


def _check_files(folder: Path) -> None:
    missing = [name for name in _NEEDED_FILES if not (folder / name).is_file()]
    if missing:
        raise EngineUnavailable(
            f"{folder} lacks {', '.join(missing)}. Whisper needs a model converted for CTranslate2, such as "
            "whisper-base.en: run: duologue pull whisper-base.en"
        )
