"""Kokoro's voices: files of style vectors, taken by name, and mixed by weight.

A voice is float32 [510, 1, 256]: one style for each number of phonemes. Its name says the language (first letter)
and f or m: ``af_heart``. Two forms are read: ``voices/NAME.bin``, the raw numbers, of the ONNX conversion, and
``voices/NAME.safetensors``. A blend, ``af_heart:0.6+bf_emma:0.4``, is the weighted mean and speaks the language of
its heaviest part.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from duologue.audio.frame import Float32
from duologue.engines.base import Plain
from duologue.errors import ConfigError, EngineUnavailable

STYLE_ROWS = 510
STYLE_SIZE = 256

_NAME = re.compile(r"[a-z]{2}_[a-z0-9]+")
_PART = re.compile(r"\s*([a-z]{2}_[a-z0-9]+)\s*(?::\s*(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})\s*)?")
_MAX_PARTS = 8
_BLENDS_KEPT = 64


class Voice(Plain, frozen=True, eq=False):
    """``styles``: float32 [510, 256]; ``language``: the letter that the name begins with."""

    name: str
    language: str
    styles: Float32

    def style(self, tokens: int) -> Float32:
        """For an utterance of so many phonemes, as Kokoro's own pipeline picks it: row ``tokens - 1``."""
        row: Float32 = self.styles[min(max(tokens, 1), len(self.styles)) - 1]
        return row


class Voices:
    """The voices of one model's folder. They are read when first used (0.5 MB each), from any thread."""

    def __init__(self, folder: Path, default: str, is_spoken: Callable[[str], bool] = lambda _: True) -> None:
        """``is_spoken``: whether a language, by its letter, can be spoken here; other voices are not offered.

        Raises EngineUnavailable where there are no voices, ConfigError for a default that is none of them.
        """
        self._files = _found(folder / "voices", is_spoken)
        if not self._files:
            raise EngineUnavailable(f"there are no voices in {folder / 'voices'}: pull the model again")
        self._lock = threading.Lock()
        self._loaded: dict[str, Voice] = {}
        self._blends: dict[str, Voice] = {}
        self.default = self._configured(default)
        self.names = (default, *(name for name in sorted(self._files) if name != default))

    def get(self, name: str) -> Voice:
        """The voice or blend of this name; the default for "" and for what there is not."""
        parts = self._parts(name) if name else None
        return self.default if parts is None else self._mixed(name, parts)

    def _configured(self, name: str) -> Voice:
        parts = self._parts(name)
        if parts is not None:
            return self._mixed(name, parts)
        wanted = [part.partition(":")[0].strip() for part in name.split("+")]
        unknown = next((part for part in wanted if part not in self._files), "")
        if not unknown:
            raise ConfigError(f'voice = "{name}": write a name, or a blend such as af_heart:0.6+bf_emma:0.4.')
        near = difflib.get_close_matches(unknown, self._files, n=3, cutoff=0.4) or sorted(self._files)[:5]
        raise ConfigError(f'voice = "{name}": there is no voice "{unknown}" here; try {", ".join(near)}.')

    def _parts(self, name: str) -> Mapping[str, float] | None:
        """Names and weights, which sum to 1; None for what cannot be spoken."""
        weights: dict[str, float] = {}
        pieces = name.split("+", _MAX_PARTS)
        for piece in pieces:
            found = _PART.fullmatch(piece)
            if found is None or found[1] not in self._files:
                return None
            weights[found[1]] = weights.get(found[1], 0.0) + (float(found[2]) if found[2] else 1.0)
        total = sum(weights.values())
        if total <= 0 or len(pieces) > _MAX_PARTS:
            return None
        return {voice: weight / total for voice, weight in weights.items()}

    def _mixed(self, name: str, parts: Mapping[str, float]) -> Voice:
        with self._lock:
            known = self._blends.get(name)
            if known is None:
                known = self._blends[name] = self._blend(name, parts)
                # Any client may ask for blends without end.
                while len(self._blends) > _BLENDS_KEPT:
                    del self._blends[next(iter(self._blends))]
            return known

    def _blend(self, name: str, parts: Mapping[str, float]) -> Voice:
        voices = [(self._load(part), weight) for part, weight in parts.items()]
        if len(voices) == 1:
            return voices[0][0]
        styles = sum((voice.styles * np.float32(weight) for voice, weight in voices), np.zeros(1, np.float32))
        heaviest, _ = max(voices, key=lambda pair: pair[1])
        return Voice(name, heaviest.language, np.asarray(styles, np.float32))

    def _load(self, name: str) -> Voice:
        known = self._loaded.get(name)
        if known is None:
            known = self._loaded[name] = Voice(name, name[0], _styles(self._files[name]))
        return known


def _found(folder: Path, is_spoken: Callable[[str], bool]) -> dict[str, Path]:
    """Voices by name. Names are taken from the folder, never from a client."""
    files = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.safetensors"))
    return {path.stem: path for path in files if _NAME.fullmatch(path.stem) and is_spoken(path.stem[0])}


def _styles(path: Path) -> Float32:
    """Raises EngineUnavailable for a file that is no voice."""
    try:
        data = path.read_bytes()
        raw = _raw_numbers(data) if path.suffix == ".safetensors" else data
        styles = np.frombuffer(raw, "<f4").astype(np.float32).reshape(-1, STYLE_SIZE)
    except (OSError, ValueError, KeyError, msgspec.DecodeError) as error:
        raise EngineUnavailable(f"{path} is not a voice: pull the model again") from error
    if not 1 <= len(styles) <= 2 * STYLE_ROWS or not np.isfinite(styles).all():
        raise EngineUnavailable(f"{path} is not a voice: pull the model again")
    return styles


class _TensorPlace(msgspec.Struct):
    dtype: str
    data_offsets: tuple[int, int]


def _raw_numbers(data: bytes) -> bytes:
    """The one float32 tensor of a safetensors file.

    The format: length of a JSON header (u64, little-endian), the header, the tensors' bytes
    (https://github.com/huggingface/safetensors).
    """
    size = int.from_bytes(data[:8], "little")
    header: dict[str, msgspec.Raw] = msgspec.json.decode(data[8 : 8 + size], type=dict[str, msgspec.Raw])
    header.pop("__metadata__", None)
    (raw,) = header.values()
    place = msgspec.json.decode(raw, type=_TensorPlace)
    if place.dtype != "F32":
        raise ValueError(f"a voice of {place.dtype}, not F32")
    start, stop = place.data_offsets
    return data[8 + size + start : 8 + size + stop]
