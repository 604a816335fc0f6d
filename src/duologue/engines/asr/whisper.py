"""Whisper by faster-whisper (CTranslate2): turns of several sessions to written text, in a hundred languages.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022). One model a process.

The encoder always reads 30 s, whatever was said, so on a CPU a one-word turn costs what a long one does. Measured
by ``bench/engines/whisper_cost.py``, int8, one core: tiny 0.58 s, base 1.2 s, small 3.9 s to encode; 0.09, 0.2 and
0.6 s to write ten words. A second core takes a third off the encoding. Two in a batch take 2.0 times one to encode
and 1.7 to write. So Whisper belongs on a GPU, and Moonshine is the transcriber for a CPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ
from duologue.engines.asr import whisper_guard as guard
from duologue.engines.asr.clip import syllables
from duologue.engines.asr.whisper_model import WhisperModel, resolve_device, rows_of
from duologue.engines.asr.whisper_sound import Stretch, features_of, stretches_of
from duologue.engines.asr.whisper_words import timed_words
from duologue.engines.base import TimedWord, TranscribeRequest, TranscribeResult
from duologue.engines.torch_device import loading
from duologue.engines.weights import model_folder
from duologue.errors import EngineUnavailable
from duologue.options import WhisperOptions

# Trained on English alone, though its vocabulary has every language.
_ENGLISH_ONLY = frozenset({"distil-large-v3"})
_GPU_HINT = (
    " CTranslate2 looks for libcublas.so.12 (pip install nvidia-cublas-cu12, its lib folder on LD_LIBRARY_PATH); or set"
    " device to cpu."
)
# The second try: wider, and no three tokens twice. The reference draws at random instead; then the same sound
# would have another text each time, and another one in a batch.
_SECOND_BEAM = 5
_SECOND_NGRAM = 3


class _Job(NamedTuple):
    """One stretch of one request; ``language``: what is to be heard, None to find out."""

    stretch: Stretch
    language: str | None
    wants_words: bool


class _Heard(NamedTuple):
    text: str = ""
    language: str | None = None
    words: tuple[TimedWord, ...] = ()


class Whisper:
    """Transcriber on any Whisper that was converted for CTranslate2, distilled ones too.

    ``max_batch``: after ``load`` 1 on a CPU, where a batch gains nothing and all would wait for its last.
    ``gives_partials``: not on a CPU either, where each would cost as much as the whole turn.
    """

    name = "whisper"
    is_realtime = False
    gives_partials = True

    def __init__(self, options: WhisperOptions) -> None:
        self.max_batch = options.batch
        self.device = "cpu"
        self._options = options
        self._model: WhisperModel | None = None

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639 codes that the loaded model knows: of an English one "en", which it takes everything for."""
        if self._model is None:
            return frozenset()
        return frozenset({"en"}) if self._is_english(self._model) else self._model.languages

    def load(self) -> None:
        """Read and warm the model, from its folder alone. Raises EngineUnavailable, ConfigError."""
        with loading(resolve_device(self._options.device)):
            self._load()

    def _load(self) -> None:
        self._model = model = WhisperModel(model_folder(self._options.model), self._options)
        self.device = model.device
        self.gives_partials = model.device != "cpu"
        self.max_batch = self._options.batch if model.device != "cpu" else 1
        hum = np.sin(np.arange(SESSION_RATE_HZ, dtype=np.float32) * 0.1) * np.float32(0.1)
        try:
            self.step([TranscribeRequest(audio=hum)])
        except RuntimeError as error:
            hint = _GPU_HINT if model.device != "cpu" else ""
            raise EngineUnavailable(f"Whisper was loaded but cannot run on {model.device}: {error}.{hint}") from error

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        """One text a request; all stretches of all of them go through the encoder and the decoder together.

        Turns longer than 30 s are cut at quiet places and their texts joined. A language that the model does not
        know is found out instead: an error here would be that of every session in the batch.
        """
        model = self._loaded()
        jobs = [[self._job(stretch, request) for stretch in stretches_of(request.audio)] for request in requests]
        flat = [job for row in jobs for job in row]
        heard: list[_Heard] = []
        for start in range(0, len(flat), self._options.batch):
            heard += self._hear(model, flat[start : start + self._options.batch])
        rest = iter(heard)
        return [_joined(list(islice(rest, len(row)))) for row in jobs]

    def cost(self, request: TranscribeRequest) -> float:
        """In seconds of sound."""
        return len(request.audio) / SESSION_RATE_HZ

    def sample(self) -> TranscribeRequest:
        """3 s of a voice without words."""
        return TranscribeRequest(syllables(3.0))

    def close(self) -> None:
        """Let the weights go."""
        self._model = None

    def _loaded(self) -> WhisperModel:
        if self._model is None:
            raise EngineUnavailable("whisper is not loaded: call load() first")
        return self._model

    def _job(self, stretch: Stretch, request: TranscribeRequest) -> _Job:
        model = self._loaded()
        if self._is_english(model):
            return _Job(stretch, "en", request.wants_words)
        code = (request.language or "").lower().split("-")[0]
        return _Job(stretch, code if code in model.languages else None, request.wants_words)

    def _is_english(self, model: WhisperModel) -> bool:
        return not model.is_multilingual or self._options.model in _ENGLISH_ONLY

    def _hear(self, model: WhisperModel, jobs: Sequence[_Job]) -> list[_Heard]:
        """One batch through the model."""
        features = np.stack([features_of(job.stretch, model.extractor) for job in jobs])
        with model.turn:
            encoded = model.encode(features)
            languages = _languages(model, encoded, jobs)
            attempts = self._attempts(model, encoded, languages, jobs)
            believed = [guard.believed_tokens(attempt) for attempt in attempts]
            words = _words(model, encoded, languages, jobs, believed)
        return [
            _Heard(model.spell(tokens, language), language, words.get(row, ())) if tokens else _Heard()
            for row, (tokens, language) in enumerate(zip(believed, languages, strict=True))
        ]

    def _attempts(
        self, model: WhisperModel, encoded: Any, languages: Sequence[str], jobs: Sequence[_Job]
    ) -> list[guard.Attempt]:
        """The better of at most two tries at each row."""

        def write(rows: Sequence[int], **search: int) -> list[guard.Attempt]:
            sounds_s = [jobs[row].stretch.sound_s for row in rows]
            spoken = [languages[row] for row in rows]
            limits = [guard.token_limit(sound_s, code) for sound_s, code in zip(sounds_s, spoken, strict=True)]
            return model.write(rows_of(encoded, rows), spoken, limits, sounds_s, **search)

        attempts = write(range(len(jobs)), beam_size=self._options.beam_size)
        again = [row for row, attempt in enumerate(attempts) if guard.wants_second_try(attempt)]
        if again:
            beam = max(_SECOND_BEAM, self._options.beam_size)
            seconds = write(again, beam_size=beam, no_repeat_ngram_size=_SECOND_NGRAM)
            for row, second in zip(again, seconds, strict=True):
                attempts[row] = guard.better(attempts[row], second)
        return attempts


