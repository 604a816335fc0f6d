"""On a GPU: recorded steps say what the CPU says, and the memory comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e .[voxtral]")
pytest.importorskip("transformers", reason="needs transformers: pip install -e .[voxtral]")
pytest.importorskip("mistral_common", reason="needs mistral-common: pip install -e .[voxtral]")

import torch

from duologue.engines.speech.rows import sound_atoms
from duologue.engines.speech.voxtral_model import VoxtralRows
from duologue.errors import ConfigError
from duologue.options import VoxtralOptions

from .voxtral_reference import Talk, fill_of, noise, step_all

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch finds"),
    pytest.mark.timeout(180),
]


def load(folder: Path, rows: int = 5, **options: Any) -> VoxtralRows:
    return VoxtralRows.load(folder, VoxtralOptions(**{"dtype": "float32", "context_tokens": 2048, **options}), rows)


def answers(model: VoxtralRows) -> list[list[int]]:
    """Five rows of several lengths, sounds among them, that join and leave: so every shape is stepped."""
    sounds = model.encode([noise(2, 1), noise(31, 2)])
    prompts = [[1, 3, 1000 + row, 25, *sound_atoms(sounds[row % 2]), 4] for row in range(4)]
    prompts.append([1, *range(1000, 2020)])
    first = model.fill([fill_of(row, atoms, *sounds) for row, atoms in enumerate(prompts)])
    talks = [Talk(*begun) for begun in zip(range(5), prompts, first, strict=True)]
    for most in (5, 1, 4, 2, 3, 5):
        for _ in range(3):
            step_all(model, talks[-most:])
    return [talk.tokens for talk in talks]


@pytest.mark.parametrize("attention", ["grouped", "sdpa"])
@pytest.mark.parametrize("cuda_graphs", ["on", "off"])
def test_gpu_answers_as_the_cpu(voxtral_folder: Path, attention: str, cuda_graphs: str) -> None:
    expected = answers(load(voxtral_folder, device="cpu"))
    model = load(voxtral_folder, device="cuda", attention=attention, cuda_graphs=cuda_graphs)
    assert answers(model) == expected
    assert answers(model) == expected, "nothing of the first time is left"
    model.close()


def test_recorded_steps_in_half_precision(voxtral_folder: Path) -> None:
    recorded = load(voxtral_folder, device="cuda", dtype="bfloat16", cuda_graphs="on")
    plain = load(voxtral_folder, device="cuda", dtype="bfloat16", cuda_graphs="off")
    assert answers(recorded) == answers(plain)


def test_temperature_draws_anew_at_each_replay(voxtral_folder: Path) -> None:
    model = load(voxtral_folder, device="cuda", temperature=2.0)
    assert answers(model) != answers(model)


def test_memory_comes_back(voxtral_folder: Path) -> None:
    load(voxtral_folder, device="cuda").close()
    before = torch.cuda.memory_allocated()
    load(voxtral_folder, device="cuda").close()
    assert torch.cuda.memory_allocated() <= before


def test_more_rows_than_fit_are_refused_before_loading(voxtral_folder: Path) -> None:
    with pytest.raises(ConfigError, match="free the GPU"):
        load(voxtral_folder, rows=10_000_000, device="cuda")
