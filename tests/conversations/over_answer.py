"""Somebody makes a sound over an answer: what the tests of it share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from duologue.engines.base import (
    TranscribeRequest,
    TranscribeResult,
)
from duologue.engines.scripted import ScriptedTranscriber
from duologue.errors import DuologueError
from duologue.events import (
    OverlapJudged,
    PlayoutHeld,
    PlayoutLowered,
    ReplyItemStarted,
)
from duologue.session.replies import Ways
from duologue.session.session import Session
from tests.conversations.long_answer import (
    LONG,
    WORD_S,
    long_answer_engines,
    until_heard,
)
from tests.conversations.talk import (
    Person,
    Prompts,
    hear_voices,
    pcm_s,
    talk,
)

# A window of the VAD and a frame of sound, which do not meet.
WINDOW_S = 0.052
# A voice is certain with its second window.
ONSET_S = 2 * WINDOW_S
SHORT = " ".join(LONG.split()[:16])
SHORT_S = 4.0
LISTENED = "(While listening I said: Mm-hm.)"
QUIET = (PlayoutLowered, PlayoutHeld)


class Ears(ScriptedTranscriber):
    """Hears "Please stop." from a voice, ``murmured`` from a low one, and nothing in a noise. ``failure``: what it
    raises, if anything."""

    def __init__(self, murmured: str = "Mm-hm.") -> None:
        self._voices = hear_voices("Please stop.", murmured)
        self.failure: DuologueError | None = None

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        if self.failure is not None:
            raise self.failure
        return self._voices.step(requests)


@asynccontextmanager
async def over_answer(
    ways: Ways,
    after_s: float = 1.0,
    *,
    prompts: Prompts | None = None,
    text: str = LONG,
    ears: Ears | None = None,
    asr_s: float = 0.0,
) -> AsyncIterator[tuple[Person, Session]]:
    """A talk in which an answer has been heard for ``after_s``. From then on the transcriber takes ``asr_s``."""
    delays_s = {"asr": 0.0}
    client = long_answer_engines([] if prompts is None else prompts, text, asr=ears or Ears(), delays_s=delays_s)
    async with talk(client, ways=ways) as (person, session):
        await until_heard(person, after_s)
        delays_s["asr"] = asr_s
        yield person, session
        delays_s["asr"] = 0.0


def is_whole(person: Person, text: str = LONG) -> bool:
    """The first answer was heard to its end, without a break for the client's sake."""
    length_s = len(text.split()) * WORD_S
    item_id = person.heard(ReplyItemStarted)[0].item.id
    played_s = person.played_ms(item_id, anyio.current_time()) / 1000
    return abs(pcm_s(person.sound()) - length_s) < 0.001 and abs(played_s - length_s) < 0.001


def verdicts(person: Person) -> list[str]:
    return [event.verdict for event in person.heard(OverlapJudged)]


def judged_s(person: Person, onset_s: float) -> float:
    """How long after the sound began at ``onset_s`` the only verdict came."""
    [judged] = person.heard(OverlapJudged)
    took_s = person.times(OverlapJudged)[0] - onset_s
    assert took_s == pytest.approx(judged.took_ms / 1000, abs=WINDOW_S)
    return took_s
