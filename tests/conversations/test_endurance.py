"""Many turns, any moment: nothing piles up, nothing is left behind, nothing gets stuck."""

from __future__ import annotations

import asyncio
import random

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.memory import MemoryObjectSendStream

from duologue.engines.client import EngineClient
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from duologue.errors import SlowClient
from duologue.events import (
    AppendAudio,
    CancelReply,
    Event,
    Failed,
    ReplyAudio,
    ReplyDone,
    ReplyStarted,
    ReplyText,
    RetrieveItem,
    Told,
    TurnCommitted,
)
from duologue.items import SessionConfig
from duologue.session.session import Session
from tests.conversations.checker import check
from tests.conversations.talk import (
    FRAME_S,
    SILENCE,
    VOICE,
    Person,
    Prompts,
    engines,
    remembering,
    saying,
    talk,
    tell_all,
)

pytestmark = pytest.mark.anyio
# Everything takes a little while, so that there is something to cut in on at any moment.
DELAYS_S = {"vad": 0.003, "turn": 0.03, "asr": 0.08}
SHORT_ANSWER = "Here you are. That is all."


def _busy_engines(chat: ScriptedChat | None = None) -> EngineClient:
    return engines(
        chat=chat or ScriptedChat(SHORT_ANSWER, first_s=0.15, word_s=0.03),
        tts=ScriptedSynthesizer(word_s=0.1, first_s=0.06),
        delays_s=DELAYS_S,
    )


async def test_two_hundred_turns() -> None:
    turns = 200
    ends_s: list[float] = []
    async with talk(engines(tts=ScriptedSynthesizer(phrase_s=0.2)), SessionConfig(), outbox_events=64) as (
        person,
        session,
    ):
        for turn in range(1, turns + 1):
            await person.speak(0.3)
            ends_s.append(anyio.current_time())
            await person.until(ReplyDone, turn)
            await anyio.sleep(0.3)
        held = session._turns.hearing.now - session._turns.hearing.oldest
    latencies = _latencies(person, ends_s)
    assert len(latencies) == turns
    assert latencies[-1] <= 1.2 * latencies[4]
    assert max(latencies) <= 1.5 * latencies[4]
    assert held <= 5 * 16_000, "sound of turns that are over is forgotten"


def _latencies(person: Person, ends_s: list[float]) -> list[float]:
    """From the last sound of each turn to the first of its answer."""
    first_s: dict[str, float] = {}
    for at, event in person.log:
        if isinstance(event, ReplyAudio):
            first_s.setdefault(event.reply_id, at)
    return [answer_s - end_s for end_s, answer_s in zip(ends_s, first_s.values(), strict=True)]


async def test_an_hour_of_silence_is_not_kept() -> None:
    async with talk(config=SessionConfig()) as (person, session):
        person.is_sending = False
        for _ in range(360):
            await person.tell(AppendAudio(pcm=SILENCE * 500))
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(1)
        hearing = session._turns.hearing
        assert hearing.now == pytest.approx(3_600 * 16_000, abs=400)
        # Sound is dropped a whole piece at a time, and these pieces are ten seconds long.
        assert hearing.now - hearing.oldest <= 2 * 160_000


async def _run_session(session: Session, failures: list[BaseException]) -> None:
    try:
        await session.run()
    except* SlowClient as group:
        failures.extend(group.exceptions)


async def test_a_client_that_does_not_read_is_told_to_go() -> None:
    failures: list[BaseException] = []
    outbox, said = anyio.create_memory_object_stream[Event](8)
    session = Session(engines(), SessionConfig(), saying(outbox))
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tg:
            tg.start_soon(_run_session, session, failures)
            with outbox, said:
                for frame in [VOICE] * 50 + [SILENCE] * 100:
                    session.tell(AppendAudio(pcm=frame))
                    await anyio.sleep(FRAME_S)
    [failure] = failures
    assert isinstance(failure, SlowClient)


async def _run_and_close(session: Session, outbox: MemoryObjectSendStream[Event]) -> None:
    with outbox:
        await session.run()


