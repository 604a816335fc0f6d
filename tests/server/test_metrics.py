"""What ``/metrics`` shows, to whom, and that it is true."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import ASGIApp

from duologue import telemetry
from duologue.config import Settings, setup_of
from duologue.engines.client import Observer
from duologue.events import (
    AttemptEnded,
    OverlapJudged,
    PlayoutCleared,
    PlayoutStopped,
    ReplyAudio,
    ReplyManner,
    ReplyStarted,
    ReplyTimed,
)
from duologue.server.app import make_app
from duologue.server.metrics import RECENT_TURNS, Metrics, Recent
from duologue.server.observe import Watch
from duologue.server.state import State
from tests.server.asking import KEY, Answer, ask, bearer
from tests.server.caller import calling
from tests.server.serving import engines, serving, until

pytestmark = pytest.mark.anyio

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "duologue.json"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Scraped(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """Samples by name and labels. ``kinds``: of each family."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.kinds: dict[str, str] = {}
        for family in text_string_to_metric_families(page.decode()):
            self.kinds[family.name] = family.type
            for sample in family.samples:
                self[sample.name, frozenset(sample.labels.items())] = sample.value

    def of(self, name: str, **labels: str) -> float:
        return self[name, frozenset(labels.items())]


def whole(metrics: Metrics) -> bytes:
    return b"".join(metrics.scrape("")[0])


def scraped(metrics: Metrics) -> Scraped:
    return Scraped(whole(metrics))


def app(**settings: Any) -> ASGIApp:
    given = Settings(profile="scripted", **settings)
    return make_app(State(given, setup_of(given), engines(), voice="tone", is_ready=True))


async def test_the_engines_steps_are_counted_by_engine() -> None:
    metrics = Metrics()
    observer: Observer = metrics
    observer.stepped("silero", 0.004, 12)
    observer.stepped("silero", 0.0002, 1)
    observer.stepped("espeak", 7.0, 1)
    observer.queued("silero", 0.03)
    observer.dropped("silero", "expired")
    observer.dropped("silero", "expired")
    found = scraped(metrics)
    assert found.of("duologue_engine_step_seconds_count", engine="silero") == 2
    assert found.of("duologue_engine_step_seconds_sum", engine="silero") == pytest.approx(0.0042)
    # A bound counts what is equal to it.
    assert found.of("duologue_engine_step_seconds_bucket", engine="silero", le="0.0002") == 1
    assert found.of("duologue_engine_step_seconds_bucket", engine="silero", le="0.002") == 1
    assert found.of("duologue_engine_step_seconds_bucket", engine="silero", le="0.005") == 2
    assert found.of("duologue_engine_step_seconds_bucket", engine="espeak", le="5.0") == 0
    assert found.of("duologue_engine_step_seconds_bucket", engine="espeak", le="+Inf") == 1
    assert found.of("duologue_engine_batch_size_bucket", engine="silero", le="8.0") == 1
    assert found.of("duologue_engine_batch_size_sum", engine="silero") == 13
    assert found.of("duologue_engine_queue_seconds_count", engine="silero") == 1
    assert found.of("duologue_engine_requests_dropped_total", engine="silero", reason="expired") == 2


async def test_admissions_are_counted_by_result_and_a_refusal_by_its_reason() -> None:
    metrics = Metrics()
    metrics.admitted("admitted")
    metrics.admitted("admitted")
    metrics.admitted("refused", "session_limit_reached")
    found = scraped(metrics)
    assert found.of("duologue_admissions_total", result="admitted", reason="") == 2
    assert found.of("duologue_admissions_total", result="refused", reason="session_limit_reached") == 1


async def test_every_metric_has_its_kind_before_anything_has_happened() -> None:
    async with serving(max_sessions=7) as server, httpx.AsyncClient() as web:
        found = Scraped((await web.get(f"{server.http}/metrics")).content)
    missing = {
        each.name for each in telemetry.METRICS if found.kinds.get(each.name.removesuffix("_total")) != each.kind
    }
    # Gauges of what this server does not have are absent, rather than 0.
    assert missing <= {each.name for each in telemetry.METRICS if each.kind == "gauge"}
    assert found.of("duologue_build_info", **_labels_of(found, "duologue_build_info")) == 1
    assert found.of("process_resident_memory_bytes") > 1e6
    assert found.of("duologue_ready") == 1
    assert found.of("duologue_sessions_limit") == 7
    # Alerts on a counter that has never moved must find it.
    assert found.of("duologue_sessions_failed_total") == 0


