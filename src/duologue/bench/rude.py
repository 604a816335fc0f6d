"""Callers who take more than their share. They call again when they are hung up on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from itertools import cycle
from typing import Any

import anyio
import msgspec

from duologue.bench.caller import session_update
from duologue.bench.clips import Clip
from duologue.bench.clock import Clock
from duologue.bench.crowd import Target
from duologue.bench.person import LONG_ANSWER_WISH
from duologue.bench.wire import FRAME_S, FRAME_SAMPLES, Wire, WireError, dial, encode_append, whole_message

TIMES_TOO_FAST = 20
# What it wants to be told about, again and again.
WISH = f"{LONG_ANSWER_WISH} {'And then? And what came after that? ' * 200}"
WISHES_AFTER_S = 1.0
CALLS_AGAIN_AFTER_S = 0.5


class Rudeness(msgspec.Struct, kw_only=True):
    """What became of it: how often it was let in, and why it was hung up on or refused, each once."""

    calls: int = 0
    ended: dict[str, int] = {}

    def note(self, words: str) -> None:
        """One call came to this end."""
        self.ended[words] = self.ended.get(words, 0) + 1


Conduct = Callable[[Wire, Sequence[Clip], Clock], Coroutine[Any, Any, None]]


async def talks_without_pause(wire: Wire, clips: Sequence[Clip], clock: Clock) -> None:
    """Clip after clip, without their silence at both ends, in real time."""
    await _send(wire, clips, clock, times=1)


async def sends_too_fast(wire: Wire, clips: Sequence[Clip], clock: Clock) -> None:
    """The same at many times the pace of speech: a frame's time brings as many frames."""
    await _send(wire, clips, clock, times=TIMES_TOO_FAST)


async def asks_for_huge_answers(wire: Wire, clips: Sequence[Clip], clock: Clock) -> None:
    """Long questions in writing that want a long answer; each after a second, whatever became of the last."""
    wish = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": WISH}]}
    while True:
        await wire.send({"type": "conversation.item.create", "item": wish})
        await wire.send({"type": "response.create"})
        await clock.sleep_until(clock.now() + WISHES_AFTER_S)
        await wire.send({"type": "response.cancel"})


CONDUCTS: dict[str, Conduct] = {
    "talks without pause": talks_without_pause,
    f"sends sound {TIMES_TOO_FAST} times too fast": sends_too_fast,
    "asks for huge answers": asks_for_huge_answers,
}


async def be_rude(target: Target, conduct: Conduct, clips: Sequence[Clip], clock: Clock, seen: Rudeness) -> None:
    """Until cancelled."""
    while True:
        try:
            async with dial(target.url, model=target.model, api_key=target.api_key, ca=target.ca) as wire:
                await wire.session_created()
                await wire.send(session_update(target.turn_detection))
                seen.calls += 1
                await _until_hung_up(wire, conduct, clips, clock)
                seen.note(wire.close_words or "connection lost")
        except* WireError as refused:
            seen.note("; ".join(str(each) for each in refused.exceptions))
        await clock.sleep_until(clock.now() + CALLS_AGAIN_AFTER_S)


async def _until_hung_up(wire: Wire, conduct: Conduct, clips: Sequence[Clip], clock: Clock) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(conduct, wire, clips, clock)
        while await wire.receive() is not None:
            continue
        tasks.cancel_scope.cancel()


async def _send(wire: Wire, clips: Sequence[Clip], clock: Clock, *, times: int) -> None:
    due = clock.now()
    for number, frame in enumerate(cycle(_speech(clips))):
        if number % times == 0:
            due += FRAME_S
            await clock.sleep_until(due)
        wire.put(frame)


def _speech(clips: Sequence[Clip]) -> list[bytes]:
    """The spoken part of each clip as whole messages."""
    frames = []
    for clip in clips:
        rate_hz = FRAME_SAMPLES / FRAME_S
        spoken = clip.samples[int(clip.speech_start_s * rate_hz) : int(clip.speech_end_s * rate_hz)]
        whole = len(spoken) // FRAME_SAMPLES * FRAME_SAMPLES
        frames += [whole_message(encode_append(frame)) for frame in spoken[:whole].reshape(-1, FRAME_SAMPLES)]
    return frames
