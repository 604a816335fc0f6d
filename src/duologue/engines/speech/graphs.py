"""Steps of a decoder in a few fixed shapes, so that a GPU can replay them as recorded.

A step launches hundreds of small kernels, and launching costs more than running them; a CUDA graph launches them
all at once. It needs the same shapes and addresses each time: numbers of rows and positions looked at are rounded
up, lanes without a row step the spare row, and what changes goes into buffers that stay where they are. Without a
GPU the same function is called on the same buffers, unrecorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from duologue.engines.speech.voxtral_memory import STEP_ROWS

if TYPE_CHECKING:
    from torch import Tensor

    from duologue.engines.speech.rows import Step

# (tokens [b], rows [b], lengths [b], view) -> logits [b, vocabulary]
_StepFunction = Callable[["Tensor", "Tensor", "Tensor", int], "Tensor"]
_LEAST_VIEW = 1024


def sizes_up_to(rows: int) -> tuple[int, ...]:
    """Numbers of lanes: 1, 2, 4 ... until ``rows`` fit, 64 at most."""
    sizes = [1]
    while sizes[-1] < min(rows, STEP_ROWS):
        sizes.append(2 * sizes[-1])
    return tuple(sizes)


def views_up_to(row_tokens: int) -> tuple[int, ...]:
    """Numbers of positions looked at: 1024, 2048 ... ``row_tokens``."""
    views = []
    view = _LEAST_VIEW
    while view < row_tokens:
        views.append(view)
        view *= 2
    return (*views, row_tokens)


class FixedSteps:
    """Runs ``step`` in fixed shapes; rows without work are never touched."""

    def __init__(self, step: _StepFunction, rows: int, row_tokens: int, *, spare_row: int, device: str) -> None:
        self._step = step
        self._sizes, self._views = sizes_up_to(rows), views_up_to(row_tokens)
        self._spare_lane = (0, spare_row, 0)
        self._graphs: dict[tuple[int, int], tuple[Any, Tensor]] = {}
        is_gpu = device != "cpu"
        # A lane a row, so that the first few are one stretch of memory: only such is copied straight to the GPU.
        self._given = torch.zeros((self._sizes[-1], 3), dtype=torch.int64, pin_memory=is_gpu)
        self._buffer = self._given.to(device, copy=True)

    @property
    def most(self) -> int:
        """Rows that one run takes."""
        return self._sizes[-1]

    def __call__(self, steps: Sequence[Step]) -> Tensor:
        """Logits [n, vocabulary] of up to ``most`` steps, good until the next call."""
        size = next(size for size in self._sizes if size >= len(steps))
        view = next(view for view in self._views if view > max(step.length for step in steps))
        lanes = [(step.token, step.row, step.length) for step in steps]
        self._give(lanes + [self._spare_lane] * (size - len(steps)))
        return self._run(size, view)[: len(steps)]

    def record(self) -> None:
        """Record every shape, the largest first: the others then find room in its memory. For a GPU only."""
        self._give([self._spare_lane] * self._sizes[-1])
        cuda: Any = torch.cuda
        pool = cuda.graph_pool_handle()
        for size in reversed(self._sizes):
            for view in reversed(self._views):
                self._warm_up(cuda, size, view)
                graph = cuda.CUDAGraph()
                # What other threads do with the GPU meanwhile is theirs and must not spoil the recording.
                with cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
                    logits = self._run(size, view)
                self._graphs[size, view] = (graph, logits)

    def close(self) -> None:
        """Forget the recordings and their memory."""
        self._graphs.clear()

    def _warm_up(self, cuda: Any, size: int, view: int) -> None:
        """Libraries set themselves up on the first run, which must not be recorded. Its memory is given back: the
        recording takes as much of its own.

        On the stream in use: on each stream of its own cuBLAS would keep 32 MiB of a Hopper GPU for good.
        """
        self._run(size, view)
        cuda.synchronize()
        cuda.empty_cache()

    def _run(self, size: int, view: int) -> Tensor:
        if recorded := self._graphs.get((size, view)):
            graph, logits = recorded
            graph.replay()
            return logits
        tokens, rows, lengths = self._buffer[:size].T.contiguous()
        return self._step(tokens, rows, lengths, view)

    def _give(self, lanes: Sequence[tuple[int, int, int]]) -> None:
        """Put the lanes into the buffers. The pinned memory is free: the last call's tokens were read before this."""
        self._given[: len(lanes)] = torch.tensor(lanes, dtype=torch.int64)
        self._buffer[: len(lanes)].copy_(self._given[: len(lanes)], non_blocking=True)
