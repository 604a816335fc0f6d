"""Speech made slower without making it deeper, for what no synthesizer does.

espeak-ng says no fewer than 80 words a minute, 0.47 of its normal speed, and exports of Kokoro that know whole speeds
only say nothing slower than 1. ffmpeg's ``atempo`` (https://ffmpeg.org/ffmpeg-filters.html#atempo), overlapped and
added by likeness, takes up the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16

# What is left to the synthesizers; also the least that the filter takes.
SLOWEST = 0.5


class Tempo:
    """Sound at ``factor`` of its speed, from 0.5 to 1; at 1 it is left as it is. int16 mono at 24 kHz. Blocks for a
    millisecond or so."""

    def __init__(self, factor: float) -> None:
        self._graph: Any = _graph(factor) if factor < 1 else None
        self._samples = 0

    def push(self, pcm: Int16) -> Int16:
        """What is complete with ``pcm``."""
        if self._graph is None or not len(pcm):
            return pcm
        import av

        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm)[None], format="s16", layout="mono")
        frame.rate = VOICE_RATE_HZ
        frame.pts = self._samples
        self._samples += len(pcm)
        self._graph.push(frame)
        return self._pulled()

    def finish(self) -> Int16:
        """The rest."""
        if self._graph is None or not self._samples:
            return np.zeros(0, np.int16)
        self._graph.push(None)
        return self._pulled()

    def _pulled(self) -> Int16:
        from av.error import BlockingIOError as NothingYet
        from av.error import EOFError as NothingMore

        parts: list[Int16] = []
        while True:
            try:
                parts.append(self._graph.pull().to_ndarray()[0])
            except (NothingYet, NothingMore):
                return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def _graph(factor: float) -> Any:
    from av.filter import Graph

    graph: Any = Graph()
    source = graph.add_abuffer(
        sample_rate=VOICE_RATE_HZ, format="s16", layout="mono", time_base=f"1/{VOICE_RATE_HZ}"
    )  # fmt: skip
    slower, sink = graph.add("atempo", f"{factor:.4f}"), graph.add("abuffersink")
    source.link_to(slower)
    slower.link_to(sink)
    graph.configure()
    return graph
