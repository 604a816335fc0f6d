"""What ``/metrics`` shows: counted on the event loop as it happens, written out when somebody asks."""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from typing import Literal

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from duologue import telemetry
from duologue.engines.client import StageStats
from duologue.telemetry import Metric

# The operator's page shows the last turns, not all since the start; of the loop's lag this is half a minute.
RECENT_TURNS = 512

# Of OpenMetrics, once, at the end.
END = b"# EOF\n"

Labels = tuple[str, ...]


class Recent(msgspec.Struct, frozen=True):
    """One stage over the last turns. ``count``: of how many, at most ``RECENT_TURNS``."""

    p50_ms: float
    p95_ms: float
    count: int


class Histogram:
    """Counts by upper bound. 0.2 us an observation, where prometheus_client's, which locks, takes 1.1: the engines
    make three of them a step."""

    __slots__ = ("bounds", "counts", "recent", "sum")

    def __init__(self, bounds: tuple[float, ...], recent: int = 0) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.recent: deque[float] = deque(maxlen=recent)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Bound and how many were at most that, as Prometheus counts."""
        bounds = [*map(floatToGoString, self.bounds), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


class _Engine:
    """An engine's histograms, found by one look."""

    __slots__ = ("batch", "queue", "step")

    def __init__(self, step: Histogram, batch: Histogram, queue: Histogram) -> None:
        self.step, self.batch, self.queue = step, batch, queue


