"""Traces of turns, as a collector gets them; and what happens without one."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import anyio
import pytest
from structlog.testing import capture_logs

from duologue import telemetry
from duologue.config import Settings
from duologue.errors import ConfigError
from duologue.events import ReplyTimed
from duologue.server.observe import stretches
from duologue.server.traces import Stretch, Traces, open_traces
from tests.server.caller import calling
from tests.server.collector import collecting
from tests.server.serving import serving

pytestmark = pytest.mark.anyio

# Of a turn whose words came 0.1 s after the speech and whose answer left 0.4 s after it.
ENDED_NS = 1_800_000_000_000_000_000
STAGES = [Stretch("transcription", 0.0, 100.0, "scripted-asr"), Stretch("first_token", 100.0, 250.5)]
IDS = {telemetry.SESSION_ATTRIBUTE, telemetry.REPLY_ATTRIBUTE, telemetry.STATUS_ATTRIBUTE}


@pytest.fixture(autouse=True)
def _no_endpoint_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def opened(url: str) -> Traces:
    traces = open_traces(Settings(otlp_endpoint=url), {"service.version": "7"})
    assert traces is not None
    return traces


def take_turn(traces: Traces) -> None:
    traces.turn(STAGES, ended_ns=ENDED_NS, took_ms=400.0, labels={telemetry.STATUS_ATTRIBUTE: "completed"})


async def test_a_turn_is_one_span_with_a_child_for_each_stage_at_their_real_times() -> None:
    with collecting() as collector:
        traces = opened(collector.url)
        take_turn(traces)
        await traces.aclose()
    assert collector.paths == {"/v1/traces"}
    assert collector.labels["service.name"] == "duologue"
    assert collector.labels["service.version"] == "7"
    spans = {span.name: span for span in collector.spans}
    times = {
        name: (span.start_time_unix_nano - ENDED_NS, span.end_time_unix_nano - ENDED_NS) for name, span in spans.items()
    }
    ms = 1_000_000
    assert times == {
        "turn": (0, 400 * ms),
        "transcription": (0, 100 * ms),
        "first_token": (100 * ms, 250 * ms + 500_000),
    }
    assert len({span.trace_id for span in collector.spans}) == 1
    assert not spans["turn"].parent_span_id
    assert spans["transcription"].parent_span_id == spans["turn"].span_id == spans["first_token"].parent_span_id
    said = {span.name: {each.key: each.value.string_value for each in span.attributes} for span in collector.spans}
    assert said == {
        "turn": {"duologue.status": "completed"},
        "transcription": {"duologue.engine": "scripted-asr"},
        "first_token": {},
    }


async def test_a_turn_over_the_wire_is_traced_from_the_end_of_speech_to_the_first_sound() -> None:
    with collecting() as collector:
        async with serving() as server:
            traces = server.state.traces = opened(collector.url)
            began_ns = time.time_ns()
            async with calling(server.ws) as caller:
                await caller.say()
                await caller.wait("response.done")
                await caller.wait("rate_limits.updated")
            await traces.aclose()
            ended_ns = time.time_ns()
    turns = [span for span in collector.spans if span.name == telemetry.TURN_SPAN]
    assert len(turns) == 1
    turn = turns[0]
    attributes = {each.key: each.value.string_value for each in turn.attributes}
    assert attributes.keys() == IDS
    assert attributes["duologue.status"] == "completed"
    assert attributes["duologue.reply"].startswith("resp_")
    parts = [span for span in collector.spans if span.parent_span_id == turn.span_id]
    assert [part.name for part in parts] == [name for name in telemetry.SPANS if name != telemetry.TURN_SPAN]
    for part in parts:
        assert turn.start_time_unix_nano <= part.start_time_unix_nano <= part.end_time_unix_nano
        assert part.end_time_unix_nano <= turn.end_time_unix_nano + 1_000_000
    # The speech was sent faster than it is heard, so it may have ended before its sender began.
    assert turn.start_time_unix_nano < turn.end_time_unix_nano < ended_ns
    assert turn.end_time_unix_nano > began_ns
    engines = {span.name: each.value.string_value for span in parts for each in span.attributes}
    assert engines == {
        "endpointing": "scripted-turn",
        "transcription": "scripted-asr",
        "first_token": "scripted-chat",
        "first_audio": "scripted-tts",
    }


async def test_a_turn_that_the_client_left_is_traced_too() -> None:
    with collecting() as collector:
        async with serving() as server:
            traces = server.state.traces = opened(collector.url)
            async with calling(server.ws) as caller:
                await caller.say()
                await caller.wait("response.output_audio.delta")
                caller.checker.rest()
            while server.state.slots.taken:
                await anyio.sleep(0.01)
            await traces.aclose()
    assert sum(span.name == telemetry.TURN_SPAN for span in collector.spans) == 1


def test_stages_follow_each_other_and_absent_ones_are_left_out() -> None:
    timed = ReplyTimed(
        reply_id="r",
        item_id="i",
        audio_end_ms=1_000,
        committed_ms=300.0,
        words_ms=None,
        text_ms=180.0,
        phrase_ms=200.0,
        spoken_ms=190.0,
        given_ms=310.0,
    )
    assert stretches(timed, {"turn": "words", "speech": "voxtral", "chat": "builtin", "tts": "espeak"}) == [
        Stretch("endpointing", 0.0, 300.0, "words"),
        Stretch("first_token", 0.0, 180.0, "voxtral"),
        Stretch("first_phrase", 180.0, 200.0),
        # Its clock ran a little behind; a span never ends before it begins.
        Stretch("first_audio", 200.0, 200.0, "espeak"),
        Stretch("delivery", 200.0, 310.0),
    ]


async def test_the_standard_variable_names_the_collector_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        traces = open_traces(Settings())
        assert traces is not None
        take_turn(traces)
        await traces.aclose()
    assert len(collector.spans) == 3


@pytest.mark.parametrize("path", ["", "/", "/v1/traces"])
async def test_a_collector_may_be_named_with_and_without_its_path(path: str) -> None:
    with collecting() as collector:
        traces = opened(collector.url + path)
        take_turn(traces)
        await traces.aclose()
    assert collector.paths == {"/v1/traces"}


@pytest.mark.parametrize("url", ["localhost:4318", "grpc://localhost:4317", "http://", ""])
def test_an_endpoint_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"http://localhost:4318"):
        open_traces(Settings(otlp_endpoint=url))


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r'pip install "duologue\[otel\]", or leave out otlp_endpoint'):
        open_traces(Settings(otlp_endpoint="http://localhost:4318"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
    with pytest.raises(ConfigError, match="or leave out OTEL_EXPORTER_OTLP_ENDPOINT"):
        open_traces(Settings())


def test_without_an_endpoint_nothing_is_imported() -> None:
    code = """
import sys
import duologue.server.run
from duologue.config import Settings
from duologue.server.traces import open_traces
print(open_traces(Settings()), [name for name in sys.modules if name.startswith("opentelemetry.sdk")])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("None []", "")


async def test_a_collector_that_refuses_is_told_of_once_and_once_when_it_is_back() -> None:
    with collecting() as collector:
        traces = opened(collector.url)
        with capture_logs() as logs:
            for status in (400, 400, 200, 200, 401):
                collector.status = status
                take_turn(traces)
                await anyio.to_thread.run_sync(traces.flush)
        await traces.aclose()
    assert [(line["event"], line.get("lost")) for line in logs] == [
        ("traces_lost", None),
        ("traces_back", 6),
        ("traces_lost", None),
    ]


async def test_a_collector_that_is_away_costs_the_turn_nothing_and_the_end_little(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    async with serving() as server:
        server.state.traces = opened(f"http://127.0.0.1:{port}")
        async with calling(server.ws) as caller:
            await caller.say()
            await caller.wait("response.done")
            await caller.wait("rate_limits.updated")
        with anyio.fail_after(10):
            await server.state.traces.aclose(within_s=0.1)
    shown = capfd.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert str(port) not in shown.err
