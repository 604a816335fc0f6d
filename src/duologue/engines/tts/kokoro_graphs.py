"""Fixed shapes for the half of Kokoro that makes sound, and CUDA graphs that replay them.

The network is some 1,800 kernels whatever the length, so for a short phrase a GPU waits for Python to launch them.
A recorded graph is launched at once, but only with the shapes and the memory it was recorded with. So the inputs
are padded to the next of a few sizes. Padding costs arithmetic that an idle GPU has, and changes nothing that is
heard: see ``kokoro_layers``. On a CPU nothing is recorded; the padding works there, too, which is how it is tested.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from duologue.engines.tts.kokoro_network import FrameInputs, Network, noise_shape

# 0.5, 1, 2, 4 and 8 s.
_FRAMES = (20, 40, 80, 160, 320)
# 16 s of sound in one step keep a GPU busy without a graph, which would hold the memory for them ever after.
_MOST = 640
# cuDNN and cuBLAS choose algorithms and take workspace on the first runs, which must not be recorded.
_WARM_UPS = 2


class Shapes(NamedTuple):
    """The sizes that inputs are padded to: ``rows`` and ``frames`` in rising order, ``most`` for their product."""

    rows: tuple[int, ...]
    frames: tuple[int, ...] = _FRAMES
    most: int = _MOST

    @classmethod
    def up_to(cls, batch: int) -> Shapes:
        """Rows 1, 2, 4, ... and ``batch``."""
        return cls((*(2**power for power in range(batch.bit_length()) if 2**power < batch), batch))

    def sizes(self) -> list[tuple[int, int]]:
        """Rows and frames of every size, the smallest first."""
        sizes = [(rows, frames) for frames in self.frames for rows in self.rows if rows * frames <= self.most]
        return sorted(sizes, key=lambda size: size[0] * size[1])

    def fit(self, rows: int, frames: int) -> tuple[int, int] | None:
        """The smallest size that holds this many, None where none does."""
        return next((size for size in self.sizes() if size[0] >= rows and size[1] >= frames), None)


class _Recorded(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: FrameInputs
    sound: Tensor


class StaticSound:
    """``Network.sound`` on inputs padded to ``shapes``. To be called by one thread at a time."""

    def __init__(self, network: Network, shapes: Shapes, device: str) -> None:
        self._network = network
        self._shapes = shapes
        self._device = device
        self._recorded: dict[tuple[int, int], _Recorded] = {}

    def __call__(self, inputs: FrameInputs) -> Tensor:
        """-> sound with the rows of ``inputs``, at least as long as theirs. Beyond the largest size: unpadded."""
        rows, frames = inputs.text.shape[0], inputs.text.shape[2]
        size = self._shapes.fit(rows, frames)
        if size is None:
            return self._network.sound(inputs)
        recorded = self._recorded.get(size)
        if recorded is None:
            padded = self._blank(*size)
            _pour(inputs, padded)
            return self._network.sound(padded)[:rows]
        _pour(inputs, recorded.inputs)
        recorded.graph.replay()
        return recorded.sound[:rows]

    def record(self) -> None:
        """Record a graph for every size. Largest first: the smaller ones then fit into its memory, which all share.

        Only on a GPU, on the stream that is current.
        """
        pool = torch.cuda.graph_pool_handle()
        stream = torch.cuda.current_stream()
        for size in reversed(self._shapes.sizes()):
            inputs = self._blank(*size)
            for _ in range(_WARM_UPS):
                self._network.sound(inputs)
            stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # thread_local: other models' threads may allocate and copy while this one records.
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                sound = self._network.sound(inputs)
            self._recorded[size] = _Recorded(graph, inputs, sound)

    def _blank(self, rows: int, frames: int) -> FrameInputs:
        """Inputs of this size with every row one frame long: a length of nothing would divide by it."""
        config = self._network.config

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, device=self._device, dtype=self._network.dtype)

        return FrameInputs(
            text=zeros(rows, config.hidden_dim, frames),
            prosody=zeros(rows, config.hidden_dim, frames),
            style=zeros(rows, 2 * config.style_dim),
            noise=zeros(rows, *noise_shape(self._network, frames)),
            frames=torch.ones(rows, dtype=torch.int64, device=self._device),
        )


def _pour(inputs: FrameInputs, into: FrameInputs) -> None:
    """Copy into the corner, zeros beyond. Rows that are left over keep what was there: nobody reads their sound."""
    assert into.frames is not None  # blanks always have lengths
    rows, frames = inputs.text.shape[0], inputs.text.shape[2]
    for source, target in ((inputs.text, into.text), (inputs.prosody, into.prosody)):
        target[:rows, :, :frames] = source
        target[:rows, :, frames:] = 0
    into.style[:rows] = inputs.style
    into.noise[:rows, : inputs.noise.shape[1]] = inputs.noise
    into.noise[:rows, inputs.noise.shape[1] :] = 0
    into.frames[:rows] = frames if inputs.frames is None else inputs.frames