class Metrics(Collector):
    """The metrics of one server, and the ``Observer`` of its engines.

    To be called on the event loop, and scraped there: nothing is locked.
    """

    stages: Mapping[str, Metric] = {
        "voice_to_voice": telemetry.VOICE_TO_VOICE,
        telemetry.ENDPOINTING_SPAN: telemetry.ENDPOINTING,
        telemetry.TRANSCRIPTION_SPAN: telemetry.TRANSCRIPTION,
        telemetry.FIRST_TOKEN_SPAN: telemetry.FIRST_TOKEN,
        telemetry.FIRST_AUDIO_SPAN: telemetry.FIRST_AUDIO,
        "interruption_stop": telemetry.INTERRUPTION_STOP,
        "overlap_verdict": telemetry.OVERLAP_VERDICT,
        "loop_lag": telemetry.LOOP_LAG,
    }

    def __init__(self) -> None:
        self.profile = ""
        self._counts: dict[Metric, dict[Labels, float]] = {}
        self._histograms: dict[Metric, dict[Labels, Histogram]] = {}
        self._gauges: dict[Metric, Callable[[], float]] = {}
        self._engines: dict[str, _Engine] = {}
        self._stats: Callable[[], Mapping[str, StageStats]] = dict
        for metric in (each for each in telemetry.METRICS if not each.labels):
            if metric.kind == "counter":
                self._counts[metric] = {(): 0.0}
            elif metric.kind == "histogram":
                self._histogram(metric)
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    # What the engines tell.

    def stepped(self, engine: str, seconds: float, batch: int) -> None:
        """One step of so many requests took so long."""
        told = self._engines.get(engine) or self._engine(engine)
        told.step.observe(seconds)
        told.batch.observe(batch)

    def queued(self, engine: str, seconds: float) -> None:
        """A request waited so long before its step began."""
        told = self._engines.get(engine) or self._engine(engine)
        told.queue.observe(seconds)

    def dropped(self, engine: str, reason: Literal["cancelled", "expired", "failed"]) -> None:
        """A request got no result."""
        self.count(telemetry.ENGINE_DROPPED, engine, reason)

    # What the server tells.

    def admitted(self, result: Literal["admitted", "queued", "refused"], reason: str = "") -> None:
        """A client asked for a conversation. ``reason``: of a refusal, the error's code."""
        self.count(telemetry.ADMISSIONS, result, reason)

    def loop_lag(self, seconds: float) -> None:
        """The event loop came so late to a timer."""
        self.observe(telemetry.LOOP_LAG, seconds)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """``by`` more of a counter; ``labels`` in the metric's order, from a small set, never anybody's words."""
        counts = self._counts.setdefault(metric, {})
        counts[labels] = counts.get(labels, 0.0) + by

    def observe(self, metric: Metric, seconds: float) -> None:
        """One more of a histogram without labels."""
        told = self._histograms[metric][()]
        told.observe(seconds)
        told.recent.append(seconds)

    def counted(self, metric: Metric) -> dict[Labels, float]:
        """A counter so far, by its labels."""
        return dict(self._counts.get(metric, {}))

    def show(self, metric: Metric, read: Callable[[], float]) -> None:
        """A gauge: ``read`` is asked when somebody looks, and must be quick."""
        self._gauges[metric] = read

    def show_engines(self, stats: Callable[[], Mapping[str, StageStats]]) -> None:
        """Where the engines' queues can be read."""
        self._stats = stats

    def recent(self) -> dict[str, Recent]:
        """By stage, over the last turns, and of the loop's lag the last looks; what has not happened yet is absent."""
        kept = {stage: sorted(self._histograms[metric][()].recent) for stage, metric in self.stages.items()}
        return {stage: _recent(seconds) for stage, seconds in kept.items() if seconds}

    # What is asked of it.

    def scrape(self, accept: str) -> tuple[Iterator[bytes], str]:
        """All of it, a metric at a time, in the format that ``accept`` (of HTTP) asks for; and its content type."""
        encode, content_type = choose_encoder(accept)
        return _pages(self.registry, encode), content_type

    def describe(self) -> Iterator[Family]:
        """Nothing: registering must not read what is not there yet."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """As prometheus_client wants it. Of what has labels only those that were seen."""
        for metric in telemetry.METRICS:
            if metric.kind == "histogram":
                yield self._histogram_family(metric)
            elif metric.kind == "counter":
                counted = CounterMetricFamily(metric.name.removesuffix("_total"), metric.tells, labels=metric.labels)
                for labels, value in self._counts.get(metric, {}).items():
                    counted.add_metric(labels, value)
                yield counted
            elif values := list(self._read(metric)):
                gauge = GaugeMetricFamily(metric.name, metric.tells, labels=metric.labels)
                for labels, value in values:
                    gauge.add_metric(labels, value)
                yield gauge

    def _read(self, metric: Metric) -> Iterable[tuple[Labels, float]]:
        if metric is telemetry.BUILD:
            yield (release(), platform.python_version(), self.profile), 1
        elif metric is telemetry.ENGINE_WAITING:
            # One engine may serve several stages.
            waiting = {stats.engine: stats.waiting for stats in self._stats().values()}
            yield from (((engine,), count) for engine, count in waiting.items())
        elif metric in self._gauges:
            yield (), self._gauges[metric]()

    def _histogram_family(self, metric: Metric) -> Family:
        family = HistogramMetricFamily(metric.name, metric.tells, labels=metric.labels)
        for labels, told in self._histograms.get(metric, {}).items():
            family.add_metric(labels, told.buckets(), told.sum)
        return family

    def _histogram(self, metric: Metric, *labels: str) -> Histogram:
        told = Histogram(metric.buckets, RECENT_TURNS if metric in self.stages.values() else 0)
        return self._histograms.setdefault(metric, {}).setdefault(labels, told)

    def _engine(self, engine: str) -> _Engine:
        kinds = (telemetry.ENGINE_STEP, telemetry.ENGINE_BATCH, telemetry.ENGINE_QUEUE)
        return self._engines.setdefault(engine, _Engine(*(self._histogram(kind, engine) for kind in kinds)))


class _Alone(CollectorRegistry):
    """One metric that is to be written."""

    def __init__(self, family: Family) -> None:
        super().__init__()
        self._family = family

    def collect(self) -> Iterator[Family]:
        yield self._family


def _pages(registry: CollectorRegistry, encode: Callable[[Collector], bytes]) -> Iterator[bytes]:
    """In parts, so that others may go in between: OpenMetrics of 400 series takes 6 ms, its longest part 1.5."""
    end = b""
    for family in registry.collect():
        page = encode(_Alone(family))
        if page.endswith(END):
            page, end = page.removesuffix(END), END
        yield page
    yield end


def _recent(seconds: list[float]) -> Recent:
    """``seconds`` sorted; the nearest rank."""
    last = len(seconds) - 1
    return Recent(
        p50_ms=round(seconds[round(last * 0.5)] * 1000, 1),
        p95_ms=round(seconds[round(last * 0.95)] * 1000, 1),
        count=len(seconds),
    )


@cache
def release() -> str:
    """The version that is installed, "" where none is."""
    try:
        return version("duologue")
    except PackageNotFoundError:
        return ""
