"""Voxtral in this process: hears a turn, answers it as text while it goes on, and says what it heard.

The model is loaded once and stepped by one thread, which owns all of CUDA; sessions talk to it through queues.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress

import anyio
import msgspec
import numpy as np
import structlog

from duologue import telemetry
from duologue.audio.frame import SESSION_RATE_HZ
from duologue.engines.base import ChatMessage, SpeechDelta, SpeechRequest
from duologue.engines.speech.kept_rows import rows_for
from duologue.engines.speech.layout import Layout
from duologue.engines.speech.loop import SpeechLoop
from duologue.engines.speech.rows import RowModel
from duologue.engines.speech.work import LoopStats
from duologue.engines.weights import model_folder
from duologue.errors import DuologueError, EngineLost, EngineUnavailable
from duologue.options import VoxtralOptions

log = structlog.get_logger(__name__)

_News = SpeechDelta | DuologueError | None


class Voxtral:
    """SpeechModel on ``options.model``. Audio in requests is float32 mono at 16 kHz."""

    name = "voxtral"

    def __init__(self, options: VoxtralOptions) -> None:
        self._options = options
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voxtral")
        self._loading: Future[SpeechLoop] | None = None
        self._loop: SpeechLoop | None = None
        self._guard = threading.Lock()
        self._is_stepping = False
        self._is_closed = False

    @property
    def stats(self) -> LoopStats:
        """What has been done since ``start``."""
        return self._loop.stats if self._loop is not None else LoopStats()

    async def start(self) -> None:
        """Load the model and run one whole turn; once, whoever asks. Raises EngineUnavailable, ConfigError."""
        if self._loop is None and not self._is_closed:
            if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
                self._loading = self._thread.submit(self._load)
            # Who stops waiting does not stop the loading: others may wait for it.
            self._loop = await asyncio.shield(asyncio.wrap_future(self._loading))
        if self._is_closed:
            raise EngineLost("The server is shutting down.")

    @asynccontextmanager
    async def stream(self, request: SpeechRequest) -> AsyncIterator[AsyncIterator[SpeechDelta]]:
        """Deltas as they come. Leaving the context, by any way, takes the request out of the next step.

        Raises Overloaded when every row is busy, EngineError when the model fails on it or it does not fit,
        EngineLost after ``aclose``.
        """
        await self.start()
        assert self._loop is not None
        if request.wants == "both" and not self._options.transcript:
            request = msgspec.structs.replace(request, wants="answer")
        news: asyncio.Queue[_News] = asyncio.Queue()
        home = asyncio.get_running_loop()

        def deliver(what: _News) -> None:
            # Whoever asked may be gone with its event loop, which is no matter of the others.
            with suppress(RuntimeError):
                home.call_soon_threadsafe(news.put_nowait, what)

        job = self._loop.submit(request, deliver)
        self._wake()
        try:
            async with aclosing(_deltas(news)) as deltas:
                yield deltas
        finally:
            self._loop.cancel(job)

    async def aclose(self) -> None:
        """End the thread and give the memory back. Requests in flight raise EngineLost."""
        with self._guard:
            if self._is_closed:
                return
            self._is_closed = True
        home = asyncio.get_running_loop()
        with anyio.CancelScope(shield=True):
            await home.run_in_executor(self._thread, self._close)
            await home.run_in_executor(None, self._thread.shutdown)

    # --- on the thread ----------------------------------------------------------------------------------------

    def open_model(self) -> tuple[RowModel, Layout]:
        """The model's rows and the layout of its prompts."""
        try:
            from duologue.engines.speech.voxtral_model import VoxtralRows
        except ImportError as error:
            raise EngineUnavailable('Voxtral needs torch: run: pip install "duologue[voxtral]"') from error
        folder = model_folder(self._options.model)
        layout = Layout(folder, self._options.context_tokens)
        return VoxtralRows.load(folder, self._options, rows_for(self._options.conversations)), layout

    def _load(self) -> SpeechLoop:
        try:
            model, layout = self.open_model()
            with ExitStack() as stack:
                stack.callback(model.close)
                loop = _warmed(model, layout)
                stack.pop_all()
                return loop
        except RuntimeError as error:  # torch's own: no memory, a driver that does not fit
            raise EngineUnavailable(f"Voxtral does not start: {error}") from error

    def _wake(self) -> None:
        """Have the thread step until there is nothing to do, where it does not already. From any thread."""
        with self._guard:
            if self._is_stepping or self._is_closed or self._loop is None or not self._loop.has_work:
                return
            self._is_stepping = True
        self._thread.submit(self._step_on).add_done_callback(self._stepped)

    def _step_on(self) -> None:
        assert self._loop is not None
        while self._loop.has_work and not self._is_closed:
            self._loop.step()

    def _stepped(self, steps: Future[None]) -> None:
        failure = steps.exception()
        if failure is not None and self._loop is not None:
            log.error(telemetry.ENGINE_STEP_FAILED, engine=self.name, exc_info=failure)
            self._loop.fail(failure)
        with self._guard:
            self._is_stepping = False
        self._wake()

    def _close(self) -> None:
        loop = self._loading.result() if self._loading is not None and not self._loading.exception() else None
        if loop is not None:
            loop.close(EngineLost("The server is shutting down."))


async def _deltas(news: asyncio.Queue[_News]) -> AsyncGenerator[SpeechDelta, None]:
    while (what := await news.get()) is not None:
        if isinstance(what, DuologueError):
            raise what
        yield what


def _warmed(model: RowModel, layout: Layout) -> SpeechLoop:
    """A loop that has done one turn with all that belongs to it, and has forgotten it. Raises what that raised."""
    loop = SpeechLoop(model, layout)
    sound = np.random.default_rng(0).normal(0, 0.05, SESSION_RATE_HZ).astype(np.float32)
    turn = (ChatMessage("system", "Answer."), ChatMessage("user", "", audio=sound))
    failures: list[DuologueError] = []
    loop.submit(
        SpeechRequest(turn, conversation="warm-up", max_tokens=16, language="en"),
        lambda what: failures.append(what) if isinstance(what, DuologueError) else None,
    )
    while loop.has_work:
        loop.step()
    if failures:
        raise EngineUnavailable(f"Voxtral does not start: {failures[0].message}")
    loop.forget()
    return loop
