"""What is known of an engine as it is set up: which model, under which licence, how large.

Of the models that come inside packages the licence is that of the model card or the package, and the size is read on
the disk; of all others the catalogue tells. What is not known is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from duologue.engines.catalogue import find
from duologue.engines.tts.kokoro_net import model_name
from duologue.engines.weights import packaged_file
from duologue.errors import ConfigError, EngineUnavailable


class About(msgspec.Struct, frozen=True):
    """``size_bytes``: of what is loaded from the disk."""

    model: str | None = None
    licence: str | None = None
    size_bytes: int | None = None


class _Packaged(NamedTuple):
    """A model inside an installed package: those files and folders of ``paths`` that this system's has."""

    model: str
    licence: str
    package: str
    paths: tuple[str, ...]


_PACKAGED = {
    "silero": _Packaged("Silero VAD v6", "MIT", "faster_whisper", ("assets/silero_vad_v6.onnx",)),
    "smart_turn": _Packaged(
        "Smart Turn v3.2", "BSD-2-Clause", "pipecat", ("audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",)
    ),
    "moonshine": _Packaged("Moonshine tiny (English)", "MIT", "moonshine_voice", ("assets/tiny-en",)),
    "espeak": _Packaged(
        "espeak-ng",
        "GPL-3.0-or-later",
        "espeakng_loader",
        ("espeak-ng-data", "libespeak-ng.so", "libespeak-ng.dylib", "espeak-ng.dll"),
    ),
}
# Engine -> the table of options in which its model is named.
_TABLES = {
    "whisper": "whisper",
    "voxtral": "voxtral",
    "voxtral-server": "voxtral_server",
    "vllm-realtime": "realtime_transcriber",
    "openai-asr": "transcription_server",
    "openai-tts": "speech_server",
    "llama-server": "llama_server",
}
# Duologue's own rules.
_OWN = {"builtin": "Built-in responder", "words": "Word rules"}
_OWN_LICENCE = "Apache-2.0"


def about(engine: str, tables: Mapping[str, Any]) -> About:
    """Of the engine of this name; ``tables``: options by table. Reads the disk."""
    if engine in _OWN:
        return About(_OWN[engine], _OWN_LICENCE)
    if (packaged := _PACKAGED.get(engine)) is not None:
        return About(packaged.model, packaged.licence, _size_of(packaged))
    if engine == "kokoro":
        return _catalogued(model_name(tables["kokoro"]))
    table = tables.get(_TABLES.get(engine, ""))
    return About() if table is None else _catalogued(table.model)


def _catalogued(name: str) -> About:
    try:
        model = find(name)
    except ConfigError:
        # A folder of this machine, or a name of another server's.
        return About(Path(name).name or None)
    return About(name, model.licence or None, model.size_mb * 1_000_000 or None)


def _size_of(packaged: _Packaged) -> int | None:
    sizes = []
    for path in packaged.paths:
        with suppress(EngineUnavailable):
            sizes.append(_size_at(packaged_file(packaged.package, path)))
    return sum(sizes) or None


def _size_at(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
