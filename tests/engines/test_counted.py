"""What stream engines do is counted too, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs
from tests.virtual_time import VIRTUAL

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest
from duologue.engines.client import CHAT
from duologue.engines.local import LocalEngines
from duologue.engines.scripted import ScriptedChat
from duologue.errors import EngineError, EngineLost

pytestmark = pytest.mark.anyio
FAR_S = 1e9
HELLO = ChatRequest((ChatMessage("user", "hello"),))


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Failing(ScriptedChat):
    """Fails while ``fails``, before its first word or after ``words`` of them."""

    def __init__(self, words: int = 0) -> None:
        super().__init__()
        self.words = words
        self.fails = True

    async def results(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        for number in range(self.words):
            yield ChatDelta(str(number))
        if self.fails:
            raise EngineLost("gone")
        yield ChatDelta("well")


async def _read(engines: LocalEngines, most: int | None = None) -> list[str]:
    got: list[str] = []
    async with engines.stream(CHAT, HELLO, deadline_s=FAR_S) as deltas:
        async for delta in deltas:
            got.append(delta.text)
            if len(got) == most:
                break
    return got


async def test_requests_are_steps_of_one_from_entering_to_leaving() -> None:
    engines = LocalEngines({"chat": ScriptedChat("one two three", first_s=0.2, word_s=0.1)})
    await _read(engines)
    await _read(engines, most=1)
    async with engines.stream(CHAT, HELLO, deadline_s=FAR_S):
        assert engines.stats()["chat"].running == 1
    stats = engines.stats()["chat"]
    assert (stats.steps, stats.requests, stats.running, stats.batches) == (3, 3, 0, {1: 3})
    assert (stats.failed, stats.cancelled) == (0, 1)
    assert stats.queue_p95_ms is None
    assert stats.step_p50_ms == pytest.approx(200, abs=1)
    assert stats.busy_s == pytest.approx(0.5 + 0.2, abs=0.01)
    await engines.aclose()


@pytest.mark.parametrize("words", [0, 2])
async def test_a_failure_is_counted_and_told_once(words: int) -> None:
    engines = LocalEngines({"chat": Failing(words)})
    with capture_logs() as logs, pytest.raises(EngineLost):
        await _read(engines)
    assert [(log["event"], log["reason"]) for log in logs] == [("engine_failed", "engine_lost")]
    assert engines.stats()["chat"].failed == 1
    await engines.aclose()


async def test_what_the_reader_runs_into_is_not_the_engines_fault() -> None:
    engines = LocalEngines({"chat": ScriptedChat()})
    with capture_logs() as logs, pytest.raises(EngineError):
        async with engines.stream(CHAT, HELLO, deadline_s=FAR_S) as deltas:
            async for _ in deltas:
                raise EngineError("the voice failed")
    assert logs == []
    assert engines.stats()["chat"].failed == 0
    await engines.aclose()


async def test_an_engine_that_fails_again_and_again_is_unhealthy_until_it_does_not() -> None:
    chat = Failing()
    engines = LocalEngines({"chat": chat})
    for _ in range(6):
        assert engines.unhealthy == {}
        with pytest.raises(EngineLost):
            await _read(engines)
        await anyio.sleep(2.0)
    assert engines.unhealthy == {"chat": "its last 6 requests failed: engine_lost"}
    chat.fails = False
    await _read(engines)
    assert engines.unhealthy == {}
    await engines.aclose()
