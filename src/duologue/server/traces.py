"""A trace of each turn for an OpenTelemetry collector: one span a turn, a child a stage.

The spans are made when the turn's answer is over, from the times that were taken as it went; nothing is kept open
meanwhile. A thread of its own sends them, in batches (OTLP over HTTP). A collector that is away loses its traces;
nobody waits for it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import structlog

from duologue import telemetry
from duologue.config import Settings
from duologue.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = structlog.get_logger(__name__)

# The standard's own names, read where the setting is absent.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PATH = "/v1/traces"
FLUSH_S = 2.0
# A person who looks at traces waits so long for the turn that was just taken.
EVERY_MS = 2_000.0
# One try of a batch; the next batch is a new one.
SEND_S = 5.0
MISSING = 'Traces need OpenTelemetry: pip install "duologue[otel]", or leave out {}.'


@dataclass(frozen=True)
class Stretch:
    """A stage of a turn. ``from_ms``, ``to_ms``: since the last sound of the user's speech."""

    name: str
    from_ms: float
    to_ms: float
    engine: str = ""


class Traces:
    """Where turns are told. ``send`` gets the spans, in its own thread, and may fail."""

    def __init__(self, send: SpanExporter, labels: Mapping[str, str]) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._send = send
        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create({"service.name": "duologue", **labels}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(send, schedule_delay_millis=EVERY_MS))
        self._tracer = self._provider.get_tracer("duologue")

    def turn(self, stages: Sequence[Stretch], *, ended_ns: int, took_ms: float, labels: Mapping[str, str]) -> None:
        """A whole turn. ``ended_ns``: the last sound of the user's speech, in nanoseconds of the calendar."""
        from opentelemetry.trace import set_span_in_context

        whole = self._tracer.start_span(telemetry.TURN_SPAN, start_time=ended_ns, attributes=labels)
        inside = set_span_in_context(whole)
        for stage in stages:
            engine = {telemetry.ENGINE_ATTRIBUTE: stage.engine} if stage.engine else {}
            part = self._tracer.start_span(
                stage.name, inside, start_time=ended_ns + _ns(stage.from_ms), attributes=engine
            )
            part.end(ended_ns + _ns(stage.to_ms))
        whole.end(ended_ns + _ns(took_ms))

    def flush(self) -> None:
        """Send what waits, in this thread."""
        self._provider.force_flush()

    async def aclose(self, within_s: float = FLUSH_S) -> None:
        """Send what waits, if it goes within that time."""
        flush = threading.Thread(target=self._provider.shutdown, name="traces-flush", daemon=True)
        flush.start()
        # The last spans are of conversations that are over; whoever stops the server does not wait for them.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(flush.join, within_s)
            if flush.is_alive():
                # Ends the wait between two tries.
                await anyio.to_thread.run_sync(self._send.shutdown)


def open_traces(settings: Settings, labels: Mapping[str, str] | None = None) -> Traces | None:
    """Where an endpoint is configured, else None, and nothing is imported. Raises ConfigError."""
    found = next((name for name in ENDPOINTS if os.environ.get(name)), "")
    if settings.otlp_endpoint is None and not found:
        return None
    # None: the exporter reads the environment itself.
    endpoint = None if settings.otlp_endpoint is None else _url(settings.otlp_endpoint)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise ConfigError(MISSING.format("otlp_endpoint" if endpoint else found)) from None
    # It tells of every batch that fails, with all that urllib3 has to say of it.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return Traces(_once_told(OTLPSpanExporter(endpoint, timeout=SEND_S)), labels or {})


def _url(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError("otlp_endpoint: expected the URL of a collector, such as http://localhost:4318.")
    return endpoint if parts.path.endswith(PATH) else endpoint.rstrip("/") + PATH


def _once_told(exporter: SpanExporter) -> SpanExporter:
    """``exporter``, and one line in the log when it begins to fail and when it has done with that."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class OnceTold(SpanExporter):
        def __init__(self) -> None:
            self._lost = 0

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = exporter.export(spans)
            if result is not SpanExportResult.SUCCESS:
                if not self._lost:
                    log.warning(telemetry.TRACES_LOST)
                self._lost += len(spans)
            elif self._lost:
                log.info(telemetry.TRACES_BACK, lost=self._lost)
                self._lost = 0
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

    return OnceTold()


def _ns(ms: float) -> int:
    return round(ms * 1_000_000)
