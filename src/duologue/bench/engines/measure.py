"""One engine, measured: how long it loads, what it holds, how soon and how much it gives at 1 to 32 at once."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec

from duologue.audio.frame import Float32
from duologue.bench.engines.cases import Case, cases_of, new_key
from duologue.bench.footprint import footprint
from duologue.bench.groups import lone
from duologue.bench.stats import Summary, summarise
from duologue.engines.base import AnyEngine
from duologue.engines.client import EngineClient
from duologue.engines.local import LocalEngines
from duologue.errors import CapacityError, EngineError

DUE_S = 60.0
# Rounds go on until there are enough of them and enough time was spent, or far too much.
LEAST_ROUNDS, ENOUGH_S, LONGEST_S = 3, 2.0, 30.0


class BatchFigures(msgspec.Struct, frozen=True, kw_only=True):
    """``at_once`` requests together, again and again. ``amount`` of one request, on average; ``rate``: amounts a
    second, of all together."""

    at_once: int
    first_ms: Summary
    whole_ms: Summary
    amount: float
    rate: float
    failures: int = 0


class CaseFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One case of one engine; ``unit`` of the rates."""

    case: str
    unit: str
    batches: list[BatchFigures]


class EngineFigures(msgspec.Struct, frozen=True, kw_only=True):
    """``load_s``: from nothing to warm; ``memory_mib``: what the process grew by; ``gpu_mib``: held on the card."""

    stage: str
    engine: str
    device: str
    load_s: float
    memory_mib: float
    gpu_mib: float | None
    cases: list[CaseFigures]


async def measure(
    stage: str, engine: AnyEngine, turn: Float32, batches: Sequence[int], told: Callable[[str], None]
) -> EngineFigures:
    """All cases of ``stage`` on ``engine``, which is loaded, measured and closed.

    ``turn``: what is heard, float32 [n] at 16 kHz; ``told`` gets a line a case.

    Raises EngineUnavailable, ConfigError from the engine's start.
    """
    before_mib, started_s = _resident_mib(), time.perf_counter()
    async with _running(stage, engine) as client:
        load_s = time.perf_counter() - started_s
        cases = []
        for case in cases_of(stage, turn):
            told(f"{stage}.{engine.name}: {case.name}")
            figures = [await _at_once(client, case, at_once) for at_once in batches]
            cases.append(CaseFigures(case=case.name, unit=case.unit, batches=figures))
        return EngineFigures(
            stage=stage,
            engine=engine.name,
            device=str(getattr(engine, "device", "elsewhere")),
            load_s=round(load_s, 2),
            memory_mib=round(max(0.0, _resident_mib() - before_mib), 1),
            gpu_mib=_gpu_mib(),
            cases=cases,
        )


@asynccontextmanager
async def _running(stage: str, engine: AnyEngine) -> AsyncIterator[EngineClient]:
    engines = LocalEngines({stage: engine})
    try:
        try:
            await engines.start()
        except BaseExceptionGroup as group:
            raise lone(group) from None
        yield engines
    finally:
        with anyio.CancelScope(shield=True):
            await engines.aclose()


async def _at_once(client: EngineClient, case: Case, at_once: int) -> BatchFigures:
    first_ms: list[float] = []
    whole_ms: list[float] = []
    amounts, failures, rounds, busy_s = 0.0, 0, 0, 0.0

    async def one(key: str) -> None:
        nonlocal amounts, failures
        asked_s = time.perf_counter()
        results, first_s = [], None
        try:
            async with client.stream(case.stage, case.ask(key), deadline_s=anyio.current_time() + DUE_S) as stream:
                async for result in stream:
                    first_s = first_s or (time.perf_counter() if _is_output(result) else None)
                    results.append(result)
        except (EngineError, CapacityError):
            failures += 1
            return
        ended_s = time.perf_counter()
        first_ms.append(((first_s or ended_s) - asked_s) * 1000)
        whole_ms.append((ended_s - asked_s) * 1000)
        amounts += case.amount(results)

    began_s = time.perf_counter()
    while rounds < LEAST_ROUNDS or time.perf_counter() - began_s < ENOUGH_S:
        keys = [new_key() for _ in range(at_once)]
        await _ahead(client, case, keys)
        round_s = time.perf_counter()
        async with anyio.create_task_group() as tg:
            for key in keys:
                tg.start_soon(one, key)
        busy_s += time.perf_counter() - round_s
        rounds += 1
        if time.perf_counter() - began_s > LONGEST_S:
            break
    return BatchFigures(
        at_once=at_once,
        first_ms=summarise(first_ms),
        whole_ms=summarise(whole_ms),
        amount=round(amounts / len(whole_ms), 3) if whole_ms else 0.0,
        rate=round(amounts / busy_s, 2) if busy_s else 0.0,
        failures=failures,
    )


async def _ahead(client: EngineClient, case: Case, keys: Sequence[str]) -> None:
    """What is not measured: the conversation before the turn."""
    if case.ahead is None:
        return
    for key in keys:
        async with client.stream(case.stage, case.ahead(key), deadline_s=anyio.current_time() + DUE_S) as stream:
            async for _ in stream:
                pass


def _is_output(result: Any) -> bool:
    """A delta may carry no text, only an ending; every other result is output."""
    return bool(getattr(result, "text", True))


def _resident_mib() -> float:
    """Memory of this process and its children; 0 where the system does not tell."""
    cost = footprint(os.getpid())
    return cost.memory_mib if cost is not None else 0.0


def _gpu_mib() -> float | None:
    """Held on the card by torch, where torch is in use at all."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return round(float(torch.cuda.max_memory_reserved()) / 2**20, 1)
