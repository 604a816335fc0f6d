"""Kokoro on a GPU: recorded graphs say what the same network says unrecorded. Skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from duologue.engines.tts.kokoro_net import Utterance
from duologue.options import KokoroOptions

torch = pytest.importorskip("torch", reason='needs torch: pip install "duologue[gpu]"')
pytest.importorskip("safetensors", reason='needs safetensors: pip install "duologue[gpu]"')
pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use"),
    # The first steps on a GPU compile and measure kernels.
    pytest.mark.timeout(300),
]

from duologue.bench.engines.random_kokoro import write_kokoro  # noqa: E402
from duologue.engines.tts.kokoro_torch import TorchNet  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kokoro")
    write_kokoro(folder, "tiny")
    return folder


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    random = np.random.default_rng(1)
    style = (random.standard_normal(256) * 0.3).astype(np.float32)
    return [Utterance(tuple(random.integers(1, 178, count).tolist()), style) for count in (2, 7, 13, 4, 100)]


def test_graphs_change_nothing(folder: Path, utterances: list[Utterance]) -> None:
    options = KokoroOptions(batch=4, cuda_graphs="on")
    plain = TorchNet(folder, KokoroOptions(batch=4, cuda_graphs="off"), "cuda:0", dtype=torch.float64)
    recorded = TorchNet(folder, options, "cuda:0", dtype=torch.float64)
    # Twice, and in other company: what an earlier replay left behind must not be heard.
    for batch in (utterances, utterances[:1], utterances[2:4], utterances[1:4], utterances):
        for ours, theirs in zip(recorded.speak(batch), plain.speak(batch), strict=True):
            assert ours.frames == theirs.frames
            assert np.abs(ours.samples - theirs.samples).max() < 1e-7


def test_the_gpu_says_what_the_cpu_says(folder: Path, utterances: list[Utterance]) -> None:
    """Noise differs between devices, so lengths and level are compared."""
    on_gpu = TorchNet(folder, KokoroOptions(cuda_graphs="off"), "cuda:0", dtype=torch.float64).speak(utterances)
    on_cpu = TorchNet(folder, KokoroOptions(), "cpu", dtype=torch.float64).speak(utterances)
    for ours, theirs in zip(on_gpu, on_cpu, strict=True):
        assert ours.frames == theirs.frames
        assert np.std(ours.samples) == pytest.approx(np.std(theirs.samples), rel=0.1)
