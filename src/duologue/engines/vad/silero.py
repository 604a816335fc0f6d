"""Silero VAD 6 on onnxruntime: is there speech in these 32 ms?

The weights are the ``silero_vad_v6.onnx`` of the faster-whisper wheel. That export serves one whole recording:
its first axis is time, and its LSTM walks along it with a batch of one. Here windows of many streams must share
a run, so one order of axes and the shapes declared behind it are rewritten as the file is read (see
``batched_graph``); the weights stay as they are. A window costs 0.16 ms alone, 0.06 in a batch of
32, of which onnxruntime takes 0.05.

The network hears 64 samples of the window before together with each 512 new ones; without them its answers
are worth little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from duologue.audio.frame import Float32
from duologue.engines.base import VAD_WINDOW_SAMPLES, VadRequest, VadResult, VadState
from duologue.engines.weights import OnnxSession, install_hint, onnx_session, packaged_file
from duologue.errors import EngineUnavailable

CONTEXT_SAMPLES = 64
HIDDEN_SIZE = 128
# A stream begins as if it had been silent for a second. The memory is never at rest: it drifts through the first
# silence for 20 s. From a second of it 131 recordings' speech is found 6 ms sooner than from none at all, and with six
# seconds 20 ms later than with one.
SETTLED_WINDOWS = 31

# Protobuf wire bytes. An attribute "perm" of three ints, each with field number 8 (tag 0x40): the order of axes
# (window, feature, 1) -> (window, 1, feature), which makes windows the LSTM's time, becomes (1, window, feature),
# which makes them its batch.
_PERM_TIME = b"\x0a\x04perm\x40\x00\x40\x02\x40\x01"
_PERM_BATCH = b"\x0a\x04perm\x40\x02\x40\x00\x40\x01"
# A shape that ends in (1, 128), as the states and all between the encoder and the last layer are declared; the
# "1" (tag 0x08, dim_value) becomes an unnamed size (tag 0x12, dim_param, of length 0).
_ONE_STREAM = b"\x0a\x02\x08\x01\x0a\x03\x08\x80\x01"
_ANY_STREAMS = b"\x0a\x02\x12\x00\x0a\x03\x08\x80\x01"
_ONE_STREAM_COUNT = 9


def batched_graph(model: bytes) -> bytes:
    """The model with streams instead of time as its first axis: ``h`` and ``c`` become [1, n, 128].

    Raises EngineUnavailable for another export than the one these places were found in.
    """
    if model.count(_PERM_TIME) != 1 or model.count(_ONE_STREAM) != _ONE_STREAM_COUNT:
        raise EngineUnavailable(f"another Silero export than the one known here; {install_hint('faster_whisper')}")
    return model.replace(_PERM_TIME, _PERM_BATCH).replace(_ONE_STREAM, _ANY_STREAMS)


class SileroVad:
    """Vad on Silero 6. Recurrent per stream; windows of many streams share a run."""

    name = "silero"
    max_batch = 64
    device = "cpu"
    is_realtime = True

    def __init__(self) -> None:
        self._session: OnnxSession | None = None
        self._settled = VadState(
            hidden=np.zeros((2, HIDDEN_SIZE), np.float32), context=np.zeros(CONTEXT_SAMPLES, np.float32)
        )

    def load(self) -> None:
        """Read, rewrite and warm the model. Raises EngineUnavailable."""
        path = packaged_file("faster_whisper", "assets/silero_vad_v6.onnx")
        self._session = onnx_session(batched_graph(path.read_bytes()))
        silence = np.zeros((SETTLED_WINDOWS, VAD_WINDOW_SAMPLES), np.float32)
        settled = self.step([VadRequest(windows=silence, state=self._settled)])[0].state
        assert settled is not None, "Silero remembers"
        self._settled = settled

    def step(self, requests: Sequence[VadRequest]) -> list[VadResult]:
        """Window i of every request that has one goes into one run; so a batch takes as many runs as its
        longest request has windows. NaN and infinity are heard as silence."""
        if self._session is None:
            raise EngineUnavailable("silero is not loaded: call load() first")
        counts = [len(request.windows) for request in requests]
        streams = _Streams([request.state or self._settled for request in requests])
        if counts and max(counts) == min(counts) == 1:
            # As it is on the air.
            heard = _finite(np.concatenate([request.windows for request in requests]))
            probs = self._run(self._session, streams, slice(None), heard)
            return [VadResult(probs[row : row + 1], streams.state(row)) for row in range(len(requests))]
        windows = [_finite(request.windows) for request in requests]
        results = [np.zeros(count, np.float32) for count in counts]
        for index in range(max(counts, default=0)):
            rows = [row for row, count in enumerate(counts) if index < count]
            heard = np.stack([windows[row][index] for row in rows])
            for row, prob in zip(rows, self._run(self._session, streams, rows, heard).tolist(), strict=True):
                results[row][index] = prob
        return [VadResult(results[row], streams.state(row)) for row in range(len(requests))]

    def cost(self, request: VadRequest) -> float:
        """In windows."""
        return len(request.windows)

    def sample(self) -> VadRequest:
        """One window, of silence: it costs as much as speech."""
        return VadRequest(windows=np.zeros((1, VAD_WINDOW_SAMPLES), np.float32))

    def close(self) -> None:
        """Let the weights go."""
        self._session = None

    def _run(self, session: OnnxSession, streams: _Streams, rows: list[int] | slice, heard: Float32) -> Float32:
        """float32 [n]: of one window each of the streams ``rows``, which remember it."""
        feed = {
            "input": np.concatenate([streams.context[rows], heard], axis=1),
            "h": streams.hidden[:, rows],
            "c": streams.cell[:, rows],
        }
        probs, streams.hidden[:, rows], streams.cell[:, rows] = session.run(None, feed)
        streams.context[rows] = heard[:, -CONTEXT_SAMPLES:]
        result: Float32 = probs
        return result


class _Streams:
    """The memories of a batch's streams, side by side: ``hidden`` and ``cell`` [1, n, 128], ``context`` [n, 64]."""

    def __init__(self, states: Sequence[VadState]) -> None:
        self.hidden, self.cell = np.empty((2, 1, len(states), HIDDEN_SIZE), np.float32)
        self.context = np.empty((len(states), CONTEXT_SAMPLES), np.float32)
        for row, state in enumerate(states):
            self.hidden[0, row], self.cell[0, row] = state.hidden
            self.context[row] = state.context

    def state(self, row: int) -> VadState:
        hidden = np.empty((2, HIDDEN_SIZE), np.float32)
        hidden[0], hidden[1] = self.hidden[0, row], self.cell[0, row]
        return VadState(hidden=hidden, context=self.context[row].copy())


def _finite(windows: Float32) -> Float32:
    if np.isfinite(windows).all():
        return windows
    return np.nan_to_num(windows, nan=0.0, posinf=0.0, neginf=0.0)
