"""Checkpoints whole, in parts, and not what they should be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e .[voxtral]")
pytest.importorskip("transformers", reason="needs transformers: pip install -e .[voxtral]")
pytest.importorskip("mistral_common", reason="needs mistral-common: pip install -e .[voxtral]")

import torch
from safetensors.torch import load_file, save_file

from duologue.bench.engines import random_voxtral
from duologue.bench.engines.random_voxtral import sinusoids, voxtral_config, write_voxtral
from duologue.engines.speech.rows import SOUND_STRIDE, Sound, sound_atoms, sound_position
from duologue.engines.speech.voxtral_memory import VoxtralSizes, needed_bytes, require_memory
from duologue.engines.speech.voxtral_model import VoxtralRows
from duologue.engines.speech.voxtral_weights import read_sizes
from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import VoxtralOptions

FULL = VoxtralSizes.of_config(voxtral_config("full"))


@pytest.fixture
def folder(voxtral_folder: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    return Path(shutil.copytree(voxtral_folder, tmp_path / "voxtral"))


def load(folder: Path, **options: Any) -> VoxtralRows:
    return VoxtralRows.load(folder, VoxtralOptions(**{"device": "cpu", "context_tokens": 1024, **options}), 1)


def test_published_names_and_files(voxtral_folder: Path) -> None:
    names = set(load_file(voxtral_folder / "model.safetensors"))
    assert {
        "language_model.lm_head.weight",
        "language_model.model.embed_tokens.weight",
        "language_model.model.layers.0.self_attn.q_proj.weight",
        "language_model.model.norm.weight",
        "audio_tower.layers.1.fc2.bias",
        "multi_modal_projector.linear_2.weight",
    } <= names
    files = {"config.json", "generation_config.json", "params.json", "preprocessor_config.json", "tekken.json"}
    assert {path.name for path in voxtral_folder.iterdir()} == files | {"model.safetensors"}


def test_encoder_positions_are_sinusoids() -> None:
    table = sinusoids(1500, 32)
    assert table[0].tolist() == [0.0] * 16 + [1.0] * 16
    assert float(table[100, 15]) == pytest.approx(0.01, abs=1e-4), "the longest wave: 10,000 radians"


def test_weights_in_several_files_are_the_same(
    voxtral_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_voxtral, "_SHARD_BYTES", 700_000)
    write_voxtral(tmp_path, "tiny")
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert [path.name for path in shards] == [
        f"model-{part}-of-00003.safetensors" for part in ("00001", "00002", "00003")
    ]
    whole, parts = load_file(voxtral_folder / "model.safetensors"), {}
    for path in shards:
        held = load_file(path)
        assert {index["weight_map"][name] for name in held} == {path.name}
        parts |= held
    assert index["metadata"]["total_size"] == sum(weight.nbytes for weight in whole.values())
    assert parts.keys() == whole.keys()
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    load(tmp_path).close()


def test_end_tokens_come_from_the_checkpoint(folder: Path) -> None:
    assert load(folder).end_tokens == {2}
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 7]}')
    assert load(folder).end_tokens == {2, 7}


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def with_broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "voxtral"')


def with_config_that_says_little(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "voxtral", "text_config": {}}')


def with_another_model(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "whisper"}')


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def with_half_the_file(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def with_a_weight_missing(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("language_model.model.layers.1.mlp.up_proj.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def with_sizes_of_another(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 96
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_config, "has no config.json"),
        (with_broken_config, "config.json cannot be read"),
        (with_config_that_says_little, "config.json cannot be read"),
        (with_another_model, "holds a model of the type whisper"),
        (without_weights, "cannot be loaded"),
        (with_half_the_file, "cannot be loaded"),
        (with_a_weight_missing, "not whole: 1 weights are missing"),
        (with_sizes_of_another, "pull the model again"),
    ],
)
def test_unusable_folder_says_what_to_do(folder: Path, spoil: Any, message: str) -> None:
    spoil(folder)
    with pytest.raises(EngineUnavailable, match=message):
        load(folder)


def test_graphs_need_a_gpu(voxtral_folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ConfigError, match="cuda_graphs is on"):
        load(voxtral_folder, device="auto", cuda_graphs="on")


def test_sizes_count_every_weight(voxtral_folder: Path) -> None:
    whole = load_file(voxtral_folder / "model.safetensors")
    sizes = read_sizes(voxtral_folder)
    assert sizes.parameters() == sum(weight.numel() for weight in whole.values())
    assert sizes.window_tokens == 375


def test_full_size_is_the_published_one() -> None:
    assert round(FULL.parameters() / 1e9, 2) == 4.68
    assert FULL.position_bytes(2) == 122_880
    assert FULL.window_tokens == 375


def test_memory_grows_with_rows_and_context() -> None:
    least = needed_bytes(FULL, 1, 1024, 2)
    assert least > 2 * FULL.parameters()
    row = 4096 * FULL.position_bytes(2)
    assert needed_bytes(FULL, 128, 4096, 2) - needed_bytes(FULL, 64, 4096, 2) == 64 * row
    assert needed_bytes(FULL, 1, 2048, 2) > least


@pytest.mark.parametrize(
    ("rows", "free_gb", "advice"),
    [
        (32, 24, r"28\.\d GB on the GPU and 24\.0 GB are free: 9\.4 GB .* 0\.5 GB for each of 32 rows of 4096 tokens"),
        (32, 24, "Lower voxtral.conversations or voxtral.context_tokens"),
        (1, 8, "The weights alone do not fit"),
    ],
)
def test_too_little_memory_says_what_to_change(rows: int, free_gb: int, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice):
        require_memory(FULL, rows, 4096, 2, free_gb * 10**9)


def test_enough_memory_passes() -> None:
    require_memory(FULL, 16, 4096, 2, 24 * 10**9)


def test_atoms_name_sounds_and_positions() -> None:
    sound = Sound(key=3, tokens=750, embeddings=None)
    atoms = sound_atoms(sound)
    assert [sound_position(atom) for atom in atoms] == [(3, position) for position in range(750)]
    assert max(atoms) < 0
    assert sound_position(-(5 * SOUND_STRIDE)) == (5, 0)
