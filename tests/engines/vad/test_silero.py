from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from duologue.audio.frame import Float32
from duologue.engines.base import VAD_WINDOW_SAMPLES, VadRequest, VadState
from duologue.engines.vad.silero import SileroVad, batched_graph
from duologue.errors import EngineUnavailable

SENTENCE = "Good morning, I would like to book a table for two people this evening."


@pytest.fixture(scope="module")
def vad() -> Iterator[SileroVad]:
    engine = SileroVad()
    engine.load()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def speech(spoken: Callable[[str], Float32]) -> Float32:
    return windows_of(spoken(SENTENCE))


def windows_of(sound: Float32) -> Float32:
    return sound[: len(sound) // VAD_WINDOW_SAMPLES * VAD_WINDOW_SAMPLES].reshape(-1, VAD_WINDOW_SAMPLES)


def silence(windows: int) -> Float32:
    return np.zeros((windows, VAD_WINDOW_SAMPLES), np.float32)


def test_speech_is_found_and_silence_is_not(vad: SileroVad, speech: Float32) -> None:
    (result,) = vad.step([VadRequest(windows=np.concatenate([silence(20), speech, silence(20)]))])
    probs = result.speech_probs
    assert probs.dtype == np.float32
    assert probs.shape == (len(speech) + 40,)
    assert probs[2:20].max() < 0.2
    assert np.median(probs[20:-20]) > 0.8
    assert probs[-10:].max() < 0.2


def test_state_carries_a_stream_from_request_to_request(vad: SileroVad, speech: Float32) -> None:
    (whole,) = vad.step([VadRequest(windows=speech)])
    state: VadState | None = None
    probs: list[float] = []
    for window in speech:
        (result,) = vad.step([VadRequest(windows=window[None], state=state)])
        probs += result.speech_probs.tolist()
        state = result.state
    assert probs == whole.speech_probs.tolist()


def test_a_batch_of_streams_equals_each_alone(vad: SileroVad, speech: Float32) -> None:
    requests = [VadRequest(windows=speech[start : start + 1 + start * 3 % 8]) for start in range(9)]
    for together, request in zip(vad.step(requests), requests, strict=True):
        (alone,) = vad.step([request])
        np.testing.assert_allclose(together.speech_probs, alone.speech_probs, atol=1e-6)
        assert together.state is not None
        assert alone.state is not None
        np.testing.assert_allclose(together.state.hidden, alone.state.hidden, atol=1e-5)
        np.testing.assert_array_equal(together.state.context, alone.state.context)


def test_the_rewritten_graph_agrees_with_the_original(vad: SileroVad, speech: Float32) -> None:
    from duologue.engines.weights import onnx_session, packaged_file

    original = onnx_session(packaged_file("faster_whisper", "assets/silero_vad_v6.onnx"))
    context = np.zeros((len(speech), 64), np.float32)
    context[1:] = speech[:-1, -64:]
    zero = np.zeros((1, 1, 128), np.float32)
    probs, _, _ = original.run(None, {"input": np.concatenate([context, speech], axis=1), "h": zero, "c": zero})
    nothing = VadState(hidden=np.zeros((2, 128), np.float32), context=np.zeros(64, np.float32))
    (result,) = vad.step([VadRequest(windows=speech, state=nothing)])
    np.testing.assert_allclose(result.speech_probs, probs, atol=1e-6)


def test_a_stream_begins_as_after_a_second_of_silence(vad: SileroVad, speech: Float32) -> None:
    nothing = VadState(hidden=np.zeros((2, 128), np.float32), context=np.zeros(64, np.float32))
    (late,) = vad.step([VadRequest(windows=np.concatenate([silence(31), speech]), state=nothing)])
    (fresh,) = vad.step([VadRequest(windows=speech)])
    np.testing.assert_allclose(fresh.speech_probs, late.speech_probs[31:], atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_a_broken_window_does_not_poison_the_stream(vad: SileroVad, speech: Float32, bad: float) -> None:
    broken = np.full((1, VAD_WINDOW_SAMPLES), bad, np.float32)
    (result,) = vad.step([VadRequest(windows=np.concatenate([broken, speech]))])
    assert np.isfinite(result.speech_probs).all()
    assert np.median(result.speech_probs[1:]) > 0.8


def test_nothing_in_nothing_out(vad: SileroVad) -> None:
    assert vad.step([]) == []
    (result,) = vad.step([VadRequest(windows=silence(0))])
    assert result.speech_probs.shape == (0,)
    assert result.state is not None


def test_an_unknown_export_is_refused() -> None:
    with pytest.raises(EngineUnavailable, match="pip install"):
        batched_graph(b"another model")


def test_before_load_it_says_so() -> None:
    with pytest.raises(EngineUnavailable, match="load"):
        SileroVad().step([VadRequest(windows=silence(1))])
