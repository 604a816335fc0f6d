"""Phrases asked of the synthesizer: when, how urgently, and no further ahead than will soon be heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

import anyio
import pytest

from duologue.engines.base import ChatMessage, SpeakRequest
from duologue.engines.client import Req, Res, Stage
from duologue.engines.scripted import InlineEngines, ScriptedChat, ScriptedSynthesizer
from duologue.events import Event, ReplyAudio, ReplyManner
from duologue.session.answer import Answer
from duologue.session.asking import Asking
from duologue.session.playout import Playout
from duologue.session.reply import FIRST_DUE_S, LEAST_AHEAD_S, MOST_AHEAD_S, MOST_AT_ONCE_CHARS, RESERVE_S, Reply
from duologue.session.speak import Piece
from duologue.session.writing import Writing
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio
# A second of sound each.
PHRASES = [f"This is sentence {number}. " for number in range(30)]


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Asked(InlineEngines):
    """A voice that takes ``first_s`` for a phrase of a second. ``log``: when it was asked for what, and due when."""

    def __init__(self, first_s: float = 0.0) -> None:
        super().__init__({"tts": ScriptedSynthesizer(phrase_s=1.0, first_s=first_s)})
        self.log: list[tuple[float, str, float]] = []

    def stream(
        self, stage: Stage[Req, Res], request: Req, *, deadline_s: float, lease: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[Res]]:
        self.log.append((anyio.current_time(), cast("SpeakRequest", request).text, deadline_s))
        return super().stream(stage, request, deadline_s=deadline_s, lease=lease)

    def due_s(self) -> list[float]:
        """How long after it was asked each phrase was due."""
        return [due_s - asked_s for asked_s, _, due_s in self.log]


@asynccontextmanager
async def _replying(engines: Asked, text: str) -> AsyncIterator[Reply]:
    reply = Reply(engines, Writing.of(text), ReplyManner(modality="audio"))
    async with anyio.create_task_group() as tg:
        tg.start_soon(reply.run)
        yield reply
        reply.drop()


async def _take_all(reply: Reply, playout: Playout) -> list[Piece]:
    """As a listener would whose line holds everything at once."""
    taken: list[Piece] = []
    async with reply.take(playout) as pieces:
        async for piece in pieces:
            assert isinstance(piece, Piece)
            if piece.pcm is not None:
                playout.send(len(piece.pcm) / 24, anyio.current_time())
            taken.append(piece)
    return taken


async def test_what_nobody_hears_yet_is_prepared_for_some_seconds_and_no_more() -> None:
    engines = Asked()
    async with _replying(engines, "".join(PHRASES)):
        await anyio.sleep(60)
        assert len(engines.log) == LEAST_AHEAD_S + 1


async def test_later_phrases_of_what_nobody_hears_yet_are_due_after_the_sound_before_them() -> None:
    engines = Asked()
    async with _replying(engines, "".join(PHRASES)):
        await anyio.sleep(1)
        assert engines.due_s() == pytest.approx(
            [FIRST_DUE_S, *(seconds - RESERVE_S for seconds in (1, 2, 3))], abs=1e-6
        )


async def test_a_phrase_is_asked_for_when_little_is_left_to_hear_and_due_when_nothing_is() -> None:
    engines = Asked()
    async with _replying(engines, "".join(PHRASES)) as reply:
        start_s = anyio.current_time()
        pieces = await _take_all(reply, Playout())
    assert "".join(piece.text for piece in pieces) == "".join(PHRASES)
    for number, (asked_s, text, due_s) in enumerate(engines.log):
        assert text == PHRASES[number]
        silent_s = start_s + number
        assert silent_s - asked_s <= LEAST_AHEAD_S + 0.03
        assert due_s == pytest.approx(max(asked_s + FIRST_DUE_S, silent_s - RESERVE_S), abs=1e-6)


async def test_behind_another_answer_the_first_phrase_is_due_when_that_one_ends() -> None:
    engines = Asked()
    before = Playout()
    before.send(2_000, anyio.current_time())
    playout = Playout(before)
    reply = Reply(engines, Writing.of(PHRASES[0]), ReplyManner(modality="audio"))
    pieces = reply.take(playout)
    with pieces:
        await reply.run()
    assert engines.due_s() == pytest.approx([2.0 - RESERVE_S])


async def test_a_listener_who_hears_nothing_is_as_urgent_as_one_who_waits_for_the_first_word() -> None:
    engines = Asked(first_s=2.0)
    async with _replying(engines, "".join(PHRASES[:4])) as reply:
        playout = Playout()
        await _take_all(reply, playout)
    assert playout.underruns == 3
    assert engines.due_s() == pytest.approx([FIRST_DUE_S, 0.75, 0.75, 0.75])
    silent = Asked()
    reply = Reply(silent, Writing.of("Yes."), ReplyManner(modality="audio"))
    gone = Playout()
    gone.send(1000, anyio.current_time() - 5)
    with reply.take(gone):
        await reply.run()
    assert silent.due_s() == pytest.approx([FIRST_DUE_S])


async def test_a_voice_that_takes_its_time_is_asked_earlier_within_limits() -> None:
    ahead_s = {}
    for first_s in (0.0, 0.2, 0.5):
        engines = Asked(first_s)
        async with _replying(engines, "".join(PHRASES)) as reply:
            start_s = anyio.current_time()
            playout = Playout()
            await _take_all(reply, playout)
            assert playout.underruns == 0
        ahead_s[first_s] = max(number + start_s - asked_s for number, (asked_s, _, _) in enumerate(engines.log))
    assert ahead_s[0.0] < ahead_s[0.2] < ahead_s[0.5] <= MOST_AHEAD_S


async def test_when_the_voice_was_asked_and_when_it_sounded_is_known() -> None:
    async with _replying(Asked(first_s=0.4), "".join(PHRASES[:2])) as reply:
        await anyio.sleep(0.3)
        start_s = reply.asked_at_s
        assert start_s is not None
        assert reply.sounded_at_s is None
        await anyio.sleep(2)
        assert reply.sounded_at_s == pytest.approx(start_s + 0.4)
        assert reply.asked_at_s == start_s


async def test_a_text_of_an_hour_is_read_page_by_page_and_to_the_letter() -> None:
    text = "".join(PHRASES * 40)
    assert len(text) > 10 * MOST_AT_ONCE_CHARS
    reply = Reply(Asked(), Writing.of(text), ReplyManner(modality="text"))
    pieces = reply.take(Playout())
    with pieces:
        await reply.run()
        said = [pieces.receive_nowait() for _ in range(pieces.statistics().current_buffer_used)]
    assert "".join(piece.text for piece in said if isinstance(piece, Piece)) == text


async def test_what_is_hushed_while_its_voice_speaks_ends_quietly() -> None:
    for at_s in (0.0, 0.3, 1.0, 3.5):
        async with anyio.create_task_group() as tg:
            reply = Reply(Asked(first_s=0.3), Writing.of("".join(PHRASES)), ReplyManner(modality="audio"))
            tg.start_soon(reply.run)
            await anyio.sleep(at_s)
            reply.hush()
        assert reply.failure is None


async def test_an_answer_of_any_length_is_made_at_the_pace_of_hearing() -> None:
    engines, heard_ms = Asked(), 0.0

    def say(event: Event) -> None:
        nonlocal heard_ms
        if isinstance(event, ReplyAudio):
            heard_ms += len(event.pcm) / 48

    async with _replying(engines, "".join(PHRASES * 20)) as reply, anyio.create_task_group() as tg:
        answer = Answer(reply, None, say)
        answer.start()
        tg.start_soon(answer.run, lambda: None)
        start_s = anyio.current_time()
        while anyio.current_time() - start_s < 300:
            await anyio.sleep(10)
            made_s = len(engines.log)
            assert made_s - (anyio.current_time() - start_s) <= LEAST_AHEAD_S + 1
        assert answer.playout.underruns == 0
        tg.cancel_scope.cancel()
    assert heard_ms > 295_000


async def _asked_when_let(reply: Reply, engines: Asked, phrases: float) -> list[str]:
    """What the synthesizer is asked once ``phrases`` may be spoken, given all the time it needs."""
    reply.may_speak(phrases)
    await anyio.sleep(10)
    return [text for _, text, _ in engines.log]


async def test_a_voice_waits_until_it_is_let_and_says_no_more_than_it_may() -> None:
    engines = Asked()
    reply = Reply(engines, Writing.of("".join(PHRASES[:3])), ReplyManner(modality="audio"), may_speak=0)
    async with anyio.create_task_group() as tg:
        tg.start_soon(reply.run)
        await anyio.sleep(10)
        assert engines.log == []
        assert await _asked_when_let(reply, engines, 1) == PHRASES[:1]
        assert await _asked_when_let(reply, engines, 0) == PHRASES[:1], "what was said stays said"
        assert await _asked_when_let(reply, engines, 1) == PHRASES[:1]
        let_s = anyio.current_time()
        reply.may_speak()
        pieces = await _take_all(reply, Playout())
    assert "".join(piece.text for piece in pieces) == "".join(PHRASES[:3])
    assert engines.log[1][0] == pytest.approx(let_s)


async def test_what_is_taken_back_before_its_text_came_is_not_said() -> None:
    async def prompt() -> tuple[ChatMessage, ...]:
        return (ChatMessage("user", "well?"),)

    engines, model = Asked(), InlineEngines({"chat": ScriptedChat("Yes.", first_s=2.0)})
    writing = Writing(Asking(model, prompt, None), is_spoken=False)
    reply = Reply(engines, writing, ReplyManner(modality="audio"), may_speak=1)
    async with anyio.create_task_group() as tg:
        tg.start_soon(writing.run)
        tg.start_soon(reply.run)
        await anyio.sleep(1)
        reply.may_speak(0)
        await anyio.sleep(10)
        assert writing.text == "Yes."
        assert engines.log == []
        reply.drop()


async def test_an_answer_in_writing_needs_no_leave() -> None:
    reply = Reply(Asked(), Writing.of("Yes."), ReplyManner(modality="text"), may_speak=0)
    pieces = reply.take(Playout())
    with pieces:
        await reply.run()
        assert isinstance(piece := pieces.receive_nowait(), Piece)
    assert piece.text == "Yes."


async def test_a_voice_that_was_never_let_ends_quietly() -> None:
    async with anyio.create_task_group() as tg:
        reply = Reply(Asked(), Writing.of("Yes."), ReplyManner(modality="audio"), may_speak=0)
        tg.start_soon(reply.run)
        await anyio.sleep(1)
        reply.drop()
    assert reply.failure is None