def _labels_of(found: Scraped, name: str) -> dict[str, str]:
    return next(dict(labels) for each, labels in found if each == name)


async def test_a_turn_over_the_wire_is_in_every_stage() -> None:
    async with serving() as server, httpx.AsyncClient() as web:
        async with calling(server.ws) as caller:
            await caller.say()
            await caller.wait("response.done")
            await caller.wait("rate_limits.updated")
            during = Scraped((await web.get(f"{server.http}/metrics")).content)
        await until(lambda: not server.state.slots.taken)
        after = Scraped((await web.get(f"{server.http}/metrics")).content)
    for metric in (
        telemetry.VOICE_TO_VOICE,
        telemetry.ENDPOINTING,
        telemetry.TRANSCRIPTION,
        telemetry.FIRST_TOKEN,
        telemetry.FIRST_AUDIO,
    ):
        assert during.of(f"{metric.name}_count") == 1, metric.name
    assert during.of("duologue_endpointing_seconds_sum") <= during.of("duologue_voice_to_voice_seconds_sum")
    assert during.of("duologue_replies_total", status="completed") == 1
    assert during.of("duologue_reply_tokens_total", kind="output") == 12
    assert (during.of("duologue_sessions_active"), after.of("duologue_sessions_active")) == (1, 0)
    assert (during.of("duologue_session_seconds_count"), after.of("duologue_session_seconds_count")) == (0, 1)
    assert set(server.state.metrics.recent()) - {"loop_lag"} == {
        "voice_to_voice",
        "endpointing",
        "transcription",
        "first_token",
        "first_audio",
    }


async def test_the_events_that_carry_sound_and_words_change_nothing() -> None:
    metrics = Metrics()
    watch = Watch("sess_1", metrics, None, engines())
    before = whole(metrics)
    watch(ReplyAudio(reply_id="r", item_id="i", pcm=b"\0\0"))
    assert _own(whole(metrics)) == _own(before)


def _own(page: bytes) -> list[bytes]:
    return [line for line in page.splitlines() if line.startswith(b"duologue_")]


async def test_a_stage_that_was_not_needed_or_is_not_known_is_not_counted() -> None:
    metrics = Metrics()
    timed = ReplyTimed(
        reply_id="r",
        item_id="i",
        audio_end_ms=1_000,
        committed_ms=250.0,
        words_ms=None,
        text_ms=120.0,
        phrase_ms=None,
        spoken_ms=None,
        given_ms=251.0,
    )
    Watch("sess_1", metrics, None, engines())(timed)
    assert metrics.recent() == {
        "voice_to_voice": Recent(251.0, 251.0, 1),
        "endpointing": Recent(250.0, 250.0, 1),
        "first_token": Recent(120.0, 120.0, 1),
    }


async def test_what_interrupts_an_answer_is_told_from_what_turned_out_to_be_no_words() -> None:
    metrics = Metrics()
    watch = Watch("sess_1", metrics, None, engines())
    manner = ReplyManner(modality="audio")
    watch(ReplyStarted(reply_id="r", manner=manner))
    watch(PlayoutCleared(reply_id="r", item_id="i", heard_ms=400, stop_ms=230.0, underruns=2))
    watch(ReplyStarted(reply_id="s", manner=manner, is_rest=True))
    watch(PlayoutStopped(reply_id="s", underruns=1))
    watch(ReplyStarted(reply_id="t", manner=manner))
    watch(PlayoutStopped(reply_id="t"))
    # Its client asked for silence: nobody interrupted.
    watch(PlayoutCleared(reply_id="u", item_id="i", heard_ms=400))
    found = scraped(metrics)
    assert found.of("duologue_interruptions_total") == 1
    assert found.of("duologue_interruption_stop_seconds_sum") == pytest.approx(0.23)
    assert found.of("duologue_false_interruptions_total") == 1
    assert found.of("duologue_playout_underruns_total") == 3


