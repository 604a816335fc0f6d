"""Answers begun in a pause: how far they get, what becomes of them, and that nobody sees those that were in vain."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import groupby
from typing import Any

import anyio
import numpy as np
import pytest

from duologue.audio.frame import Float32
from duologue.engines.base import SpeakRequest, SpeechChunk, SpeechRequest, TranscribeRequest, TurnRequest
from duologue.engines.pressure import ATTEMPTS, PARTIALS, Pressure
from duologue.engines.scripted import ScriptedSpeech, ScriptedSynthesizer, ScriptedTranscriber, ScriptedTurn
from duologue.errors import EngineError
from duologue.events import (
    AppendAudio,
    AttemptEnded,
    ClearAudio,
    CommitAudio,
    Configure,
    CreateItem,
    ItemAdded,
    ReplyAudio,
    ReplyDone,
    ReplyStarted,
    ReplyText,
    TranscriptDone,
    TurnCommitted,
)
from duologue.items import Message, Part, SessionConfig, TurnDetection
from duologue.session.budget import ASIDE_S, DUE_MS, MOST_DROPPED
from duologue.session.replies import Ways
from tests.conversations.talk import SILENCE, VOICE, Person, Prompts, engines, remembering, talk

pytestmark = pytest.mark.anyio
# A pause is known of after three windows of the VAD, and sound is looked at a frame and a window at a time.
ABOUT_S = 0.12
# Long enough for an attempt to get as far as it may, and so short that who goes on then is noticed, after two windows
# of the VAD, within the shortest wait of 0.29 s.
PAUSE_S = 0.2
UM_S = 0.3
ASKED = "I would like a table for four, please."
FINISHED, LIKELY, HANGING = 1.0, 0.5, 0.0


def stretches(sound: Float32) -> int:
    """How often somebody began to speak in it."""
    step = 800
    loud = np.abs(sound[: len(sound) // step * step]).reshape(-1, step).max(axis=1) > 0.15
    return sum(is_loud for is_loud, _ in groupby(loud))


def said(*texts: str) -> ScriptedTranscriber:
    """Hears the n-th text when somebody has spoken n times in the turn."""

    def hear(request: TranscribeRequest) -> str:
        return texts[min(stretches(request.audio), len(texts)) - 1]

    return ScriptedTranscriber(hear=hear)


def sounding(*probs: float) -> ScriptedTurn:
    """Sounds over with the n-th probability when somebody has spoken n times in the turn."""

    def judge(request: TurnRequest) -> float:
        return probs[min(stretches(request.audio), len(probs)) - 1]

    return ScriptedTurn(judge=judge)


class Voice(ScriptedSynthesizer):
    """``asked``: when, and for what."""

    def __init__(self, first_s: float = 0.05, phrase_s: float = 1.0) -> None:
        super().__init__(phrase_s, first_s=first_s)
        self.asked: list[tuple[float, str]] = []

    async def results(self, request: SpeakRequest) -> AsyncGenerator[SpeechChunk, None]:
        self.asked.append((anyio.current_time(), request.text))
        async for chunk in super().results(request):
            yield chunk

    @property
    def phrases(self) -> list[str]:
        return [text for _, text in self.asked]


class Scene:
    """Engines of which it is known what they were asked."""

    def __init__(self, texts: Sequence[str], probs: Sequence[float], **parts: Any) -> None:
        self.prompts: Prompts = []
        self.voice: Voice = parts.pop("voice", None) or Voice(parts.pop("voice_s", 0.05))
        answer = parts.pop("answer", lambda n: f"This is answer {n}. And that is the rest of it.")
        chat = remembering(self.prompts, answer, word_s=parts.pop("word_s", 0.0))
        self.delays_s = {"asr": 0.05, "turn": 0.02} | parts.pop("delays_s", {})
        self.client = engines(
            asr=said(*texts), turn=sounding(*probs), chat=chat, tts=self.voice, delays_s=self.delays_s, **parts
        )

    @property
    def questions(self) -> list[str]:
        return [prompt[-1][1] for prompt in self.prompts]


def ended(person: Person) -> list[tuple[bool, str]]:
    """What became of each attempt, and how far it got."""
    return [(event.is_kept, event.level) for event in person.heard(AttemptEnded)]


async def speak_and_pause(person: Person, *speech_s: float, pause_s: float = PAUSE_S) -> None:
    for seconds in speech_s:
        await person.speak(seconds)
        await anyio.sleep(pause_s)


# --- levels ------------------------------------------------------------------------------------------------------


async def test_with_a_likely_end_the_first_phrase_is_ready_when_the_turn_is_over() -> None:
    voice_s = 0.1
    scene = Scene([ASKED], [FINISHED], voice_s=voice_s)
    async with talk(scene.client) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
        [committed_s] = person.times(TurnCommitted)
    assert person.times(ReplyAudio)[0] == pytest.approx(committed_s, abs=0.001)
    assert scene.voice.asked[0][0] < committed_s - voice_s
    assert ended(person) == [(True, "sound")]


async def test_while_the_end_is_unlikely_an_answer_is_written_but_not_spoken_until_it_is_near() -> None:
    scene = Scene(["I would like a table and"], [HANGING], voice_s=0.15)
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0, pause_s=0.6)
        assert scene.questions == ["I would like a table and"]
        assert scene.voice.asked == []
        await person.until(ReplyDone)
        [committed_s] = person.times(TurnCommitted)
    asked_s, phrase = scene.voice.asked[0]
    assert phrase == "This is answer 1. "
    assert committed_s - asked_s == pytest.approx(DUE_MS / 1000, abs=ABOUT_S)
    assert person.times(ReplyAudio)[0] == pytest.approx(committed_s, abs=0.001), "it was near for long enough"


async def test_no_more_than_the_first_phrase_is_spoken_before_the_turn_is_over() -> None:
    scene = Scene([ASKED], [FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        assert not person.heard(TurnCommitted)
        assert scene.voice.phrases == ["This is answer 1. "]
        await person.until(ReplyDone)
        assert scene.voice.asked[1][0] == pytest.approx(person.times(TurnCommitted)[0], abs=0.001)


@pytest.mark.parametrize(
    ("level", "text", "prob", "pause_s", "delay_s"),
    [
        ("words", ASKED, FINISHED, 0.2, 5.0),
        ("text", "I would like a table and", HANGING, PAUSE_S, 0.05),
        ("sound", ASKED, FINISHED, PAUSE_S, 0.05),
    ],
)
async def test_who_goes_on_sees_nothing_of_it_whatever_its_level(
    level: str, text: str, prob: float, pause_s: float, delay_s: float
) -> None:
    whole = "I would like a table for four and five."
    scene = Scene([text, whole], [prob, FINISHED], delays_s={"asr": delay_s})
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0, pause_s=pause_s)
        await person.speak(1.5)
        assert set(person.names()) <= {"SpeechStarted", "TranscriptDelta"}
        await person.until(ReplyDone)
    assert ended(person) == [(False, level), (True, "sound")] or level == "words"
    assert len(person.heard(ReplyStarted)) == len(person.heard(TurnCommitted)) == len(person.heard(ItemAdded)) == 1
    assert [event.text for event in person.heard(TranscriptDone)] == [whole]
    assert [len(prompt) for prompt in scene.prompts] == [1] * len(scene.prompts), "the history knows of none before"
    assert scene.questions[-1] == whole


async def test_an_answer_that_was_dropped_leaves_nothing_in_the_next_prompt() -> None:
    scene = Scene(["I would like a table and", ASKED], [HANGING, FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0, 1.5)
        await person.until(ReplyDone)
        await anyio.sleep(4.0)
        await person.speak(1.0)
        await person.until(ReplyDone, 2)
    assert [role for role, _ in scene.prompts[-1]] == ["user", "assistant", "user"]
    assert scene.prompts[-1][1][1] == "This is answer 2. And that is the rest of it."


# --- an answer that is kept over a filler ------------------------------------------------------------------------


async def test_an_answer_is_kept_where_the_words_grew_by_a_filler_only() -> None:
    scene = Scene([ASKED, f"{ASKED} Um."], [FINISHED], delays_s={"asr": 0.02})
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        await person.speak(UM_S)
        await person.until(ReplyDone)
    assert scene.questions == [ASKED], "nobody asked again"
    assert scene.voice.phrases[0] == "This is answer 1. "
    assert len(scene.voice.phrases) == 2, "and nothing was spoken twice"
    assert [event.text for event in person.heard(TranscriptDone)] == [f"{ASKED} Um."]
    assert "".join(event.text for event in person.heard(ReplyText)) == "This is answer 1. And that is the rest of it."
    assert person.times(ReplyAudio)[0] == pytest.approx(person.times(TurnCommitted)[0], abs=0.001)
    assert ended(person) == [(True, "sound")]


async def test_an_answer_is_kept_over_two_fillers_in_a_row() -> None:
    scene = Scene([ASKED, f"{ASKED} Um.", f"{ASKED} Um, uh."], [FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0, UM_S)
        await person.speak(UM_S)
        await person.until(ReplyDone)
    assert scene.questions == [ASKED]
    assert ended(person) == [(True, "sound")]


async def test_an_answer_is_kept_over_a_pause_whose_words_came_too_late() -> None:
    scene = Scene([ASKED, f"{ASKED} Um.", f"{ASKED} Um, uh."], [FINISHED], delays_s={"asr": 0.08})
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        await speak_and_pause(person, UM_S, pause_s=0.12)
        await person.speak(UM_S)
        await person.until(ReplyDone)
    assert scene.questions == [ASKED]
    assert ended(person) == [(False, "words"), (True, "sound")]


async def test_real_words_after_a_filler_are_answered() -> None:
    whole = f"{ASKED} Um, and a chair."
    scene = Scene([ASKED, f"{ASKED} Um.", whole], [FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0, UM_S)
        await person.speak(0.8)
        await person.until(ReplyDone)
    assert scene.questions == [ASKED, whole]
    assert "".join(event.text for event in person.heard(ReplyText)).startswith("This is answer 2.")
    assert ended(person) == [(False, "sound"), (True, "sound")]


async def test_where_the_words_are_others_the_model_is_asked_once() -> None:
    whole = f"{ASKED} And a chair."
    scene = Scene([ASKED, whole], [FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        await person.speak(0.5)
        await person.until(ReplyDone)
    assert scene.questions == [ASKED, whole]
    assert len(person.heard(ReplyDone)) == 1


async def test_who_speaks_on_for_longer_than_a_filler_stops_the_answer_that_was_put_aside() -> None:
    scene = Scene([ASKED, "so on."], [FINISHED], word_s=0.1, answer=lambda _n: "word " * 100)
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        began_s = anyio.current_time()
        person.voice = VOICE
        await anyio.sleep(ASIDE_S / 2)
        assert not person.heard(AttemptEnded), "it may still be a filler"
        await anyio.sleep(ASIDE_S)
        [dropped] = person.heard(AttemptEnded)
    assert not dropped.is_kept
    assert person.times(AttemptEnded)[0] - began_s == pytest.approx(ASIDE_S, abs=ABOUT_S)
    assert dropped.compute_s > ASIDE_S, "the model went on until then"


NOTE = CreateItem(item=Message(id="note", role="system", parts=(Part(kind="input_text", text="Be brief."),)))
LOUDER = Configure(config=SessionConfig(instructions="Shout.", show_transcript=True))


@pytest.mark.parametrize("change", [NOTE, LOUDER], ids=["an item", "settings"])
async def test_an_answer_is_not_kept_where_the_conversation_changed_meanwhile(change: Any) -> None:
    scene = Scene([ASKED, f"{ASKED} Um."], [FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        person.voice = VOICE
        await anyio.sleep(UM_S / 2)
        await person.tell(change)
        await person.speak(UM_S / 2)
        await person.until(ReplyDone)
    assert scene.questions == [ASKED, f"{ASKED} Um."]
    assert scene.prompts[1][0][0] == "system"
    assert ended(person) == [(False, "sound"), (True, "sound")]


async def test_a_change_in_the_pause_itself_makes_the_answer_anew() -> None:
    scene = Scene([ASKED], [FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        await person.tell(NOTE)
        await person.until(ReplyDone)
    assert len(scene.prompts) == 2
    assert ended(person) == [(False, "sound")]
    assert "".join(event.text for event in person.heard(ReplyText)).startswith("This is answer 2.")


@pytest.mark.parametrize("event", [ClearAudio(), CommitAudio()], ids=["cleared", "committed"])
async def test_a_client_that_takes_the_turn_away_ends_what_was_put_aside(event: Any) -> None:
    scene = Scene([ASKED, f"{ASKED} Um."], [FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        await person.speak(UM_S / 2)
        await person.tell(event)
        await anyio.sleep(3.0)
        assert ended(person) == [(False, "sound")]
        assert not person.heard(ReplyStarted)
        await person.speak(1.0)
        await person.until(ReplyDone)
    assert len(person.heard(ReplyDone)) == 1


async def test_a_turn_that_is_over_before_its_words_are_known_is_answered_anew() -> None:
    whole = f"{ASKED} Um."
    scene = Scene([ASKED, whole], [FINISHED])
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        scene.delays_s["asr"] = 0.8
        await person.speak(UM_S)
        await person.until(ReplyDone)
    assert scene.questions == [ASKED, whole]
    assert ended(person) == [(False, "sound"), (True, "words")]


async def test_a_turn_without_an_end_leaves_nothing_put_aside() -> None:
    scene = Scene([ASKED], [FINISHED])
    async with talk(scene.client, SessionConfig()) as (person, _):
        await speak_and_pause(person, 1.0)
        person.is_sending = False
        for _second in range(125):
            await person.tell(AppendAudio(pcm=VOICE * 50))
        await person.until(TurnCommitted)
        person.voice, person.is_sending = SILENCE, True
        assert ended(person) == [(False, "sound")]
        await person.until(ReplyDone, len(person.heard(ReplyStarted)))


async def test_a_conversation_may_end_with_an_answer_put_aside() -> None:
    scene = Scene([ASKED], [FINISHED], word_s=0.1)
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        await person.speak(0.2)
    assert ended(person) == []


async def test_an_answer_that_failed_is_not_kept() -> None:
    class Hoarse(Voice):
        """Fails once."""

        async def results(self, request: SpeakRequest) -> AsyncGenerator[SpeechChunk, None]:
            async for chunk in super().results(request):
                if len(self.asked) == 1:
                    raise EngineError("as asked")
                yield chunk

    scene = Scene([ASKED, f"{ASKED} Um."], [FINISHED], voice=Hoarse())
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, 1.0)
        await person.speak(UM_S)
        await person.until(ReplyDone)
    assert person.heard(ReplyDone)[0].status == "completed"
    assert len(scene.questions) == 2


async def test_a_model_that_hears_keeps_its_answer_only_where_the_words_are_known_to_be_the_same() -> None:
    asked: list[int] = []

    def answer(request: SpeechRequest) -> str:
        asked.append(1)
        return f"This is answer {len(asked)}."

    texts = {1: ASKED, 2: f"{ASKED} Um.", 3: "Something else."}
    speech = ScriptedSpeech(answer, hear=lambda sound: texts[stretches(sound)])
    for third, number in ((False, 1), (True, 3)):
        asked.clear()
        client = engines(speech=speech, turn=sounding(FINISHED), delays_s={"turn": 0.02})
        async with talk(client, ways=Ways(hears=True, has_partials=False)) as (person, _):
            await speak_and_pause(person, 1.0)
            if third:
                await speak_and_pause(person, UM_S)
            await person.speak(UM_S)
            await person.until(TranscriptDone)
            await person.until(ReplyDone)
        assert "".join(event.text for event in person.heard(ReplyText)) == f"This is answer {number}."


# --- the budget --------------------------------------------------------------------------------------------------


async def test_under_the_first_pressure_the_voice_waits_for_an_end_that_is_all_but_certain() -> None:
    for prob, level in ((LIKELY, "text"), (FINISHED, "sound")):
        pressure = Pressure()
        pressure.level = PARTIALS
        scene = Scene([ASKED], [prob])
        async with talk(scene.client, ways=Ways(pressure=pressure)) as (person, _):
            await person.speak(1.0)
            await person.until(ReplyDone)
        assert ended(person) == [(True, level)]


async def test_under_the_first_pressure_a_turn_has_one_answer_begun() -> None:
    pressure = Pressure()
    pressure.level = PARTIALS
    texts = ["I would like a table and", "I would like a table and a chair and", ASKED]
    scene = Scene(texts, [HANGING, HANGING, FINISHED], word_s=0.2)
    async with talk(scene.client, ways=Ways(pressure=pressure)) as (person, _):
        await speak_and_pause(person, 1.0, 0.6, 0.6)
        assert not person.heard(TurnCommitted)
        assert scene.questions == texts[:1]
        await person.until(ReplyDone)
    assert scene.questions == [texts[0], texts[2]]
    assert ended(person) == [(False, "text"), (False, "words"), (True, "words")]


async def test_under_the_second_pressure_nothing_is_begun() -> None:
    pressure = Pressure()
    pressure.level = ATTEMPTS
    scene = Scene([ASKED], [FINISHED])
    async with talk(scene.client, ways=Ways(pressure=pressure)) as (person, _):
        await person.speak(1.0)
        await person.until(TurnCommitted)
        assert scene.questions == []
        await person.until(ReplyDone)
    assert ended(person) == []


async def test_who_pauses_all_the_time_is_only_transcribed_until_the_end_is_likely() -> None:
    pauses = MOST_DROPPED + 2
    texts = [f"{'one ' * n}and" for n in range(1, pauses + 1)] + [ASKED]
    scene = Scene(texts, [HANGING] * pauses + [FINISHED], word_s=0.2)
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, *[0.6] * pauses)
        assert scene.questions == texts[:MOST_DROPPED]
        await person.speak(0.6)
        await person.until(ReplyDone)
        assert person.times(ReplyAudio)[0] < person.times(TurnCommitted)[0] + 0.001 + 0.8
    dropped, spared = [(False, "text")] * MOST_DROPPED, [(False, "words")] * 2
    assert ended(person)[:-1] == dropped + spared
    assert ended(person)[-1][0]
    assert scene.questions[MOST_DROPPED:] == [ASKED]


async def test_the_next_turn_has_a_budget_of_its_own() -> None:
    texts = [*(f"{'one ' * n}and" for n in range(1, MOST_DROPPED + 1)), ASKED]
    scene = Scene(texts, [HANGING] * MOST_DROPPED + [FINISHED], word_s=0.05)
    async with talk(scene.client) as (person, _):
        await speak_and_pause(person, *[0.6] * MOST_DROPPED)
        await person.speak(0.6)
        await person.until(ReplyDone)
        await anyio.sleep(5)
        asked = len(scene.questions)
        await speak_and_pause(person, 0.6, pause_s=0.5)
        assert len(scene.questions) == asked + 1


# --- the account -------------------------------------------------------------------------------------------------


async def test_what_an_attempt_cost_is_told() -> None:
    scene = Scene([ASKED], [FINISHED], delays_s={"asr": 0.05, "turn": 0.02}, voice_s=0.03)
    async with talk(scene.client) as (person, _):
        await person.speak(1.0)
        await person.until(ReplyDone)
    [kept] = person.heard(AttemptEnded)
    assert kept.compute_s == pytest.approx(0.05 + 0.02 + 0.03, abs=0.001)


async def test_a_turn_that_nobody_should_answer_costs_its_words() -> None:
    scene = Scene([ASKED], [FINISHED])
    config = SessionConfig(turn_detection=TurnDetection(create_reply=False))
    async with talk(scene.client, config) as (person, _):
        await person.speak(1.0)
        await anyio.sleep(2)
    assert ended(person) == [(True, "words")]
    assert scene.questions == []
