"""A second engine for when the first is away."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.engines.standins.serving import unused_url
from tests.virtual_time import VirtualTimeLoop

from duologue.engines.asr.vllm_realtime import VllmRealtime
from duologue.engines.base import TranscribeRequest, TranscribeResult
from duologue.engines.client import ASR
from duologue.engines.fallback import Fallback
from duologue.engines.local import LocalEngines
from duologue.engines.runner import Runner
from duologue.engines.scripted import ScriptedTranscriber
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import RealtimeTranscriberOptions

REQUEST = TranscribeRequest(np.zeros(16, np.float32))


class Recorder:
    """A stream engine that says its name, twice, and does what ``failures`` say, one a request."""

    def __init__(self, name: str, *failures: EngineError | None, midway: bool = False, takes_s: float = 1.0) -> None:
        self.name = name
        self.voices = (name,)
        self.failures = list(failures)
        self.start_failures: list[EngineUnavailable] = []
        self.midway = midway
        self.takes_s = takes_s
        self.asked = 0
        self.open = 0
        self.is_closed = False

    async def start(self) -> None:
        if self.start_failures:
            raise self.start_failures.pop()

    async def aclose(self) -> None:
        self.is_closed = True

    @asynccontextmanager
    async def stream(self, request: Any) -> AsyncIterator[AsyncIterator[TranscribeResult]]:
        self.asked += 1
        self.open += 1
        try:
            async with aclosing(self._results()) as results:
                yield results
        finally:
            self.open -= 1

    async def _results(self) -> AsyncGenerator[TranscribeResult, None]:
        failure = self.failures.pop(0) if self.failures else None
        await anyio.sleep(self.takes_s)
        if failure is not None and not self.midway:
            raise failure
        yield TranscribeResult(self.name)
        if failure is not None:
            raise failure
        yield TranscribeResult(self.name)


pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


LOST = EngineLost("gone")


async def ask(engine: Fallback) -> list[str]:
    async with engine.stream(REQUEST) as results:
        return [result.text async for result in results]


async def test_the_first_serves_while_it_can() -> None:
    first, second = Recorder("first"), Recorder("second")
    engine = Fallback(first, second)
    await engine.start()
    assert await ask(engine) == ["first", "first"]
    assert (first.asked, second.asked, first.open) == (1, 0, 0)
    assert engine.voices == ("first", "second")
    assert engine.name == "first, second"
    await engine.aclose()
    assert first.is_closed
    assert second.is_closed


@pytest.mark.parametrize("failure", [EngineLost("gone"), EngineUnavailable("wrong key")])
async def test_the_second_serves_the_very_request_that_the_first_lost(failure: EngineError) -> None:
    first, second = Recorder("first", failure), Recorder("second")
    engine = Fallback(first, second)
    await engine.start()
    with capture_logs() as logs:
        assert await ask(engine) == ["second", "second"]
        assert first.open == 0
        assert await ask(engine) == ["second", "second"]
    assert first.asked == 1
    assert [(log["event"], log["engine"], log["instead"]) for log in logs] == [("engine_fallback", "first", "second")]


async def test_refusals_are_no_losses() -> None:
    engine = Fallback(Recorder("first", EngineError("no such language")), Recorder("second"))
    await engine.start()
    with pytest.raises(EngineError, match="language"):
        await ask(engine)
    assert await ask(engine) == ["first", "first"]


async def test_a_loss_after_the_first_result_is_raised_and_the_next_goes_to_the_second() -> None:
    first = Recorder("first", LOST, midway=True)
    engine = Fallback(first, Recorder("second"))
    await engine.start()
    heard = []
    with pytest.raises(EngineLost):
        async with engine.stream(REQUEST) as results:
            async for result in results:
                heard.append(result.text)
    assert heard == ["first"]
    assert await ask(engine) == ["second", "second"]


async def test_the_first_is_tried_again_after_growing_pauses() -> None:
    first, second = Recorder("first", *[LOST] * 6), Recorder("second")
    engine = Fallback(first, second)
    await engine.start()
    tried: list[float] = []
    last = 0.0
    while len(tried) < 7:
        asked = first.asked
        began = anyio.current_time()
        await ask(engine)
        if first.asked > asked:
            tried.append(began - last)
            last = began + 1.0
        await anyio.sleep(0.5)
    assert [round(pause / 5) * 5 for pause in tried[1:]] == [5, 10, 20, 40, 60, 60]
    assert await ask(engine) == ["first", "first"]


async def test_one_request_tries_while_others_go_on_and_one_outage_counts_once() -> None:
    first, second = Recorder("first", *[LOST] * 20), Recorder("second")
    engine = Fallback(first, second)
    await engine.start()
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask, engine)
    assert first.asked == 5
    await anyio.sleep(6.0)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask, engine)
    assert first.asked == 6
    assert second.asked == 10


async def test_starts_where_either_does_and_takes_the_first_when_it_comes() -> None:
    first, second = Recorder("first"), Recorder("second")
    first.start_failures = [EngineUnavailable("start vLLM")]
    engine = Fallback(first, second)
    with capture_logs() as logs:
        await engine.start()
    assert logs[0]["reason"] == "start vLLM"
    assert await ask(engine) == ["second", "second"]
    await anyio.sleep(10.0)
    with capture_logs() as logs:
        assert await ask(engine) == ["first", "first"]
    assert [log["event"] for log in logs] == ["engine_back"]


async def test_without_the_second_the_losses_of_the_first_are_told() -> None:
    first, second = Recorder("first", LOST), Recorder("second")
    second.start_failures = [EngineUnavailable("no weights")]
    engine = Fallback(first, second)
    await engine.start()
    with pytest.raises(EngineLost):
        await ask(engine)
    assert await ask(engine) == ["first", "first"]


async def test_does_not_start_without_any() -> None:
    first, second = Recorder("first"), Recorder("second")
    first.start_failures = [EngineUnavailable("start vLLM")]
    second.start_failures = [EngineUnavailable("install it")]
    with pytest.raises(EngineUnavailable, match=r"start vLLM.*install it"):
        await Fallback(first, second).start()


async def test_leaving_early_leaves_the_one_that_serves() -> None:
    first = Recorder("first")
    engine = Fallback(first, Recorder("second"))
    await engine.start()
    async with engine.stream(REQUEST) as results:
        await anext(aiter(results))
        assert first.open == 1
    assert first.open == 0


class TestBatch:
    """A batch engine behind a server, in real threads."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    async def test_a_batch_engine_may_be_the_second(self) -> None:
        first = Recorder("first", LOST, takes_s=0.0)
        engine = Fallback(first, ScriptedTranscriber("heard here"))
        await engine.start()
        assert await ask(engine) == ["heard here"]
        await engine.aclose()

    async def test_words_come_from_here_while_vllm_is_away(self) -> None:
        away = VllmRealtime(RealtimeTranscriberOptions(url=unused_url()))
        engine = Fallback(away, ScriptedTranscriber("heard here"))
        await engine.start()
        assert await ask(engine) == ["heard here"]
        await engine.aclose()

    async def test_the_second_is_stepped_by_the_runner_of_the_others(self) -> None:
        substitute = ScriptedTranscriber("heard here")
        runner = Runner(threads=1)
        inner = Fallback(Recorder("second", LOST, takes_s=0.0), substitute)
        engines = LocalEngines({"asr": Fallback(Recorder("first", LOST, takes_s=0.0), inner)}, runner)
        await engines.start()
        told = await engines.call(ASR, REQUEST, deadline_s=1e9, lease="lease_1")
        assert told.text == "heard here"
        assert runner.stats(substitute).requests == 1
        assert engines.stats()["asr"].requests == 1
        await engines.aclose()


def test_what_either_has_can_be_chosen() -> None:
    first, second = Recorder("first"), Recorder("second")
    both = Fallback(first, second)
    assert (both.models, both.languages) == ((), frozenset())
    second.models = ("small", "large")  # type: ignore[attr-defined]
    second.languages = frozenset({"en"})  # type: ignore[attr-defined]
    # The first one may understand any language: it does not tell.
    assert (both.models, both.languages) == (("small", "large"), frozenset())
    first.languages = frozenset({"en", "fr"})  # type: ignore[attr-defined]
    assert both.languages == {"en", "fr"}
