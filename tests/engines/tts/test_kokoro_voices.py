from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from duologue.engines.tts.kokoro_voices import Voices
from duologue.errors import ConfigError, EngineUnavailable

NAMES = ("af_bella", "af_heart", "bf_emma", "hf_alpha", "jf_alpha")


def styles(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((510, 1, 256)).astype("<f4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "voices").mkdir()
    for seed, name in enumerate(NAMES):
        (tmp_path / "voices" / f"{name}.bin").write_bytes(styles(seed).tobytes())
    return tmp_path


def test_names_come_default_first(folder: Path) -> None:
    assert Voices(folder, "af_heart").names == ("af_heart", "af_bella", "bf_emma", "hf_alpha", "jf_alpha")


def test_a_style_is_the_row_for_the_number_of_phonemes(folder: Path) -> None:
    voice = Voices(folder, "af_heart").get("bf_emma")
    assert voice.language == "b"
    np.testing.assert_array_equal(voice.style(1), styles(2)[0, 0])
    np.testing.assert_array_equal(voice.style(510), styles(2)[509, 0])
    np.testing.assert_array_equal(voice.style(9999), styles(2)[509, 0])


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("af_heart:0.6+bf_emma:0.4", (0.6, 0.4)),
        ("af_heart:3+bf_emma:2", (0.6, 0.4)),
        ("af_heart + bf_emma", (0.5, 0.5)),
        ("af_heart:.25+bf_emma:.25+af_heart:.5", (0.75, 0.25)),
    ],
)
def test_a_blend_is_the_weighted_mean(folder: Path, name: str, weights: tuple[float, float]) -> None:
    voice = Voices(folder, "af_heart").get(name)
    expected = weights[0] * styles(1) + weights[1] * styles(2)
    np.testing.assert_allclose(voice.styles, expected[:, 0], atol=1e-6)


def test_a_blend_speaks_the_language_of_its_heaviest_part(folder: Path) -> None:
    voices = Voices(folder, "af_heart")
    assert voices.get("af_heart:0.4+hf_alpha:0.6").language == "h"
    assert voices.get("af_heart:0.5+hf_alpha:0.5").language == "a"


@pytest.mark.parametrize(
    "name",
    ["", "af_nobody", "../af_heart", "af_heart/../bf_emma", "af_heart:0", "af_heart:x", "af_heart:-1", "af_heart:1e9",
     "+", "af_heart+", "AF_HEART", "af_heart\0", "+".join(["af_heart"] * 9), "alloy", "af_heart:nan"],
)  # fmt: skip
def test_what_a_client_gets_wrong_is_the_default(folder: Path, name: str) -> None:
    voices = Voices(folder, "bf_emma")
    assert voices.get(name) is voices.default


def test_names_that_are_no_voices_are_not_offered(folder: Path) -> None:
    for name in ("readme.bin", "af_Heart.bin", "..bin", "aff_x.bin"):
        (folder / "voices" / name).write_bytes(b"")
    assert set(Voices(folder, "af_heart").names) == set(NAMES)


def test_a_language_that_cannot_be_spoken_is_not_offered(folder: Path) -> None:
    voices = Voices(folder, "af_heart", is_spoken=lambda language: language != "j")
    assert "jf_alpha" not in voices.names
    assert voices.get("jf_alpha") is voices.default


def test_a_default_that_is_none_lists_near_names(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r'no voice "af_hart" here; try af_heart'):
        Voices(folder, "af_hart:0.5+bf_emma:0.5")
    with pytest.raises(ConfigError, match="write a name, or a blend"):
        Voices(folder, "af_heart:lots")


def test_a_folder_without_voices_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no voices"):
        Voices(tmp_path, "af_heart")


def test_safetensors_hold_the_same(folder: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    path = folder / "voices" / "bm_lewis.safetensors"
    safetensors.save_file({"voice": styles(7)}, path, metadata={"format": "pt"})
    np.testing.assert_array_equal(Voices(folder, "bm_lewis").default.styles, styles(7)[:, 0])


@pytest.mark.parametrize("data", [b"", b"\0" * 100, np.full((510, 256), np.nan, "<f4").tobytes()])
@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
def test_a_file_that_is_no_voice_says_so(folder: Path, data: bytes, suffix: str) -> None:
    (folder / "voices" / f"af_zero.{suffix}").write_bytes(data)
    with pytest.raises(EngineUnavailable, match="is not a voice"):
        Voices(folder, "af_zero")
