"""One answer on its way: paced, held, stopped, and over exactly once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import pytest

from duologue.engines.client import EngineClient
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from duologue.events import (
    Event,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyItemStarted,
    ReplyManner,
    ReplyStarted,
    ReplyText,
)
from duologue.items import Modality
from duologue.session.answer import LEAD_MS, Answer
from duologue.session.asking import Asking
from duologue.session.history import History
from duologue.session.prompts import entries_prompt
from duologue.session.reply import Reply
from duologue.session.writing import Writing
from tests.conversations.checker import PCM_BYTES_PER_MS, check
from tests.conversations.talk import engines
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio
E = TypeVar("E", bound=Event)
WORD_S = 0.5
# Ten words, five seconds.
TEXT = "one two three four five six seven eight nine ten."


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Listener:
    """An answer whose text is known, and what was said of it when."""

    def __init__(self, text: str = TEXT, modality: Modality = "audio", client: EngineClient | None = None) -> None:
        client = client or engines(chat=ScriptedChat(text), tts=ScriptedSynthesizer(word_s=WORD_S))
        self.writing = Writing(Asking(client, entries_prompt((), "", []), None), is_spoken=True)
        self.history = History()
        self.reply = Reply(client, self.writing, ReplyManner(modality=modality))
        self.answer = Answer(self.reply, self.history, self._hear)
        self.log: list[tuple[float, Event]] = []
        self.audible = 0

    def _hear(self, event: Event) -> None:
        self.log.append((anyio.current_time(), event))

    def heard(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.log if isinstance(event, kind)]

    def sent_ms(self) -> float:
        return sum(len(event.pcm) for event in self.heard(ReplyAudio)) / PCM_BYTES_PER_MS

    async def _deliver(self) -> None:
        with self.answer.scope:
            self.answer.start()
            await self.answer.run(self._note_audible)

    def _note_audible(self) -> None:
        self.audible += 1

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[float]:
        """While the answer runs; gives the second at which it began."""
        async with anyio.create_task_group() as tg:
            tg.start_soon(self.writing.run)
            tg.start_soon(self.reply.run)
            tg.start_soon(self._deliver)
            yield anyio.current_time()
        check(self.log)


async def test_an_answer_from_start_to_end() -> None:
    listener = Listener()
    async with listener.listening() as start_s:
        pass
    assert anyio.current_time() - start_s == pytest.approx(5.0, abs=0.01), "over when it has been heard"
    assert listener.sent_ms() == pytest.approx(5_000)
    kinds = [type(event) for _, event in listener.log if not isinstance(event, ReplyAudio)]
    sent = [ReplyStarted, ReplyItemStarted, ReplyText, PlayoutStarted, ReplyItemDone, ReplyDone]
    assert kinds == [*sent, PlayoutStopped]
    [done] = listener.heard(ReplyDone)
    assert (done.status, done.usage.output_text_tokens, done.usage.output_audio_tokens) == ("completed", 10, 100)
    [entry] = listener.history
    assert (entry.item.status, entry.heard_text) == ("completed", TEXT)


async def test_sending_runs_ahead_of_hearing_and_no_further() -> None:
    listener = Listener()
    async with listener.listening():
        await anyio.sleep(0.01)
        assert LEAD_MS <= listener.sent_ms() <= LEAD_MS + 200
        await anyio.sleep(1.0)
        assert listener.sent_ms() == pytest.approx(LEAD_MS + 1_000, abs=200)


async def test_a_held_answer_goes_on_from_the_exact_sample() -> None:
    plain, held = Listener(), Listener()
    async with plain.listening():
        pass
    async with held.listening():
        await anyio.sleep(1.0)
        held.answer.gate.shut()
        held.answer.gate.shut()
        await anyio.sleep(0.3)
        before_ms = held.sent_ms()
        await anyio.sleep(1.0)
        assert held.sent_ms() == before_ms, "nothing is sent while held"
        held.answer.gate.open()
    assert [e.pcm for e in held.heard(ReplyAudio)] == [e.pcm for e in plain.heard(ReplyAudio)]


@pytest.mark.parametrize("at_s", [0.0, 0.3, 1.0, 2.9, 4.6])
async def test_a_stopped_answer_is_remembered_as_heard(at_s: float) -> None:
    listener = Listener()
    async with listener.listening():
        await anyio.sleep(at_s + 0.005)
        rest = listener.answer.stop("turn_detected")
        said = len(listener.log)
        await anyio.sleep(10)
    assert len(listener.log) == said, "nothing is said after it"
    [entry] = listener.history
    # A word counts as heard from its middle.
    assert len(entry.heard_text.split()) == int(at_s / WORD_S + 0.5)
    assert rest is not None
    assert entry.heard_text + rest.writing.text[rest.start :] == TEXT
    done = listener.heard(ReplyDone)
    assert len(done) == 1


async def test_stopping_twice_is_stopping_once() -> None:
    listener = Listener()
    async with listener.listening():
        await anyio.sleep(1.0)
        listener.answer.stop("turn_detected")
        listener.answer.stop("client_cancelled")
        listener.answer.finish()
    assert [(e.status, e.reason) for e in listener.heard(ReplyDone)] == [("cancelled", "turn_detected")]


async def test_an_answer_stopped_before_it_started_says_nothing_at_all() -> None:
    listener = Listener()
    listener.answer.stop("turn_detected")
    listener.answer.finish()
    await listener.reply.run()
    assert listener.log == []
    assert not list(listener.history)


async def test_an_answer_in_writing_is_not_paced_and_not_audible() -> None:
    listener = Listener("First one. Second one.", "text")
    async with listener.listening() as start_s:
        pass
    assert anyio.current_time() - start_s < 0.01
    assert [event.text for event in listener.heard(ReplyText)] == ["First one. ", "Second one."]
    assert listener.audible == 0
    assert not listener.heard(ReplyAudio)


async def test_each_phrase_comes_with_its_sound() -> None:
    listener = Listener("First one here now, and then. Second one.")
    async with listener.listening():
        pass
    kinds = [type(e) for _, e in listener.log if isinstance(e, ReplyText | ReplyAudio)]
    texts = [index for index, kind in enumerate(kinds) if kind is ReplyText]
    assert texts[0] == 0
    assert kinds[texts[1] - 1] is ReplyAudio
    assert "".join(event.text for event in listener.heard(ReplyText)) == "First one here now, and then. Second one."
    assert listener.audible == 1, "told of the first sound"


async def test_words_of_later_phrases_are_heard_later() -> None:
    listener = Listener("One two three four. Five six.")
    async with listener.listening():
        await anyio.sleep(2.4)
        listener.answer.stop("turn_detected")
    [entry] = listener.history
    assert entry.heard_text == "One two three four. Five"


async def test_how_long_an_interruption_took_is_told() -> None:
    listener = Listener()
    async with listener.listening():
        await anyio.sleep(1.0)
        onset_s = anyio.current_time()
        await anyio.sleep(0.25)
        listener.answer.stop("turn_detected", onset_s)
    [cleared] = listener.heard(PlayoutCleared)
    assert cleared.stop_ms == pytest.approx(250, abs=1)
    assert cleared.heard_ms == pytest.approx(1_250, abs=1)
    assert cleared.underruns == 0


@pytest.mark.parametrize("onset_s", [None, -1.0])
async def test_what_nobody_cut_into_has_no_such_time(onset_s: float | None) -> None:
    """The client cancels, or the user spoke already when the answer began."""
    listener = Listener()
    async with listener.listening() as start_s:
        await anyio.sleep(1.0)
        listener.answer.stop("turn_detected", None if onset_s is None else start_s + onset_s)
    [cleared] = listener.heard(PlayoutCleared)
    assert cleared.stop_ms is None


async def test_gaps_in_an_answer_are_counted() -> None:
    client = engines(
        chat=ScriptedChat("First one. Second one. Third one."), tts=ScriptedSynthesizer(phrase_s=0.5, first_s=0.8)
    )
    listener = Listener(client=client)
    async with listener.listening():
        pass
    [stopped] = listener.heard(PlayoutStopped)
    assert stopped.underruns == 2
