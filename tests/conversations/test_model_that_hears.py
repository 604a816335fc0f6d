"""The model that answers is given the turn as sound; the user's words come beside its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from duologue.audio.frame import Float32
from duologue.engines.base import SpeechDelta, SpeechRequest, TranscribeRequest
from duologue.engines.scripted import ScriptedSpeech, ScriptedTranscriber
from duologue.errors import EngineError, EngineLost
from duologue.events import (
    CommitAudio,
    CreateItem,
    CreateReply,
    ReplyAudio,
    ReplyDone,
    SpeechStarted,
    TranscriptDone,
    TurnCommitted,
)
from duologue.items import Message, Part, SessionConfig
from duologue.session.replies import Ways
from tests.conversations.talk import Person, Prompts, as_told, engines, hear_voices, remembering, talk

pytestmark = pytest.mark.anyio
SOUND = "(sound)"
HEARS = Ways(hears=True, has_partials=False)


class NotAsked(ScriptedTranscriber):
    """A transcriber that nobody should ask."""

    def step(self, requests: Any) -> Any:
        raise AssertionError("the model that hears tells the words")


class InPieces(ScriptedSpeech):
    """Tells each of the words ``piece_s`` after the one before, beside the answer; ``asked``: with what."""

    def __init__(self, words: str, piece_s: float, asked: list[SpeechRequest]) -> None:
        super().__init__(lambda _request: "an answer.")
        self._words = words.split()
        self._piece_s = piece_s
        self._asked = asked

    async def results(self, request: SpeechRequest) -> AsyncGenerator[SpeechDelta, None]:
        if request.wants == "nothing":
            return
        self._asked.append(request)
        yield SpeechDelta(text="an answer.")
        yield SpeechDelta(finish="stop")
        if request.wants == "both":
            for word in self._words:
                yield SpeechDelta(heard=f" {word}")
                await anyio.sleep(self._piece_s)
            yield SpeechDelta(is_heard=True)


class Away:
    """A model that hears, on a server that has gone."""

    name = "away"

    async def start(self) -> None:
        return

    async def aclose(self) -> None:
        return

    @asynccontextmanager
    async def stream(self, request: SpeechRequest) -> AsyncIterator[AsyncIterator[SpeechDelta]]:
        raise EngineLost("as asked")
        yield


def prompts_of(requests: list[SpeechRequest]) -> list[list[tuple[str, str]]]:
    """Role and words of each message; SOUND where it is no words."""
    return [as_told(replace(m, content=SOUND) if m.audio is not None else m for m in r.messages) for r in requests]


def noting(requests: list[SpeechRequest], **script: Any) -> ScriptedSpeech:
    def answer(request: SpeechRequest) -> str:
        requests.append(request)
        return f"answer number {len(requests)}."

    return ScriptedSpeech(answer, **script)


async def say_and_hear(person: Person, turns: int = 1) -> None:
    for turn in range(1, turns + 1):
        await person.speak(1.0)
        await person.until(ReplyDone, turn)
        await anyio.sleep(1.5)


async def test_the_turn_goes_to_the_model_as_sound_and_the_words_come_from_it() -> None:
    requests: list[SpeechRequest] = []
    parts = engines(speech=noting(requests, hear=lambda _sound: " what was said "), asr=NotAsked())
    async with talk(parts, ways=HEARS) as (person, _):
        await say_and_hear(person)
    assert [event.text for event in person.heard(TranscriptDone)] == ["what was said"]
    last = requests[-1].messages[-1]
    assert last.audio is not None
    assert 0.9 < len(last.audio) / 16_000 < 1.6


async def test_the_answer_does_not_wait_for_the_words() -> None:
    async with talk(engines(speech=ScriptedSpeech(heard_s=3.0), asr=NotAsked()), ways=HEARS) as (person, _):
        await person.speak(1.0)
        await person.until(TranscriptDone)
    assert person.times(ReplyAudio)[0] < person.times(TurnCommitted)[0] + 0.01
    assert person.times(TranscriptDone)[0] > person.times(ReplyAudio)[0] + 1


async def test_older_turns_are_words_in_the_next_prompt() -> None:
    requests: list[SpeechRequest] = []
    config = SessionConfig(instructions="Be kind.", show_transcript=True)
    async with talk(engines(speech=noting(requests, hear=lambda _sound: "words")), config, ways=HEARS) as (person, _):
        await say_and_hear(person, turns=2)
    first, *_, last = prompts_of(requests)
    assert first == [("system", "Be kind."), ("user", SOUND)]
    assert last[:2] == [("system", "Be kind."), ("user", "words")]
    assert [role for role, _ in last] == ["system", "user", "assistant", "user"]
    assert last[-1] == ("user", SOUND)
    assert len({request.conversation for request in requests}) == 1


async def test_the_model_reads_the_conversation_while_the_user_still_speaks() -> None:
    prepared: list[SpeechRequest] = []

    class Noting(ScriptedSpeech):
        def stream(self, request: SpeechRequest) -> Any:
            if request.wants == "nothing":
                prepared.append(request)
            return super().stream(request)

    config = SessionConfig(instructions="Be kind.")
    async with talk(engines(speech=Noting()), config, ways=HEARS) as (person, _):
        await say_and_hear(person, turns=2)
    assert len(prepared) == len(person.heard(SpeechStarted)) == 2
    assert [m.role for m in prepared[1].messages] == ["system", "user", "assistant"]


async def test_a_turn_without_words_is_not_remembered_as_any() -> None:
    requests: list[SpeechRequest] = []
    parts = engines(speech=noting(requests, hear=lambda _sound: ""), asr=NotAsked())
    async with talk(parts, ways=HEARS) as (person, _):
        await person.speak(0.5)
        await anyio.sleep(4)
    assert person.heard(ReplyAudio) == []


async def test_without_the_model_that_hears_words_are_transcribed_and_answered() -> None:
    prompts: Prompts = []
    parts = engines(speech=Away(), asr=hear_voices("plain words"), chat=remembering(prompts, "A plain answer."))
    async with talk(parts, ways=HEARS) as (person, _):
        await say_and_hear(person)
    assert person.heard(ReplyDone)[0].status == "completed"
    assert [event.text for event in person.heard(TranscriptDone)] == ["plain words"]
    assert prompts[-1][-1] == ("user", "plain words")


async def test_words_that_the_model_had_not_told_when_it_was_interrupted_are_transcribed() -> None:
    heard: list[TranscribeRequest] = []

    def hear(request: TranscribeRequest) -> str:
        heard.append(request)
        return "words after all"

    class SlowAtFirst(ScriptedSpeech):
        def stream(self, request: SpeechRequest) -> Any:
            was_asked = any(message.role == "assistant" for message in request.messages)
            return (ScriptedSpeech() if was_asked else super()).stream(request)

    speech = SlowAtFirst(lambda _request: "a long answer " * 30, word_s=0.2, heard_s=60)
    async with talk(engines(speech=speech, asr=ScriptedTranscriber(hear=hear)), ways=HEARS) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyAudio)
        await anyio.sleep(1.0)
        await person.speak(2.0)
        await person.until(TranscriptDone, 2)
    words = {event.item_id: event.text for event in person.heard(TranscriptDone)}
    assert words[person.heard(TurnCommitted)[0].item_id] == "words after all"


async def test_a_turn_committed_by_hand_is_heard_as_sound_before_its_words_are_known() -> None:
    requests: list[SpeechRequest] = []
    parts = engines(speech=noting(requests), asr=ScriptedTranscriber("late words"), delays_s={"asr": 2.0})
    async with talk(parts, SessionConfig(turn_detection=None, show_transcript=True), ways=HEARS) as (person, _):
        await person.speak(1.0)
        await person.tell(CommitAudio())
        await person.tell(CreateReply())
        await person.until(TranscriptDone)
    assert prompts_of(requests)[0][-1] == ("user", SOUND)
    assert person.times(ReplyAudio)[0] < person.times(TranscriptDone)[0]


async def test_a_changed_mind_leaves_no_trace_in_the_prompt() -> None:
    requests: list[SpeechRequest] = []
    lengths: list[float] = []

    def hear(sound: Float32) -> str:
        lengths.append(len(sound) / 16_000)
        return "words"

    async with talk(engines(speech=noting(requests, hear=hear)), ways=HEARS) as (person, _):
        await person.speak(1.0)
        await anyio.sleep(0.2)
        await person.speak(1.0)
        await person.until(ReplyDone)
    assert len(person.heard(TurnCommitted)) == len(person.heard(ReplyDone)) == 1
    assert [len(request.messages) for request in requests] == [len(requests[0].messages)] * len(requests)
    sound = requests[-1].messages[-1].audio
    assert sound is not None
    assert max(lengths) == len(sound) / 16_000 > 2.0


def hello(item_id: str = "text") -> CreateItem:
    """Something typed."""
    return CreateItem(item=Message(id=item_id, role="user", parts=(Part(kind="input_text", text="typed"),)))


async def test_an_attempt_made_anew_does_not_hear_the_words_twice() -> None:
    """The conversation changes under the attempt while the words are coming: it is asked again."""
    asked: list[SpeechRequest] = []
    parts = engines(speech=InPieces("once and only once", 0.1, asked), asr=NotAsked())
    async with talk(parts, ways=HEARS) as (person, _):
        await person.speak(1.0)
        while not asked:
            await anyio.sleep(0.02)
        await anyio.sleep(0.15)
        await person.tell(hello())
        await person.until(TranscriptDone)
    assert len(asked) == 2
    assert [event.text for event in person.heard(TranscriptDone)] == ["once and only once"]


async def test_words_known_before_the_attempt_is_made_anew_are_not_asked_for_again() -> None:
    asked: list[SpeechRequest] = []
    async with talk(engines(speech=InPieces("words", 0.0, asked), asr=NotAsked()), ways=HEARS) as (person, _):
        await person.speak(1.0)
        while not asked:
            await anyio.sleep(0.02)
        await anyio.sleep(0.1)
        await person.tell(hello())
        await person.until(ReplyDone)
    assert [request.wants for request in asked] == ["both", "answer"]
    assert [event.text for event in person.heard(TranscriptDone)] == ["words"]


async def test_the_rest_of_an_interrupted_answer_is_not_made_when_the_words_never_come() -> None:
    said = 0

    class Endless(ScriptedSpeech):
        async def results(self, request: SpeechRequest) -> AsyncGenerator[SpeechDelta, None]:
            nonlocal said
            if request.wants == "nothing":
                return
            if any(message.role == "assistant" for message in request.messages):
                yield SpeechDelta(text="Quite so.", finish="stop")
                return
            while True:
                said += 1
                yield SpeechDelta(text="and so on, ")
                await anyio.sleep(0.1)

    def fail(_request: TranscribeRequest) -> str:
        raise EngineError("deaf")

    parts = engines(speech=Endless(), asr=ScriptedTranscriber(hear=fail))
    async with talk(parts, ways=HEARS) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyAudio)
        await anyio.sleep(1.0)
        await person.speak(2.0)
        await person.until(ReplyDone, 2)
        await anyio.sleep(2.0)
        so_far = said
        await anyio.sleep(5.0)
    assert said == so_far


async def test_a_failure_after_the_whole_answer_is_only_the_words() -> None:
    class BreaksOff(InPieces):
        async def results(self, request: SpeechRequest) -> AsyncGenerator[SpeechDelta, None]:
            async for delta in super().results(request):
                yield delta
                if delta.heard:
                    raise EngineLost("as asked")

    parts = engines(speech=BreaksOff("some words", 0.0, []), asr=hear_voices("all the words"))
    async with talk(parts, ways=HEARS) as (person, _):
        await say_and_hear(person)
    assert [event.status for event in person.heard(ReplyDone)] == ["completed"]
    assert [event.text for event in person.heard(TranscriptDone)] == ["all the words"]


async def test_noise_is_not_taken_for_the_question_before_it() -> None:
    """The model that hears is away, and the typed question has no answer yet: the noise after it asks for none."""
    prompts: Prompts = []
    parts = engines(speech=Away(), asr=hear_voices(), chat=remembering(prompts, "A plain answer."))
    async with talk(parts, ways=HEARS) as (person, _):
        await person.tell(hello())
        await person.make_noise(1.0)
        await person.until(TranscriptDone)
        await anyio.sleep(2.0)
    assert [event.text for event in person.heard(TranscriptDone)] == [""]
    assert prompts == []
