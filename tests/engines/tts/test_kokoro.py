"""The engine on a tiny network with random weights: what it says is noise, but it is said as a voice would."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from duologue.engines.base import SpeakRequest
from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import KokoroOptions

pytest.importorskip("torch", reason="needs torch to make the network")

from duologue.bench.engines.random_kokoro import VOICES, write_kokoro
from duologue.engines.tts.kokoro import Kokoro

TEXT = "Well, one of the 25 cats — naïve & 'quoted' \U0001f600 — cost $3.50. Is it so?  Yes!"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("safetensors", reason="needs safetensors to write the network")
    folder = tmp_path_factory.mktemp("kokoro")
    write_kokoro(folder, "tiny")
    return folder


def options(folder: Path, voice: str = VOICES[0]) -> KokoroOptions:
    return KokoroOptions(model=str(folder), backend="torch", device="cpu", voice=voice, batch=4, threads=1)


@pytest.fixture(scope="module")
def kokoro(folder: Path) -> Iterator[Kokoro]:
    engine = Kokoro(options(folder))
    engine.load()
    yield engine
    engine.close()


def test_it_knows_itself_after_loading(kokoro: Kokoro) -> None:
    assert kokoro.voices[0] == VOICES[0]
    assert set(kokoro.voices) == set(VOICES)
    assert kokoro.device == "cpu"
    assert kokoro.max_batch >= 1


def test_a_phrase_is_sound_with_the_time_of_every_word(kokoro: Kokoro) -> None:
    (chunk,) = kokoro.step([SpeakRequest(text=TEXT)])
    assert chunk.pcm.dtype == np.int16
    assert [TEXT[word.text_start : word.text_end] for word in chunk.words] == TEXT.split()
    duration_ms = len(chunk.pcm) / 24
    edges = [edge for word in chunk.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= duration_ms
    lengths = {TEXT[word.text_start : word.text_end]: word.end_ms - word.start_ms for word in chunk.words}
    assert lengths["$3.50."] > 3 * lengths["of"]


def test_requests_keep_apart_and_in_order(kokoro: Kokoro) -> None:
    texts = ["Yes.", "One two three four five six seven eight.", "No.", "", "One two three.", "One two.", "Five six?"]
    together = kokoro.step([SpeakRequest(text=text) for text in texts])
    alone = [kokoro.step([SpeakRequest(text=text)])[0] for text in texts]
    assert [len(chunk.words) for chunk in together] == [len(text.split()) for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert abs(len(one.pcm) - len(other.pcm)) <= 24 * 60
        assert [word.text_end for word in one.words] == [word.text_end for word in other.words]


@pytest.mark.parametrize("text", ["", "  ", "\U0001f600", "...", "東京", "\x00\ud800", "-"])
def test_nothing_to_say_is_hardly_a_sound(kokoro: Kokoro, text: str) -> None:
    (chunk,) = kokoro.step([SpeakRequest(text=text)])
    assert 0 < len(chunk.pcm) < 24 * 500


def test_a_text_beyond_the_networks_length_is_said_whole(kokoro: Kokoro) -> None:
    text = "The quick brown fox jumps over the lazy dog, and " * 13
    (chunk,) = kokoro.step([SpeakRequest(text=text)])
    assert len(chunk.words) == len(text.split())
    assert chunk.words[-1].end_ms > 0.9 * len(chunk.pcm) / 24


def test_a_faster_voice_takes_less_time(kokoro: Kokoro) -> None:
    lengths = [
        len(kokoro.step([SpeakRequest(text="One two three four five.", speed=speed)])[0].pcm)
        for speed in (0.5, 1.0, 2.0)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert len(kokoro.step([SpeakRequest(text="One.", speed=0.0)])[0].pcm) > 0


def test_voices_and_blends_sound_differently(kokoro: Kokoro) -> None:
    def said(voice: str) -> int:
        return len(kokoro.step([SpeakRequest(text="One two three four five six seven.", voice=voice)])[0].pcm)

    first, second = VOICES[:2]
    lengths = {said(first), said(second), said(f"{first}:0.5+{second}:0.5")}
    assert len(lengths) > 1


def test_an_unknown_voice_is_the_default(kokoro: Kokoro) -> None:
    request = SpeakRequest(text="One two three four five.")
    default = kokoro.step([request])[0].words
    unknown = kokoro.step([SpeakRequest(text=request.text, voice="../alloy")])[0].words
    assert [round(word.end_ms, -2) for word in unknown] == [round(word.end_ms, -2) for word in default]


def test_several_threads_may_step_at_once(kokoro: Kokoro) -> None:
    texts = [f"Number {number}." for number in range(1, 13)]
    with ThreadPoolExecutor(4) as pool:
        chunks = list(pool.map(lambda text: kokoro.step([SpeakRequest(text=text)])[0], texts))
    assert [len(chunk.words) for chunk in chunks] == [2] * 12


def test_what_did_not_load_can_be_closed(folder: Path) -> None:
    engine = Kokoro(options(folder, "af_nobody"))
    with pytest.raises(ConfigError):
        engine.load()
    engine.close()


def test_a_default_voice_that_is_none_names_near_ones(folder: Path) -> None:
    with pytest.raises(ConfigError, match=f"try {VOICES[0]}"):
        Kokoro(options(folder, voice=VOICES[0][:-1])).load()


def test_a_default_voice_that_cannot_be_spoken_says_what_to_install(folder: Path) -> None:
    from duologue.engines.tts.kokoro_phonemes import missing

    if not missing("j"):
        pytest.skip("Japanese can be spoken here")
    with pytest.raises(EngineUnavailable, match="Japanese needs"):
        Kokoro(options(folder, voice="jf_alpha")).load()


def test_onnx_files_are_read_as_published(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs onnx to write the network")
    write_kokoro(tmp_path, "tiny", "onnx")
    engine = Kokoro(KokoroOptions(model=str(tmp_path), device="cpu", voice=VOICES[0], threads=1))
    engine.load()
    (chunk,) = engine.step([SpeakRequest(text=TEXT)])
    engine.close()
    assert len(chunk.words) == len(TEXT.split())
    assert len(chunk.pcm) > 24_000
