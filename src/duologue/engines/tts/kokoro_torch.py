"""Kokoro on torch: batches across sessions, CUDA graphs for what has fixed shapes.

An utterance's noise is drawn from a seed made of the utterance itself. So the same phrase in the same voice sounds
the same each time, alone or in a batch; on another kind of device it has other noise.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from duologue.audio.frame import Float32
from duologue.engines.tts.kokoro_config import read_config
from duologue.engines.tts.kokoro_graphs import Shapes, StaticSound
from duologue.engines.tts.kokoro_net import Spoken, Utterance, check_utterance, cpu_threads
from duologue.engines.tts.kokoro_network import FrameInputs, Network, noise_shape
from duologue.engines.tts.kokoro_weights import fill
from duologue.errors import EngineError
from duologue.options import KokoroOptions


class TorchNet:
    """KokoroNet on torch. ``shapes`` pads frames and rows to fixed sizes; by itself that is done for graphs only.

    On a CPU ``options.threads`` is set for the whole process: torch has no other way. ``dtype`` is for tests: the
    angles of near-silent parts of the spectrum jump by 2 pi for the smallest rounding, so only float64 shows that
    a batch computes what single phrases do.
    """

    def __init__(
        self,
        folder: Path,
        options: KokoroOptions,
        device: str,
        *,
        shapes: Shapes | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device = device
        # On 2 cores four phrases of 1 to 2.6 s cost 3.9 s one by one and 6.6 s together: padding is work there.
        self.max_batch = 1 if device == "cpu" else options.batch
        # One at a time on a GPU: a graph has one set of inputs, and the GPU is busy with one anyway.
        self._turn: AbstractContextManager[object] = threading.Lock() if device != "cpu" else nullcontext()
        self._stream: torch.cuda.Stream | None = None
        self._network: Network | None = _load(folder, device, cpu_threads(options.threads), dtype)
        if device != "cpu":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            # For the weights, which come by another stream. To wait for the whole GPU would spoil a recording that
            # another model's thread may be making.
            self._stream.wait_stream(torch.cuda.current_stream(device))
        records = device != "cpu" and options.cuda_graphs != "off"
        if records and shapes is None:
            shapes = Shapes.up_to(options.batch)
        self._sound: StaticSound | None = None
        with self._on_device():
            if shapes is not None:
                self._sound = StaticSound(self._network, shapes, device)
            if self._sound is not None and records:
                self._sound.record()

    def speak(self, batch: Sequence[Utterance]) -> list[Spoken]:
        """One result an utterance, in order. Raises EngineError for no tokens, more than 510, or a bad style."""
        if not batch:
            return []
        for utterance in batch:
            check_utterance(utterance)
        with self._turn, self._on_device():
            return self._speak(batch)

    def close(self) -> None:
        """Let the weights and the graphs go."""
        with self._turn:
            self._sound = self._network = None

    def _speak(self, batch: Sequence[Utterance]) -> list[Spoken]:
        network = self._network
        if network is None:
            raise EngineError("the Kokoro network is closed")
        counts = [len(utterance.tokens) + 2 for utterance in batch]
        style = torch.from_numpy(np.stack([utterance.style for utterance in batch])).to(self.device, network.dtype)
        reading = network.read(_ids(batch).to(self.device), style, counts)
        frames = _whole_frames(reading.durations.cpu().numpy(), batch, counts)
        totals = [int(row.sum()) for row in frames]
        ends = torch.from_numpy(np.cumsum(frames, axis=1)).to(self.device)
        text, prosody = network.lay_out(reading, ends, totals)
        inputs = FrameInputs(text, prosody, style, self._noise(network, batch, totals), _rows(totals, self.device))
        sound = (self._sound or network.sound)(inputs).cpu().numpy()
        return [
            Spoken(_cut(sound[row], total * network.frame_samples), tuple(map(int, frames[row, : counts[row]])))
            for row, total in enumerate(totals)
        ]

    def _noise(self, network: Network, batch: Sequence[Utterance], totals: Sequence[int]) -> Tensor:
        noise = torch.zeros(len(batch), *noise_shape(network, max(totals)), device=self.device, dtype=network.dtype)
        for row, (utterance, total) in enumerate(zip(batch, totals, strict=True)):
            noise[row, : total * network.frame_samples] = utterance_noise(
                utterance, noise_shape(network, total), self.device
            )
        return noise

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        """No gradients, and on a GPU a stream of our own: another model's work does not queue before ours."""
        with torch.inference_mode(), nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            yield


def utterance_noise(utterance: Utterance, shape: tuple[int, int], device: str) -> Tensor:
    """Standard normal, [samples, 9], from a seed made of the tokens, the style and the speed."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(np.array(utterance.tokens, np.int64).tobytes())
    digest.update(np.asarray(utterance.style, np.float32).tobytes())
    digest.update(np.float64(utterance.speed).tobytes())
    # A seed is a signed 64-bit number.
    seed = int.from_bytes(digest.digest(), "little") >> 1
    return torch.randn(shape, generator=torch.Generator(device).manual_seed(seed), device=device)


def _load(folder: Path, device: str, threads: int, dtype: torch.dtype) -> Network:
    with torch.device("meta"):
        network = Network(read_config(folder))
    fill(network, folder, dtype)
    if device == "cpu":
        torch.set_num_threads(threads)
    return network.eval().requires_grad_(False).to(device, dtype)


def _ids(batch: Sequence[Utterance]) -> Tensor:
    ids = torch.zeros(len(batch), max(len(utterance.tokens) for utterance in batch) + 2, dtype=torch.int64)
    for row, utterance in enumerate(batch):
        ids[row, 1 : len(utterance.tokens) + 1] = torch.tensor(utterance.tokens)
    return ids


def _whole_frames(durations: Float32, batch: Sequence[Utterance], counts: Sequence[int]) -> NDArray[np.int64]:
    """Frames [b, l]: at least one a token, none beyond a row's end."""
    frames = np.zeros(durations.shape, np.int64)
    for row, (utterance, count) in enumerate(zip(batch, counts, strict=True)):
        spoken = durations[row, :count] / np.float32(utterance.speed)
        frames[row, :count] = np.maximum(np.rint(spoken), 1)
    return frames


def _rows(totals: Sequence[int], device: str) -> Tensor | None:
    """The true lengths, or None where no row needs them."""
    return None if min(totals) == max(totals) else torch.tensor(totals, device=device)


def _cut(row: Float32, samples: int) -> Float32:
    """A row's true part, in memory of its own, so that the batch can go."""
    return row[:samples].copy()
