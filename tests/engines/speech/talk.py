"""A loop driven by hand, and what its callers were told."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.engines.speech.row_model import HashModel

from duologue.audio.frame import Float32
from duologue.engines.base import ChatMessage, ChatUsage, SpeechDelta, SpeechRequest
from duologue.engines.speech.layout import Layout
from duologue.engines.speech.loop import SpeechLoop
from duologue.engines.speech.work import Job
from duologue.errors import DuologueError

INSTRUCTIONS = "You are terse. Answer in one sentence."


def noise(seed: int, seconds: float = 1.0) -> Float32:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)


def spoken(audio: Float32) -> ChatMessage:
    return ChatMessage("user", "", audio=audio)


def asked(*messages: ChatMessage, conversation: str = "c", **more: Any) -> SpeechRequest:
    """A request with the instructions before ``messages``."""
    system = ChatMessage("system", INSTRUCTIONS)
    return SpeechRequest((system, *messages), conversation=conversation, **{"wants": "answer", **more})


class Caller:
    """One request and what came of it."""

    def __init__(self, loop: SpeechLoop, request: SpeechRequest) -> None:
        self.deltas: list[SpeechDelta] = []
        self.error: DuologueError | None = None
        self.is_ended = False
        self._loop = loop
        self.job: Job = loop.submit(request, self._take)

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.deltas)

    @property
    def heard(self) -> str:
        return "".join(delta.heard for delta in self.deltas)

    @property
    def finish(self) -> str | None:
        return next((delta.finish for delta in self.deltas if delta.finish), None)

    @property
    def is_heard(self) -> bool:
        return any(delta.is_heard for delta in self.deltas)

    @property
    def usage(self) -> ChatUsage:
        """Of the answer, or of what there is."""
        return next(delta.usage for delta in self.deltas if delta.usage is not None)

    def cancel(self) -> None:
        self._loop.cancel(self.job)

    def _take(self, what: SpeechDelta | DuologueError | None) -> None:
        assert not self.is_ended, "something came after the end"
        if isinstance(what, SpeechDelta):
            self.deltas.append(what)
        else:
            self.is_ended, self.error = True, what


class Talk:
    """A loop over a model in pure Python."""

    def __init__(self, layout: Layout, rows: int = 8, *, end_after: int = 40) -> None:
        self.model = HashModel(rows, end_after=end_after)
        self.loop = SpeechLoop(self.model, layout)

    def ask(self, request: SpeechRequest) -> Caller:
        return Caller(self.loop, request)

    def run(self, most_steps: int = 5000) -> None:
        """Step until there is nothing to do."""
        for _ in range(most_steps):
            if not self.loop.has_work:
                return
            self.loop.step()
        raise AssertionError("the loop does not come to an end")

    def answer(self, request: SpeechRequest) -> Caller:
        caller = self.ask(request)
        self.run()
        assert caller.is_ended
        return caller


def alone(layout: Layout, request: SpeechRequest, *, end_after: int = 40) -> Caller:
    """What a loop says that has never heard anything else."""
    return Talk(layout, end_after=end_after).answer(request)
