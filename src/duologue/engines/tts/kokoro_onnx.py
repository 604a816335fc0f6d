"""Kokoro on onnxruntime: for a CPU, with no torch.

The graph is the published export: one phrase a run, noise drawn inside, so that two runs of a phrase differ in
their breath. The timestamped export also gives each token's duration, not yet whole; here they become frames as
in the network itself: rounded, at least one. From an export without them the frames are a guess: the sound's
length shared out by kind of phoneme (see ``guessed_frames``), good enough to say which word is being spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duologue.audio.frame import Float32
from duologue.engines.tts.kokoro_net import FRAME_SAMPLES, Spoken, Utterance, check_utterance, cpu_threads
from duologue.engines.weights import install_hint
from duologue.errors import EngineError, EngineUnavailable
from duologue.options import KokoroOptions

# Where exports keep their graph, the likeliest first.
_GRAPHS = ("onnx/model.onnx", "model.onnx", "onnx/*.onnx", "*.onnx")
# Ids of Kokoro's vocabulary, and how long they are beside a plain phoneme: the marks of stress are not sounds;
# a space is hardly heard; a long vowel's mark adds to it; sentence marks are pauses, as are the pads.
_LENGTHS = {0: 3.0, 16: 0.4, 156: 0.1, 157: 0.1, 158: 0.7, **dict.fromkeys((1, 2, 3, 4, 5, 6, 9, 10), 3.0)}


class OnnxNet:
    """KokoroNet on onnxruntime. Several utterances are spoken one after the other: a batch gains nothing here."""

    max_batch = 1
    device = "cpu"

    def __init__(self, folder: Path, options: KokoroOptions) -> None:
        session = _session(graph_file(folder), cpu_threads(options.threads))
        self._session: Any = session
        names = [each.name for each in session.get_inputs()]
        self._tokens = _named(names, ("input_ids", "tokens"), folder)
        self._style = _named(names, ("style", "ref_s"), folder)
        self._speed = _named(names, ("speed",), folder)
        self._speed_is_whole = session.get_inputs()[names.index(self._speed)].type == "tensor(int32)"
        outputs = [each.name for each in session.get_outputs()]
        self._outputs = [next((name for name in outputs if "dur" not in name), outputs[0])]
        self._outputs += [name for name in outputs if "dur" in name][:1]

    @property
    def is_timed(self) -> bool:
        """Whether ``Spoken.frames`` are the network's own and not a guess."""
        return len(self._outputs) > 1

    def speak(self, batch: Sequence[Utterance]) -> list[Spoken]:
        """One result an utterance, in order. Raises EngineError for no tokens, more than 510, or a bad style."""
        return [self._speak(utterance) for utterance in batch]

    def close(self) -> None:
        """Let the graph go."""
        self._session = None

    def _speak(self, utterance: Utterance) -> Spoken:
        check_utterance(utterance)
        session = self._session
        if session is None:
            raise EngineError("the Kokoro network is closed")
        ids = (0, *utterance.tokens, 0)
        feed = {
            self._tokens: np.array([ids], np.int64),
            self._style: np.asarray(utterance.style, np.float32)[None],
            self._speed: self._speed_of(utterance),
        }
        waveform, *durations = session.run(self._outputs, feed)
        samples = np.ascontiguousarray(waveform.reshape(-1), np.float32)
        if durations:
            return Spoken(samples, whole_frames(durations[0].reshape(-1)))
        return Spoken(samples, guessed_frames(ids, len(samples)))

    def _speed_of(self, utterance: Utterance) -> NDArray[Any]:
        """Some exports were traced with a whole number, and know only 1, 2 and so on."""
        if self._speed_is_whole:
            return np.array([max(1, round(utterance.speed))], np.int32)
        return np.array([utterance.speed], np.float32)


def graph_file(folder: Path) -> Path:
    """The graph to load. Raises EngineUnavailable."""
    for pattern in _GRAPHS:
        for path in sorted(folder.glob(pattern)):
            return path
    raise EngineUnavailable(f"{folder} holds no .onnx file of Kokoro: run: duologue pull kokoro-onnx")


def whole_frames(durations: Float32) -> tuple[int, ...]:
    """Durations as the network gives them -> frames as it uses them: ties go to even, and each token has one."""
    return tuple(int(frames) for frames in np.maximum(np.rint(durations), 1))


def guessed_frames(ids: Sequence[int], samples: int) -> tuple[int, ...]:
    """Frames a token that sum to ``samples``, in proportion to how long each kind of phoneme is."""
    lengths = np.array([_LENGTHS.get(each, 1.0) for each in ids])
    ends = np.rint(np.cumsum(lengths) / lengths.sum() * (samples // FRAME_SAMPLES))
    return tuple(int(frames) for frames in np.diff(ends, prepend=0))


def _session(graph: Path, threads: int) -> Any:
    """The graph on ``threads`` threads that do not spin: between phrases other engines want the cores."""
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures
    except ImportError as error:
        raise EngineUnavailable(f"onnxruntime is not installed: {install_hint('onnxruntime')}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    unreadable = (failures.Fail, failures.InvalidGraph, failures.InvalidProtobuf, failures.NoSuchFile)
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except (*unreadable, RuntimeError, ValueError) as error:
        raise EngineUnavailable(f"onnxruntime cannot read {graph}: pull the model again") from error


def _named(names: Sequence[str], wanted: Sequence[str], folder: Path) -> str:
    for name in wanted:
        if name in names:
            return name
    raise EngineUnavailable(f"the graph in {folder} takes {', '.join(names)}: that is no export of Kokoro known here")
