"""Voxtral Realtime on a vLLM server: words while somebody speaks.

A turn's connection stays open while the turn grows, and each request sends only the sound that is new. What the
server answers lags its sound by 0.5 s (the model's delay), so a request that is not the last gets what is known now.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio

from duologue.engines.asr.vllm_turn import VllmTurn, dial, hang_up
from duologue.engines.base import TranscribeRequest, TranscribeResult
from duologue.engines.http import HttpServer
from duologue.errors import EngineError, EngineUnavailable, Overloaded
from duologue.options import RealtimeTranscriberOptions

_ADVICE = (
    "start it with `vllm serve mistralai/Voxtral-Mini-4B-Realtime-2602 --tokenizer-mode mistral --config-format "
    "mistral --load-format mistral`, or set url of [realtime_transcriber] (DUOLOGUE_REALTIME_TRANSCRIBER__URL)"
)
_MAX_TURNS = 64
# vLLM keeps the memory of an open turn for as long as its connection is there.
_IDLE_S = 20.0


class _Place:
    """Where one stream's turn is; requests of one stream go one after the other."""

    def __init__(self) -> None:
        self.turn: VllmTurn | None = None
        self.lock = anyio.Lock()
        self.users = 0


class VllmRealtime:
    """A Transcriber behind vLLM's WebSocket. At most 64 turns at once; one that nobody asks for is closed after 20 s.

    When more sound comes after the last (the speaker went on), the whole turn is sent again on a new connection. The
    model finds the language itself and gives no times of words. ``model_warning`` is set by ``start`` where the server
    does not list the model.
    """

    name = "vllm-realtime"

    def __init__(self, options: RealtimeTranscriberOptions, *, max_turns: int = _MAX_TURNS, idle_s: float = _IDLE_S):
        self._options = options
        self._server = HttpServer(options.url, what="vLLM with Voxtral Realtime", advice=_ADVICE)
        self._max_turns = max_turns
        self._idle_s = idle_s
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._endings: set[asyncio.Task[None]] = set()
        self.model_warning: str | None = None

    async def start(self) -> None:
        """Reach the server and its WebSocket. Raises EngineUnavailable."""
        self.model_warning = await self._server.probe(self._options.model)
        try:
            connection = await dial(self._options.url)
        except EngineUnavailable:
            raise
        except EngineError as error:
            raise EngineUnavailable(f"{error.message}: {_ADVICE}") from error
        await hang_up(connection)

    async def aclose(self) -> None:
        """End all turns and close all connections."""
        for place in self._places.values():
            self._leave(place)
        self._places.clear()
        while self._endings:
            await asyncio.wait(self._endings)
        await self._server.aclose()

    @asynccontextmanager
    async def stream(self, request: TranscribeRequest) -> AsyncIterator[AsyncIterator[TranscribeResult]]:
        """One result: the words so far, or all of them where ``is_last``. Leaving before it ends the turn there.

        Raises EngineLost when the server is away, hangs or breaks off, EngineUnavailable where it is no such server,
        Overloaded with 64 turns under way.
        """
        async with aclosing(self._results(request)) as results:
            yield results

    async def _results(self, request: TranscribeRequest) -> AsyncGenerator[TranscribeResult, None]:
        if len(request.audio) == 0:
            yield TranscribeResult("")
            return
        name = request.stream or f"\0{id(request)}"
        place = self._place(name)
        place.users += 1
        try:
            async with place.lock:
                text = await self._text(place, request)
        finally:
            place.users -= 1
            if not request.stream:
                self._leave(place)
                self._places.pop(name, None)
        yield TranscribeResult(text)

    async def _text(self, place: _Place, request: TranscribeRequest) -> str:
        """Once more on a new connection where one that was kept is found dead."""
        kept = self._kept(place, request)
        if kept is not None:
            if kept.is_done:
                return kept.text
            try:
                return await self._ask(place, kept, request)
            except EngineError:
                if not request.is_last:
                    raise
        self._leave(place)
        turn = await VllmTurn.open(self._options.url, self._options.model, self._idle_s)
        place.turn = turn
        return await self._ask(place, turn, request)

    def _kept(self, place: _Place, request: TranscribeRequest) -> VllmTurn | None:
        """The connection that has a beginning of this very turn and can take the rest; or, done, all of it."""
        turn = place.turn
        if turn is None or turn.failure is not None:
            return None
        is_same = turn.is_done and turn.sent_samples == len(request.audio)
        return turn if is_same or (turn.is_open and turn.sent_samples <= len(request.audio)) else None

    async def _ask(self, place: _Place, turn: VllmTurn, request: TranscribeRequest) -> str:
        is_answered = False
        try:
            await turn.append(request.audio)
            text = await turn.finish() if request.is_last else turn.text
            is_answered = True
        finally:
            if not is_answered:
                self._leave(place)
        return text

    def _place(self, name: str) -> _Place:
        place = self._places.get(name)
        if place is None:
            self._make_room()
            place = self._places[name] = _Place()
        self._places.move_to_end(name)
        return place

    def _make_room(self) -> None:
        """End the turn that was asked for longest ago. Raises Overloaded where all are in use."""
        if len(self._places) < self._max_turns:
            return
        oldest = next((name for name, place in self._places.items() if not place.users), None)
        if oldest is None:
            raise Overloaded(f"{self._max_turns} turns are being transcribed already")
        self._leave(self._places.pop(oldest))

    def _leave(self, place: _Place) -> None:
        """Its turn is ended beside: nobody waits for the server's good-bye."""
        turn, place.turn = place.turn, None
        if turn is not None:
            ending = asyncio.get_running_loop().create_task(turn.give_up(), name="end of a vllm turn")
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