async def test_what_was_tried_in_pauses_and_what_sounded_over_answers_is_counted_by_what_became_of_it() -> None:
    metrics = Metrics()
    watch = Watch("sess_1", metrics, None, engines())
    watch(OverlapJudged(verdict="noise", at_ms=100, took_ms=310.0))
    watch(OverlapJudged(verdict="interruption", at_ms=900, took_ms=450.0))
    watch(OverlapJudged(verdict="noise", at_ms=2_000, took_ms=290.0))
    watch(AttemptEnded(is_kept=True, level="sound", compute_s=0.25))
    watch(AttemptEnded(is_kept=False, level="words", compute_s=0.05))
    watch(AttemptEnded(is_kept=False, level="words", compute_s=0.1))
    found = scraped(metrics)
    assert found.of("duologue_overlaps_total", verdict="noise") == 2
    assert found.of("duologue_overlaps_total", verdict="interruption") == 1
    assert found.of("duologue_overlap_verdict_seconds_sum") == pytest.approx(1.05)
    assert found.of("duologue_overlap_verdict_seconds_bucket", le="0.3") == 1
    assert found.of("duologue_attempts_total", result="kept", level="sound") == 1
    assert found.of("duologue_attempts_total", result="dropped", level="words") == 2
    assert found.of("duologue_attempt_compute_seconds_total", result="kept") == pytest.approx(0.25)
    assert found.of("duologue_attempt_compute_seconds_total", result="dropped") == pytest.approx(0.15)
    assert metrics.recent()["overlap_verdict"] == Recent(310.0, 450.0, 3)


def test_recent_looks_at_the_last_turns_only() -> None:
    metrics = Metrics()
    for _ in range(100):
        metrics.observe(telemetry.VOICE_TO_VOICE, 9.0)
    for n in range(RECENT_TURNS):
        metrics.observe(telemetry.VOICE_TO_VOICE, n / 1000)
    assert metrics.recent() == {"voice_to_voice": Recent(256.0, 485.0, RECENT_TURNS)}
    assert scraped(metrics).of("duologue_voice_to_voice_seconds_count") == 100 + RECENT_TURNS


def test_two_servers_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.loop_lag(0.004)
    assert scraped(one).of("duologue_event_loop_lag_seconds_count") == 1
    assert scraped(other).of("duologue_event_loop_lag_seconds_count") == 0


def test_the_queues_of_the_engines_are_read_when_somebody_asks() -> None:
    given = Settings(profile="scripted")
    state = State(given, setup_of(given), engines())
    assert scraped(state.metrics).of("duologue_engine_requests_waiting", engine="scripted-asr") == 0


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPENMETRICS};q=0.75,text/plain;version=0.0.4;q=0.5", OPENMETRICS),
    ],
)
async def test_the_format_is_what_the_scraper_asks_for(accept: str, kind: str) -> None:
    answer = await ask(app(), "/metrics", {"Accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(kind)
    if kind is OPENMETRICS:
        names = {family.name for family in openmetrics.text_string_to_metric_families(answer.body.decode())}
    else:
        names = {family.name for family in text_string_to_metric_families(answer.body.decode())}
    assert {"duologue_sessions_active", "duologue_admissions", "duologue_voice_to_voice_seconds"} <= names


async def scrape(headers: Mapping[str, str] | None = None, **settings: Any) -> Answer:
    return await ask(app(**settings), "/metrics", headers)


async def test_without_a_key_whoever_is_on_this_machine_may_look_but_no_foreign_page() -> None:
    assert (await scrape()).status == 200
    assert (await scrape({"Host": "evil.example"})).error["code"] == "host_not_allowed"
    assert (await scrape({"Origin": "https://evil.example"})).error["code"] == "origin_not_allowed"


async def test_where_there_is_a_key_it_is_wanted_unless_metrics_are_open() -> None:
    assert (await scrape(api_key=KEY)).status == 401
    assert (await scrape(bearer("wrong"), api_key=KEY)).status == 401
    assert (await scrape(bearer(KEY), api_key=KEY)).status == 200
    assert (await scrape(api_key=KEY, metrics_open=True)).status == 200
    assert (await scrape({"Host": "duologue:8710"}, metrics_open=True)).status == 200


def queries() -> Iterator[str]:
    """Every expression of the dashboard."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


async def test_every_name_in_the_dashboard_is_in_a_scrape() -> None:
    import re

    asked = {name for query in queries() for name in re.findall(r"\b(?:duologue|process)_\w+", query)}
    state = State(Settings(profile="scripted"), setup_of(Settings(profile="scripted")), engines())
    metrics = state.metrics
    metrics.stepped("silero", 0.001, 1)
    metrics.queued("silero", 0.001)
    for metric in telemetry.METRICS:
        if metric.kind == "counter":
            metrics.count(metric, *("x" for _ in metric.labels))
    found = {name for name, _ in scraped(metrics)}
    assert asked - found == set()