async def _talk_until(close_s: float) -> list[tuple[float, Event]]:
    """A turn and its answer and an interruption, hung up after ``close_s``."""
    told_in, told = anyio.create_memory_object_stream[Told](256)
    outbox, said = anyio.create_memory_object_stream[Event](4_096)
    person = Person(told_in, said)
    session = Session(_busy_engines(), SessionConfig(show_transcript=True), saying(outbox))
    others = asyncio.all_tasks()
    async with anyio.create_task_group() as tg:
        tg.start_soon(person._listen)
        tg.start_soon(_run_and_close, session, outbox)
        tg.start_soon(tell_all, session, told)
        with anyio.move_on_after(close_s):
            frames = [VOICE] * 40 + [SILENCE] * 45 + [VOICE] * 40 + [SILENCE] * 100
            for frame in frames:
                await told_in.send(AppendAudio(pcm=frame))
                await anyio.sleep(FRAME_S)
        told_in.close()
    said.close()
    await anyio.sleep(0.001)
    assert not asyncio.all_tasks() - others, f"tasks left after hanging up at {close_s} s"
    return person.log


async def test_hanging_up_at_any_moment_leaves_nothing_behind() -> None:
    moments = random.Random(4)
    for _ in range(120):
        check(await _talk_until(moments.uniform(0, 4.5)))


async def test_hanging_up_as_the_answer_ends() -> None:
    """At the very moments at which things end by themselves."""
    start_s = anyio.current_time()
    log = await _talk_until(10)
    moments = sorted({at - start_s for at, event in log if not isinstance(event, ReplyAudio)})
    assert len(moments) > 5
    for moment in moments:
        for shift_s in (-1e-6, 0.0, 1e-6):
            check(await _talk_until(moment + shift_s))


async def _turn_with_cancel(session_cancel_s: float) -> None:
    """A turn whose answer the client cancels at some moment; the next turn must be answered soon."""
    async with talk(_busy_engines()) as (person, _):
        async with anyio.create_task_group() as tg:
            tg.start_soon(_cancel_at, person, session_cancel_s)
            await person.speak(0.6)
            await anyio.sleep(1.9)
        await person.speak(0.6)
        end_s, done = anyio.current_time(), len(person.heard(ReplyDone))
        await person.until(ReplyDone, done + 1)
        audible_s = next(at for at in person.times(ReplyAudio) if at > end_s)
    assert audible_s - end_s < 1.0, f"cancelled at {session_cancel_s} s"
    assert len(person.heard(ReplyStarted)) == len(person.heard(ReplyDone)) <= len(person.heard(TurnCommitted))


async def _cancel_at(person: Person, at_s: float) -> None:
    await anyio.sleep(at_s)
    await person.tell(CancelReply())


async def test_cancelling_at_any_moment_leaves_the_next_turn_alone() -> None:
    moments = random.Random(418)
    for _ in range(100):
        await _turn_with_cancel(moments.uniform(0.6, 2.2))


async def test_cutting_in_at_any_moment_is_answered_with_the_newest_words() -> None:
    moments = random.Random(22)
    for _ in range(60):
        prompts: Prompts = []
        chat = remembering(prompts, lambda n: f"Answer {n} it is.", first_s=0.15, word_s=0.03)
        async with talk(_busy_engines(chat=chat)) as (person, _):
            await person.speak(0.6)
            await anyio.sleep(moments.uniform(0.02, 1.8))
            await person.speak(moments.uniform(0.3, 0.8))
            end_s = anyio.current_time()
            await anyio.sleep(2.5)
        answers_s = [at for at in person.times(ReplyAudio) if at > end_s]
        assert answers_s, "no answer"
        assert answers_s[0] - end_s < 1.6
        assert len(person.heard(ReplyStarted)) == len(person.heard(ReplyDone)) <= len(person.heard(TurnCommitted))
        assert person.heard(ReplyText)[-1].text == f"Answer {len(prompts)} it is.", "an answer to an earlier turn"


async def test_a_flood_of_requests_is_worked_off_in_order() -> None:
    count = 3_000
    async with talk(config=SessionConfig()) as (person, _):
        for number in range(count):
            await person.tell(RetrieveItem(item_id="ghost", ref=str(number)))
        await person.speak(1.0)
        await person.until(ReplyDone)
    assert [event.ref for event in person.heard(Failed)] == [str(number) for number in range(count)]


class _Torn(Exception):
    """Raised by the test into a session, as the loss of its connection would be."""


async def test_a_session_that_is_cancelled_anywhere_ends_at_once() -> None:
    moments = random.Random(7)
    for _ in range(60):
        cut_s = moments.uniform(0, 3.0)
        with pytest.raises(ExceptionGroup) as raised:
            async with talk(_busy_engines()) as (person, _), anyio.create_task_group() as tg:
                tg.start_soon(person.speak, 0.6)
                await anyio.sleep(cut_s)
                torn_s = anyio.current_time()
                raise _Torn
        assert anyio.current_time() - torn_s < 0.01
        assert raised.group_contains(_Torn)
        assert len(asyncio.all_tasks()) <= 2
