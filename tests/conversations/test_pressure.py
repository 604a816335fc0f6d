"""Under load some of the work is left undone, and taken up again in the same session by itself."""

from __future__ import annotations

import anyio
import pytest

from duologue.engines.base import TranscribeRequest
from duologue.engines.pressure import ATTEMPTS, PARTIALS, Pressure
from duologue.engines.scripted import TRANSCRIPT, ScriptedTranscriber
from duologue.events import ReplyDone, TranscriptDelta, TurnCommitted
from duologue.session.replies import Ways
from tests.conversations.talk import Prompts, engines, remembering, talk

pytestmark = pytest.mark.anyio


async def test_no_words_are_shown_early_while_partials_are_shed_and_again_afterwards() -> None:
    partials: list[float] = []

    def hear(request: TranscribeRequest) -> str:
        if not request.is_last:
            partials.append(anyio.current_time())
        return TRANSCRIPT

    pressure = Pressure()
    pressure.level = PARTIALS
    async with talk(engines(asr=ScriptedTranscriber(hear=hear)), ways=Ways(pressure=pressure)) as (person, _):
        async with anyio.create_task_group() as tg:
            tg.start_soon(person.speak, 6.0)
            await anyio.sleep(3.0)
            assert partials == []
            assert person.heard(TranscriptDelta) == []
            pressure.level = 0
            await anyio.sleep(2.0)
            restored = len(partials)
            assert restored >= 2, "they come back within the turn"
            assert person.heard(TranscriptDelta)
            pressure.level = PARTIALS
            await anyio.sleep(1.0)
            assert len(partials) <= restored + 1, "but for the one that was under way"
        await person.until(ReplyDone)


async def test_answers_begin_when_the_turn_is_over_while_attempts_are_shed_and_in_the_pause_afterwards() -> None:
    prompts: Prompts = []
    pressure = Pressure()
    async with talk(engines(chat=remembering(prompts, "Yes.")), ways=Ways(pressure=pressure)) as (person, _):
        asked: list[bool] = []
        for turn, level in enumerate((0, ATTEMPTS, 0), start=1):
            pressure.level = level
            await person.speak(0.6)
            while len(person.heard(TurnCommitted)) < turn and len(prompts) < turn:
                await anyio.sleep(0.005)
            asked.append(len(person.heard(TurnCommitted)) < turn)
            await person.until(ReplyDone, turn)
            await anyio.sleep(0.5)
    assert asked == [True, False, True], "whether the model was asked before the turn was over"
    assert len(prompts) == 3


async def test_an_attempt_that_is_under_way_when_attempts_are_shed_is_used() -> None:
    prompts: Prompts = []
    pressure = Pressure()
    async with talk(engines(chat=remembering(prompts, "Yes.")), ways=Ways(pressure=pressure)) as (person, _):
        await person.speak(0.6)
        while not prompts:
            await anyio.sleep(0.005)
        pressure.level = ATTEMPTS
        await person.until(ReplyDone)
    assert len(prompts) == 1
