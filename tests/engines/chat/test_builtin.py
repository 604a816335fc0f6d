"""Conversations with the built-in responder, in the words that a small transcriber writes."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.engines.base import ChatMessage, ChatRequest
from duologue.engines.chat.builtin import BuiltinChat
from duologue.engines.chat.builtin_heard import make_plain, make_speakable
from duologue.engines.chat.builtin_small_talk import HOW_TO_ATTACH
from duologue.engines.chat.builtin_stories import STORIES, heard_until, plain_words, story_of

UNSPEAKABLE = re.compile(r"[*_#`<>{}\[\]\\|~^=\n\r\t]|  ")
TUESDAY = datetime(2026, 11, 24, 15, 40)


def make_chat(seed: int = 1, now: datetime = TUESDAY) -> BuiltinChat:
    return BuiltinChat(now=lambda: now, chance=random.Random(seed))


def converse(*said: str, seed: int = 1) -> list[str]:
    """All answers of a conversation in which everything was heard."""
    chat, messages, answers = make_chat(seed), [], []
    for text in said:
        messages.append(ChatMessage("user", text))
        answers.append(chat.answer(messages))
        messages.append(ChatMessage("assistant", answers[-1]))
    return answers


def interrupted(*turns: tuple[str, int | None]) -> list[str]:
    """Like converse, but of each answer only so many words (None: all) were heard and kept."""
    chat, messages, answers = make_chat(), [], []
    for text, heard_words in turns:
        messages.append(ChatMessage("user", text))
        answers.append(chat.answer(messages))
        heard = " ".join(answers[-1].split()[:heard_words])
        messages.append(ChatMessage("assistant", heard))
    return answers


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Hello.", r"hello|hi"),
        ("hey there", r"hello|hi"),
        ("Good morning!", r"hello|hi"),
        ("What time is it?", r"^It is twenty to four in the afternoon\.$"),
        ("um what's the time please", r"twenty to four"),
        ("Could you tell me the time?", r"twenty to four"),
        ("Hi, do you have the time", r"^(?:Hello|Hi)! It is twenty to four"),
        ("What's the time in Tokyo?", r"clock of this machine"),
        ("What day is it today?", r"Tuesday, the twenty-fourth of November, twenty twenty-six"),
        ("what is the date", r"Tuesday, the twenty-fourth"),
        ("What day is tomorrow?", r"Wednesday, the twenty-fifth"),
        ("what year is it", r"twenty twenty-six"),
        ("My name is Anna.", r"Anna"),
        ("Hi, I'm Bob.", r"Bob"),
        ("my name is anna and what time is it", r"Anna\. It is twenty to four"),
        ("My name is Anna. What time is it?", r"Anna\. It is twenty to four"),
        ("What's my name?", r"not told me"),
        ("How are you?", r"well|fine"),
        ("How's it going?", r"well|fine"),
        ("I'm fine, thanks.", r"glad|good to know"),
        ("I'm not feeling very well, I am sad", r"sorry|pity"),
        ("Who are you?", r"not a language model|rather than a language model"),
        ("What is your name?", r"built-in responder"),
        ("Are you ChatGPT?", r"No language model"),
        ("Are you a robot?", r"program"),
        ("What can you do?", r"stor"),
        ("How do I attach a model?", r"dash dash LLM"),
        ("how can I connect a language model", r"Ollama"),
        ("Thank you very much.", r"welcome|pleasure|any time|glad"),
        ("Goodbye!", r"bye"),
        ("okay bye bye", r"bye"),
        ("Hello, what's the weather like?", r"^(?:Hello|Hi)! .*(?:weather)"),
        ("Will it rain tomorrow?", r"weather"),
        ("Set a timer for five minutes", r"no tools"),
        ("Spell banana.", r"^B, A, N, A, N, A\.$"),
        ("How do you spell necessary?", r"^N, E, C, E, S, S, A, R, Y\.$"),
        ("Flip a coin.", r"^(?:Heads|Tails)\.$"),
        ("Roll a dice, please.", r"^A (?:one|two|three|four|five|six)\.$"),
        ("Count to five.", r"^One, two, three, four, five\.$"),
        ("can you count from ten down to seven", r"^Ten, nine, eight, seven\.$"),
        ("Count down from 3.", r"^Three, two, one\.$"),
        ("count backwards from four", r"^Four, three, two, one\.$"),
        ("Count by twos to 8", r"^Two, four, six, eight\.$"),
        ("Count from 98 to 101", r"^Ninety-eight, ninety-nine, one hundred, one hundred and one\.$"),
        ("Count to a million!", r"too long"),
        ("Tell me a joke.", r"\w+"),
        ("Say hello world.", r"^Hello world\.$"),
        ("Can you hear me?", r"hear|clear"),
        ("Tell me a story.", r"^This one is called"),
        ("Would you please tell me a bedtime story", r"^This one is called"),
        ("Go on.", r"nothing that I broke off"),
        ("Say that again.", r"not said anything"),
        ("Yes.", r"\w+"),
        ("No.", r"\w+"),
        ("", r"again|once more"),
        ("...", r"again|once more"),
        ("[BLANK_AUDIO]", r"again|once more"),
        ("What do you think about the French Revolution?", r"French Revolution.*model"),
        ("Thanks. Bye.", r"(?:welcome|pleasure|Any time|Glad).*(?i:bye)"),
        ("So I was thinking. What's two plus two?", r"^Two plus two is four\.$"),
    ],
)
def test_answers_one_remark(said: str, expected: str) -> None:
    for seed in range(4):
        (answer,) = converse(said, seed=seed)
        assert re.search(expected, answer, re.I), answer
        assert not UNSPEAKABLE.search(answer)


@pytest.mark.parametrize(
    ("hour", "minute", "said"),
    [
        (0, 0, "exactly midnight"),
        (12, 0, "exactly noon"),
        (8, 0, "eight o'clock in the morning"),
        (12, 1, "one minute past twelve in the afternoon"),
        (18, 30, "half past six in the evening"),
        (22, 45, "quarter to eleven at night"),
        (11, 43, "seventeen minutes to twelve in the morning"),
        (0, 15, "quarter past twelve at night"),
    ],
)
def test_says_the_time_as_people_do(hour: int, minute: int, said: str) -> None:
    chat = make_chat(now=datetime(2026, 1, 1, hour, minute))
    assert chat.answer([ChatMessage("user", "What time is it?")]) == f"It is {said}."


def test_remembers_the_name_and_spells_it() -> None:
    answers = converse("Um, my name is Anna.", "What time is it?", "Do you know my name?", "Spell my name.", "Hello")
    assert "Anna" in answers[0]
    assert answers[2] == "Your name is Anna."
    assert answers[3] == "A, N, N, A."
    assert "Anna" in answers[4]


def test_asks_for_the_name_and_takes_a_bare_answer() -> None:
    answers = converse("What's my name?", "It's Kim.", "who am i", "No, my name is Jo.", "what's my name")
    assert [answers[2], answers[4]] == ["Your name is Kim.", "Your name is Jo."]


@pytest.mark.parametrize("said", ["I'm fine.", "I'm German.", "I am not sure.", "call me later", "I'm going home"])
def test_does_not_take_any_word_for_a_name(said: str) -> None:
    assert "not told me" in converse(said, "What is my name?")[1]


def test_sums_go_on_from_the_last_result() -> None:
    answers = converse("What is seventeen times four?", "And times two?", "Thank you.", "half of that", "Minus 18.")
    assert answers[0] == "Seventeen times four is sixty-eight."
    assert answers[1] == "Sixty-eight times two is one hundred and thirty-six."
    assert answers[3] == "Half of one hundred and thirty-six is sixty-eight."
    assert answers[4] == "Sixty-eight minus eighteen is fifty."


def test_repeats_itself() -> None:
    answers = converse("Flip a coin.", "What did you say?", "Sorry?", "Pardon me?")
    assert len(set(answers)) == 1


@pytest.mark.parametrize("words", [12, 30, 61, 100])
@pytest.mark.parametrize(
    "ask", ["go on", "Continue.", "Okay, please go on.", "Go on with the story.", "what happened next"]
)
def test_goes_on_where_the_heard_words_end(words: int, ask: str) -> None:
    first, rest = interrupted(("Tell me a story.", words), (ask, None))
    assert plain_words(rest)[3:] == plain_words(first)[words:]


def test_goes_on_again_after_a_second_interruption() -> None:
    first, second, third = interrupted(("Tell me a story.", 40), ("Go on.", 33), ("Go on.", None))
    assert plain_words(third)[3:] == plain_words(first)[40 + 30 :]
    assert second.startswith("Going on, then:")


def test_goes_on_after_talk_about_something_else() -> None:
    answers = interrupted(("Tell me a story.", 40), ("What time is it?", None), ("Go on with the story.", None))
    assert plain_words(answers[2])[3:] == plain_words(answers[0])[40:]


def test_goes_on_counting() -> None:
    answers = interrupted(("Count to twenty.", 6), ("go on", 6), ("continue", None))
    assert answers[1].startswith("Going on, then: seven, eight, nine, ten")
    assert answers[2].startswith("Going on, then: ten, eleven")
    assert answers[2].endswith("twenty.")


def test_tells_every_story_once_before_the_first_again() -> None:
    answers = converse("Tell me a story.", "Another one.", "Yes, please.", "tell me another story", "go on")
    assert [story_of(answer) for answer in answers] == [0, 1, 2, 0, None]
    assert "end" in answers[4]


def test_no_declines_another_story_and_okay_takes_it() -> None:
    declined = converse("Tell me a story.", "No, thanks.")[1]
    assert re.search("change your mind|another time", declined)
    assert story_of(converse("Tell me a story.", "Okay.")[1]) == 1


@pytest.mark.parametrize("story", STORIES)
def test_stories_are_short_and_speakable(story: str) -> None:
    assert 120 <= len(story.split()) <= 200
    assert not UNSPEAKABLE.search(story)


@given(number=st.integers(0, len(STORIES) - 1), words=st.integers(1, 190))
def test_finds_every_place_in_a_story(number: int, words: int) -> None:
    told = STORIES[number].split()[:words]
    assert heard_until(STORIES[number], " ".join(told)) == len(told)


def test_again_repeats_the_last_game() -> None:
    answers = converse("Flip a coin.", "Again.", "roll a die", "one more", "Tell me a joke.", "another one")
    assert answers[1] in {"Heads.", "Tails."}
    assert answers[3].startswith("A ")
    assert answers[4] != answers[5]


def test_varies_and_speaks_of_attaching_only_now_and_then() -> None:
    answers = converse(*(f"Tell me about planet {name}" for name in ("Mars", "Venus", "Saturn", "Pluto")))
    assert len({answer[:10] for answer in answers}) == 4
    assert sum("ask me how" in answer.lower() for answer in answers) == 1


def test_how_follows_the_hint() -> None:
    assert converse("Tell me about whales.", "How do I do that?")[1] == HOW_TO_ATTACH


def test_system_messages_are_neither_obeyed_nor_told() -> None:
    messages = [ChatMessage("system", "You are Captain Hook. Say ARRR."), ChatMessage("user", "Who are you?")]
    assert not re.search("hook|arrr", make_chat().answer(messages), re.I)
    assert make_chat().answer(messages[:1]).startswith("Hello")


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_text_gets_a_speakable_answer(said: Sequence[str]) -> None:
    for answer in converse(*said):
        assert re.search(r"\w", answer)
        assert not UNSPEAKABLE.search(answer), answer
        assert len(answer.split()) < 220


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "finish"), [(None, "stop"), (3, "length"), (7, "stop"), (8, "stop"), (0, "length")])
async def test_streams_words_up_to_the_limit(limit: int | None, finish: str) -> None:
    request = ChatRequest((ChatMessage("user", "What is two plus two times three?"),), max_tokens=limit)
    chat = make_chat()
    await chat.start()
    async with chat.stream(request) as deltas:
        received = [delta async for delta in deltas]
    await chat.aclose()
    whole = "Two plus two times three is eight."
    assert "".join(delta.text for delta in received) == " ".join(whole.split()[:limit])
    assert [delta.finish for delta in received] == [None] * (len(received) - 1) + [finish]


@pytest.mark.anyio
async def test_a_stream_may_be_left_early() -> None:
    async with make_chat().stream(ChatRequest((ChatMessage("user", "Tell me a story."),))) as deltas:
        first = await anext(aiter(deltas))
    assert first.text == "This"


def test_vowel_signs_stay_with_their_words() -> None:
    heard = "नमस्ते आप कैसे हैं"
    assert make_plain(heard) == make_speakable(heard) == heard
