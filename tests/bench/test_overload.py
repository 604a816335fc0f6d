"""Too many callers, and one too rude: measured against a stand-in, and told in tables."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType

from duologue.bench.clock import WallClock
from duologue.bench.crowd_tables import render_fairness, render_overload
from duologue.bench.fairness import fairness
from duologue.bench.overload import overload, stated_capacity
from duologue.bench.person import Habits
from duologue.bench.plan import Plan, Progress
from duologue.bench.rude import CONDUCTS
from duologue.bench.wire import WireError
from tests.bench.standin import Script, silence, standing_in, tone
from tests.bench.test_command import write_wav

pytestmark = pytest.mark.anyio

QUICK = Habits(turns=1, start_after_s=0.1, gap_s=0.1, answer_timeout_s=3.0)
PROMPT = Script(silence_s=0.1, reply_delay_s=0.02, answer_s=0.1)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    write_wav(tmp_path / "hello.wav", np.concatenate((tone(0.3), silence(0.1))))
    return tmp_path


def shown(renderable: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_the_surplus_is_told_so_and_the_others_are_measured(clips: Path) -> None:
    async with standing_in(Script(**{**vars(PROMPT), "places": 2}), WallClock()) as standin:
        plan = Plan(url=standin.url, clips=clips, habits=QUICK, idle_sessions=0)
        report = await overload(plan, Progress(), times=2.0, capacity=2, between_s=0.1)
    assert (report.capacity, report.callers, report.admitted, report.queued) == (2, 4, 2, 2)
    assert report.refused == {}
    assert report.refusal_ms.n == 2
    assert report.full.turns_answered == report.crowded.turns_answered == 2
    assert report.crowded.turns_unanswered == 0
    assert report.p95_ratio == pytest.approx(1.0, abs=0.5)
    assert "told so after" in shown(render_overload(report))
    assert json.loads(report.to_json())["schema"] == "duologue-bench-overload/1"


async def test_others_are_measured_beside_each_kind_of_rude_caller(clips: Path) -> None:
    async with standing_in(PROMPT, WallClock()) as standin:
        plan = Plan(url=standin.url, clips=clips, habits=QUICK, idle_sessions=0)
        report = await fairness(plan, Progress(), between_s=0.1)
    assert [each.kind for each in report.beside] == list(CONDUCTS)
    assert [each.rudeness.calls for each in report.beside] == [1, 1, 1]
    assert report.alone_ms.n == 2
    assert all(each.mean_ratio is not None and each.run.turns_unanswered == 0 for each in report.beside)
    table = shown(render_fairness(report))
    assert all(kind in table for kind in CONDUCTS)


@contextmanager
def saying(body: bytes) -> Iterator[str]:
    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Says) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("body", "capacity"), [(b'{"places": 9, "max_sessions": 32}', 9), (b'{"max_sessions": 32}', 32)]
)
def test_a_server_says_how_many_it_bears(body: bytes, capacity: int) -> None:
    with saying(body) as url:
        assert stated_capacity(url) == capacity


@pytest.mark.parametrize("body", [b"ready", b"[]", b"{}"])
def test_one_that_does_not_say_is_one_clear_line(body: bytes) -> None:
    with saying(body) as url, pytest.raises(WireError, match="give --capacity"):
        stated_capacity(url)
