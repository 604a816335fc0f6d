"""What Whisper costs on this machine's CPU, with random weights of real size, thread counts side by side.

``python -m duologue.bench.engines.whisper_cost FOLDER [SIZE ...]`` keeps the models in FOLDER.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.bench.engines.random_whisper import Size, write_whisper
from duologue.engines.asr.whisper_model import WhisperModel
from duologue.engines.asr.whisper_sound import FRAME_SAMPLES, Stretch, features_of
from duologue.options import WhisperOptions

_THREADS = (1, 2)
_ROUNDS = 3
_SOUND_S = 4.0
_SHORT_S = 8


def _costs(model: WhisperModel) -> dict[str, Callable[[], object]]:
    """What to do -> how."""
    sound = (0.1 * np.random.default_rng(0).standard_normal(int(_SOUND_S * SESSION_RATE_HZ))).astype(np.float32)
    features = features_of(Stretch(sound, 0.0), model.extractor)[None]
    two = np.repeat(features, 2, axis=0)
    short: Float32 = features[:, :, : _SHORT_S * SESSION_RATE_HZ // FRAME_SAMPLES]
    encoded, encoded_two = model.encode(features), model.encode(two)

    def write(states: object, count: int, beam_size: int = 1) -> object:
        return model.write(states, ["en"] * count, [40] * count, [_SOUND_S] * count, beam_size=beam_size)

    return {
        "features of 4 s": lambda: features_of(Stretch(sound, 0.0), model.extractor),
        "encode (30 s)": lambda: model.encode(features),
        "encode two at once": lambda: model.encode(two),
        f"encode {_SHORT_S} s only": lambda: model.encode(np.ascontiguousarray(short)),
        "find the language": lambda: model.detect(encoded),
        "write 10 words": lambda: write(encoded, 1),
        "write 10 words, beam of 5": lambda: write(encoded, 1, beam_size=5),
        "write two at once": lambda: write(encoded_two, 2),
    }


def measure(folder: Path, sizes: list[Size]) -> None:
    """Print a table: median wall ms (and CPU ms) of each cost. Rounds alternate between sizes and threads."""
    costs = {}
    for size in sizes:
        if not (folder / size / "preprocessor_config.json").is_file():
            write_whisper(folder / size, size)
        for threads in _THREADS:
            options = WhisperOptions(device="cpu", compute_type="int8")
            costs[size, threads] = _costs(WhisperModel(folder / size, options, threads))
    took: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    for _ in range(_ROUNDS):
        for (size, threads), parts in costs.items():
            for name, run in parts.items():
                wall_s, cpu_s = time.perf_counter(), time.process_time()
                run()
                spent = time.perf_counter() - wall_s, time.process_time() - cpu_s
                took.setdefault((name, size, threads), []).append(spent)
    _show(took, sizes)


def _show(took: dict[tuple[str, str, int], list[tuple[float, float]]], sizes: list[Size]) -> None:
    columns = [(size, threads) for size in sizes for threads in _THREADS]
    print("| wall ms (CPU ms) |" + "".join(f" {size}, {threads} thr. |" for size, threads in columns))
    print("|---|" + "---|" * len(columns))
    for name in dict.fromkeys(name for name, _, _ in took):
        cells = [_median(took[name, size, threads]) for size, threads in columns]
        print(f"| {name} |" + "".join(f" {cell} |" for cell in cells))


def _median(spent: list[tuple[float, float]]) -> str:
    wall_ms, cpu_ms = (1000 * statistics.median(column) for column in zip(*spent, strict=True))
    return f"{wall_ms:.0f} ({cpu_ms:.0f})"


if __name__ == "__main__":
    measure(Path(sys.argv[1]), [cast(Size, size) for size in sys.argv[2:] or ["tiny", "base", "small"]])
