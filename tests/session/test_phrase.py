"""Text into phrases: nothing lost, the first one soon, none cut where a voice would stumble."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from duologue.session.phrase import FIRST_CLAUSE_WORDS, LONGEST_PHRASE_CHARS, Phraser, is_speakable

ENGLISH = (
    "Well, I think that it depends, to be honest. Dr. Smith paid 3.5 dollars for it! "
    "Is that e.g. too much? It was on the U.S. market at 10:30 p.m. on that day."
)


def _phrases(text: str, step: int = 1) -> list[str]:
    """The phrases of ``text`` as it comes ``step`` characters at a time."""
    phraser = Phraser()
    phrases = [p for at in range(0, len(text), step) for p in phraser.push(text[at : at + step])]
    return phrases + phraser.flush()


alphabet = st.sampled_from([*list("ab .,;:!?\n\t'\"-—…1é中。"), "Mr. ", "3.14", "... ", "e.g. "])
texts = st.lists(alphabet, max_size=120).map("".join)


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(1, 40))
@example("a" * 600, 7)
@example(" " * 300 + "word", 50)
@example("One.\n\n\nTwo. ", 3)
def test_phrases_joined_are_the_text(text: str, step: int) -> None:
    phrases = _phrases(text, step)
    assert "".join(phrases).rstrip() == text.rstrip()
    assert "".join(phrases) == text[: len("".join(phrases))]
    assert all(phrases)


@pytest.mark.parametrize("step", [1, 5, 1_000])
def test_english_is_cut_at_sentences_and_nowhere_else(step: int) -> None:
    phrases = [phrase.strip() for phrase in _phrases(ENGLISH, step)]
    sentences = [
        "Dr. Smith paid 3.5 dollars for it!",
        "Is that e.g. too much?",
        "It was on the U.S. market at 10:30 p.m. on that day.",
    ]
    assert phrases[-3:] == sentences


def test_the_first_phrase_is_a_first_clause() -> None:
    assert _phrases(ENGLISH)[0] == "Well, I think that it depends, "


def test_a_clause_of_too_few_words_waits_for_more() -> None:
    first = _phrases("Yes, of course, I can do that for you, sir. And more.")[0]
    assert len(first.split()) >= FIRST_CLAUSE_WORDS


def test_only_the_first_phrase_is_a_clause() -> None:
    later = _phrases("This is the start. And now, as one should expect, comes the rest of it.")[1]
    assert later == "And now, as one should expect, comes the rest of it."


def test_a_comma_inside_a_number_ends_no_clause() -> None:
    assert _phrases("That would be about 12,500 or so of them.") == ["That would be about 12,500 or so of them."]


def test_text_without_an_end_is_cut_at_spaces() -> None:
    phrases = _phrases("word " * 200, 3)
    assert max(map(len, phrases)) <= LONGEST_PHRASE_CHARS
    assert all(phrase.endswith(" ") for phrase in phrases[:-1])


def test_a_first_phrase_comes_before_the_text_is_over() -> None:
    phraser = Phraser()
    assert not phraser.push("I would say that it is fine,")
    assert phraser.push(" and") == ["I would say that it is fine, "]


@pytest.mark.parametrize(("phrase", "speakable"), [("...", False), (" \n", False), ("Hm.", True), ("42", True)])
def test_what_a_voice_can_say(phrase: str, speakable: bool) -> None:
    assert is_speakable(phrase) is speakable


def test_no_phrase_is_longer_than_a_voice_waits_for_however_the_text_comes() -> None:
    sentence = "and so " * 300 + "on. "
    text = sentence + "Then another one. And more."
    phraser = Phraser()
    phrases = [*phraser.push(text), *phraser.flush()]
    assert "".join(phrases) == text
    assert max(map(len, phrases)) <= LONGEST_PHRASE_CHARS
    assert phrases[-2:] == ["Then another one. ", "And more."]