def _languages(model: WhisperModel, encoded: Any, jobs: Sequence[_Job]) -> list[str]:
    """What each job is in; found out in the states that are there anyway."""
    unknown = [row for row, job in enumerate(jobs) if job.language is None]
    found = dict(zip(unknown, model.detect(rows_of(encoded, unknown)), strict=True)) if unknown else {}
    return [job.language or found[row] for row, job in enumerate(jobs)]


def _words(
    model: WhisperModel,
    encoded: Any,
    languages: Sequence[str],
    jobs: Sequence[_Job],
    believed: Sequence[tuple[int, ...]],
) -> dict[int, tuple[TimedWord, ...]]:
    """Row -> its words, where they are wanted. One run of the model for each language."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for row, job in enumerate(jobs):
        if job.wants_words and believed[row]:
            wanted[languages[row]].append(row)
    words: dict[int, tuple[TimedWord, ...]] = {}
    for language, rows in wanted.items():
        tokens, frames = [believed[row] for row in rows], [jobs[row].stretch.frames for row in rows]
        aligned = model.align(rows_of(encoded, rows), language, tokens, frames)
        words |= {row: timed_words(found, jobs[row].stretch) for row, found in zip(rows, aligned, strict=True)}
    return words


def _joined(heard: Sequence[_Heard]) -> TranscribeResult:
    said = [part for part in heard if part.text]
    return TranscribeResult(
        text=" ".join(part.text for part in said),
        language=said[0].language if said else None,
        words=tuple(word for part in said for word in part.words),
    )
