"""The real loading and decoding code on a small random Whisper that writes one sentence."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import ctranslate2
import numpy as np
import pytest

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.bench.engines.random_whisper import write_whisper
from duologue.engines.asr.whisper import Whisper
from duologue.engines.asr.whisper_model import WhisperModel, resolve_compute_type, resolve_device, rows_of
from duologue.engines.base import TranscribeRequest, TranscribeResult
from duologue.engines.catalogue import find
from duologue.engines.runner import Runner
from duologue.engines.weights import model_storage
from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import WhisperOptions

Writer = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """Make a folder; the same one for the same arguments."""
    made: dict[tuple[Any, ...], Path] = {}

    def folder_of(**options: Any) -> Path:
        key = tuple(sorted(options.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("whisper")
            write_whisper(made[key], "test", **options)
        return made[key]

    return folder_of


@pytest.fixture(scope="module")
def english(write: Writer) -> Iterator[Whisper]:
    yield from running(write(is_english=True))


@pytest.fixture(scope="module")
def multilingual(write: Writer) -> Iterator[Whisper]:
    yield from running(write())


def running(folder: Path, **options: Any) -> Iterator[Whisper]:
    engine = Whisper(WhisperOptions(model=str(folder), **options))
    engine.load()
    yield engine
    engine.close()


def tone(hz: float, seconds: float = 2.0) -> Float32:
    time_s = np.arange(int(seconds * SESSION_RATE_HZ)) / SESSION_RATE_HZ
    wave = 0.1 * np.sin(2 * np.pi * hz * time_s) * (1 + 0.5 * np.sin(20 * time_s))
    return wave.astype(np.float32)


SOUNDS = [tone(200), tone(400, 1.0), tone(1500, 3.0), tone(5000, 1.5)]


def requests(**options: Any) -> list[TranscribeRequest]:
    return [TranscribeRequest(audio=sound, **options) for sound in SOUNDS]


def plain(result: TranscribeResult) -> tuple[str, str | None]:
    return result.text, result.language


def test_a_turn_is_written_down(english: Whisper) -> None:
    (result,) = english.step([TranscribeRequest(audio=tone(440))])
    assert result.text.startswith("Turn on the lights in the room")
    assert result.text.endswith(", please.")
    assert result.language == "en"
    assert english.device == "cpu"


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("is_english", [True, False])
def test_batched_and_single_calls_agree(write: Writer, is_english: bool, beam_size: int) -> None:
    for engine in running(write(is_english=is_english), beam_size=beam_size):
        asked = requests(wants_words=True)
        together = engine.step(asked)
        alone = [engine.step([request])[0] for request in asked]
        assert [plain(result) for result in together] == [plain(result) for result in alone]
        assert len({result.text for result in together}) > 1
        for left, right in zip(together, alone, strict=True):
            assert [(w.text, w.start_s, w.end_s) for w in left.words] == [
                (w.text, w.start_s, w.end_s) for w in right.words
            ]


def test_the_language_is_found_out_where_none_is_given(multilingual: Whisper) -> None:
    found = [result.language for result in multilingual.step(requests())]
    assert set(found) <= multilingual.languages
    assert len(set(found)) > 1


def test_a_given_language_is_obeyed_row_by_row(multilingual: Whisper) -> None:
    codes = ["de", "ja", None, "pt-BR"]
    asked = [TranscribeRequest(audio=s, language=code) for s, code in zip(SOUNDS, codes, strict=True)]
    spoken = [result.language for result in multilingual.step(asked)]
    found = multilingual.step([TranscribeRequest(audio=SOUNDS[2])])[0].language
    assert spoken == ["de", "ja", found, "pt"]


def test_an_unknown_language_is_found_out_and_harms_no_neighbour(multilingual: Whisper) -> None:
    asked = [TranscribeRequest(audio=SOUNDS[0], language="xx"), TranscribeRequest(audio=SOUNDS[1], language="de")]
    first, second = multilingual.step(asked)
    assert plain(first) == plain(multilingual.step(requests()[:1])[0])
    assert second.language == "de"


def test_an_english_model_takes_everything_for_english(english: Whisper) -> None:
    (result,) = english.step([TranscribeRequest(audio=tone(440), language="de")])
    assert result.language == "en"
    assert english.languages >= {"en"}


@pytest.mark.parametrize(("name", "is_english"), [("distil-small.en", True), ("distil-large-v3", False)])
def test_distil_models_by_name_hear_english(
    write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_english: bool
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    shutil.copytree(write(is_english=is_english), model_storage(find(name)) / "snapshots" / find(name).revision)
    engine = Whisper(WhisperOptions(model=name))
    engine.load()
    assert [result.language for result in engine.step(requests())] == ["en"] * len(SOUNDS)
    assert engine.step(requests(language="de"))[0].language == "en"
    engine.close()


def test_a_model_that_is_not_here_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"duologue pull whisper-base\.en"):
        Whisper(WhisperOptions()).load()


def test_words_have_times_within_the_turn(english: Whisper) -> None:
    lead_s = 3.0
    sound = np.concatenate([np.zeros(int(lead_s * SESSION_RATE_HZ), np.float32), tone(440)])
    (result,) = english.step([TranscribeRequest(audio=sound, wants_words=True)])
    words = result.words
    assert [word.text for word in words][:4] == ["Turn", "on", "the", "lights"]
    assert words[-1].text == "please."
    assert " ".join(word.text for word in words).replace(" ,", ",") == result.text.replace(" ,", ",")
    assert all(lead_s - 0.2 <= word.start_s <= word.end_s <= lead_s + 2.5 for word in words)
    assert [word.start_s for word in words] == sorted(word.start_s for word in words)
    assert all(0 < word.prob <= 1 for word in words)


def test_no_words_unless_they_are_wanted(english: Whisper) -> None:
    asked = [TranscribeRequest(audio=tone(440)), TranscribeRequest(audio=tone(440), wants_words=True)]
    without, with_words = english.step(asked)
    assert without.words == ()
    assert len(with_words.words) > 5


def test_words_of_two_languages_in_one_batch(multilingual: Whisper) -> None:
    codes = ["de", "fr", "de"]
    asked = [
        TranscribeRequest(audio=s, language=code, wants_words=True) for s, code in zip(SOUNDS, codes, strict=False)
    ]
    together = multilingual.step(asked)
    for request, result in zip(asked, together, strict=True):
        alone = multilingual.step([request])[0]
        assert [(w.text, w.start_s) for w in alone.words] == [(w.text, w.start_s) for w in result.words]


@pytest.mark.parametrize("samples", [0, 1, 319, 4800, 16_000])
def test_silence_is_empty_without_running_the_model(english: Whisper, samples: int) -> None:
    quiet = [np.zeros(samples, np.float32), np.full(samples, np.nan, np.float32)]
    assert english._model is not None
    # Whatever runs the model waits for its turn, here for ever.
    with english._model.turn:
        results = english.step([TranscribeRequest(audio=sound) for sound in quiet])
    assert [plain(result) for result in results] == [("", None)] * 2


def test_quiet_and_loud_turns_share_a_step(english: Whisper) -> None:
    asked = [TranscribeRequest(audio=s) for s in (np.zeros(8000, np.float32), tone(440), np.zeros(0, np.float32))]
    texts = [result.text for result in english.step(asked)]
    assert texts[0] == texts[2] == ""
    assert texts[1].startswith("Turn on")
    assert english.step([]) == []


def test_a_long_turn_is_cut_and_joined(english: Whisper) -> None:
    gap = np.zeros(SESSION_RATE_HZ, np.float32)
    sound = np.concatenate([tone(300, 13), gap, tone(900, 12), gap, tone(2000, 13), gap])
    assert len(sound) > 40 * SESSION_RATE_HZ
    (result,) = english.step([TranscribeRequest(audio=sound, wants_words=True)])
    assert result.text.count("Turn on the lights") == 2
    assert result.words[-1].end_s > 26
    assert [word.start_s for word in result.words] == sorted(word.start_s for word in result.words)


def test_more_turns_than_one_batch_takes(write: Writer) -> None:
    for engine in running(write(is_english=True), batch=4):
        asked = requests() * 2
        texts = [result.text for result in engine.step(asked)]
        assert texts == [engine.step([request])[0].text for request in requests()] * 2


def test_a_phantom_is_not_passed_on(write: Writer) -> None:
    for engine in running(write(is_english=True, sentence=" Subtitles by the Amara.org community")):
        assert engine.step([TranscribeRequest(audio=tone(440))])[0].text == ""


def test_a_model_that_does_not_stop_is_cut_off(write: Writer) -> None:
    for engine in running(write(is_english=True, sentence=" again" * 29)):
        (result,) = engine.step([TranscribeRequest(audio=tone(440, 1), wants_words=True)])
        assert result.text == "again"
        assert [word.text for word in result.words] == ["again"]


def test_twenty_sessions_share_one_model(write: Writer) -> None:
    class Counted(Whisper):
        loads = 0

        def load(self) -> None:
            self.loads += 1
            super().load()

    async def talk(engine: Counted) -> list[TranscribeResult]:
        runner = Runner(threads=4)
        await runner.load([engine])
        results: list[TranscribeResult] = [TranscribeResult(text="")] * 20

        async def session(number: int) -> None:
            request = requests()[number % len(SOUNDS)]
            results[number] = await runner.submit(engine, request, deadline_s=anyio.current_time() + 60)

        async with anyio.create_task_group() as sessions:
            for number in range(20):
                sessions.start_soon(session, number)
        await runner.close()
        return results

    engine = Counted(WhisperOptions(model=str(write(is_english=True))))
    results = anyio.run(talk, engine)
    assert engine.loads == 1
    expected = [engine.step([request])[0].text for request in requests()]
    assert [result.text for result in results] == [expected[number % len(SOUNDS)] for number in range(20)]
    engine.close()


def test_several_threads_may_be_in_step(english: Whisper) -> None:
    expected = [english.step([request])[0].text for request in requests()]
    model = english._model
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda request: english.step([request])[0].text, requests() * 3))
    assert results == expected * 3
    assert english._model is model


def test_loading_and_hearing_touch_no_network(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for engine in running(write()):
        assert engine.step(requests()[:1])[0].text


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json"])
def test_a_folder_that_is_not_whole_is_refused(write: Writer, tmp_path: Path, missing: str) -> None:
    folder = shutil.copytree(write(is_english=True), tmp_path / "broken")
    (folder / missing).unlink()
    with pytest.raises(EngineUnavailable, match=f"lacks {missing}.*duologue pull"):
        Whisper(WhisperOptions(model=str(folder))).load()


def test_a_broken_model_is_refused_in_words(write: Writer, tmp_path: Path) -> None:
    folder = shutil.copytree(write(is_english=True), tmp_path / "broken")
    (folder / "model.bin").write_bytes(b"no model at all")
    with pytest.raises(EngineUnavailable, match="cannot be read"):
        Whisper(WhisperOptions(model=str(folder))).load()


def test_what_is_not_loaded_says_so() -> None:
    with pytest.raises(EngineUnavailable, match="call load"):
        Whisper(WhisperOptions()).step(requests()[:1])


def test_auto_takes_int8_on_a_cpu() -> None:
    assert resolve_compute_type("auto", "cpu") == "int8"
    assert resolve_compute_type("float32", "cpu") == "float32"


def test_impossible_arithmetic_names_what_is_possible() -> None:
    assert "int8_float16" not in ctranslate2.get_supported_compute_types("cpu")
    with pytest.raises(ConfigError, match=r"cannot do compute_type int8_float16; it can do: .*float32, int8"):
        resolve_compute_type("int8_float16", "cpu")


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    assert resolve_device("auto") == "cpu"
    with pytest.raises(ConfigError, match="finds no GPU"):
        resolve_device("cuda")


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU")
def test_on_a_cpu_the_runner_gathers_no_batches(english: Whisper) -> None:
    assert english.max_batch == 1
    assert Whisper(WhisperOptions(batch=4)).max_batch == 4


def test_rows_of_the_encoder_are_those_asked_for(write: Writer) -> None:
    options = WhisperOptions(device="cpu")
    model = WhisperModel(write(is_english=True), options)
    encoded = model.encode(np.random.default_rng(0).standard_normal((3, 80, 3000)).astype(np.float32))
    assert rows_of(encoded, [0, 1, 2]) is encoded
    some = np.array(rows_of(encoded, [2, 0]))
    assert np.array_equal(some, np.array(encoded)[[2, 0]])
