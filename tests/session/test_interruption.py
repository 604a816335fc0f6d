"""Sound over the answer: what it is taken for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from duologue.session.interruption import DECIDE_MS, HOLD_MS, Overlap, Verdict, is_clear, judge

INF = float("inf")
LOWER, HOLD = Verdict.LOWER, Verdict.HOLD
INTERRUPT, BACKCHANNEL, NOISE, ECHO = Verdict.INTERRUPT, Verdict.BACKCHANNEL, Verdict.NOISE, Verdict.ECHO

# (since it was suspected, sound in ms, has it ended, words, of so much of it, verdict)
BY_LENGTH_AND_WORDS = [
    # Nothing is known but that there is a sound: lowered, then held, then taken for somebody.
    (0, 0, False, None, 0, LOWER),
    (HOLD_MS - 1, 130, False, None, 0, LOWER),
    (HOLD_MS, 130, False, None, 0, HOLD),
    (DECIDE_MS - 1, 430, False, None, 0, HOLD),
    (DECIDE_MS, 430, False, None, 0, INTERRUPT),
    # The first words are there: with some somebody takes the floor, others are those of a listener.
    (280, 230, False, "What?", 200, INTERRUPT),
    (280, 230, False, "No.", 200, INTERRUPT),
    (280, 230, False, "Mm-hmm.", 200, LOWER),
    (280, 230, False, "Yeah.", 200, LOWER),
    (280, 230, False, "So?", 200, HOLD),
    (280, 230, False, "", 200, HOLD),
    # It lasts, and is decided in time all the same.
    (500, 450, False, "Mm-hmm.", 360, BACKCHANNEL),
    (500, 450, False, "So?", 360, BACKCHANNEL),
    (500, 450, False, "", 360, NOISE),
    (5_000, 4_900, False, "", 4_500, NOISE),
    (5_000, 4_900, False, "Turn it off.", 4_500, INTERRUPT),
    # It is over. A click needs no words; else they are waited for, for a while.
    (100, 64, True, None, 0, NOISE),
    (300, 150, True, None, 0, HOLD),
    (300, 150, True, "", 140, NOISE),
    (650, 150, True, None, 0, NOISE),
    (450, 350, True, "Yeah.", 200, LOWER),
    (450, 300, True, "Yeah.", 200, BACKCHANNEL),
    (450, 300, True, "Right, right.", 290, BACKCHANNEL),
    (450, 300, True, "", 290, NOISE),
    (450, 300, True, "Stop.", 290, INTERRUPT),
    (860, 350, True, None, 0, INTERRUPT),
    (860, 350, True, "", 100, NOISE),
]


@pytest.mark.parametrize(("suspected", "lasted", "has_ended", "words", "words_ms", "verdict"), BY_LENGTH_AND_WORDS)
def test_a_sound_over_an_audible_answer(
    suspected: float, lasted: float, has_ended: bool, words: str | None, words_ms: float, verdict: Verdict
) -> None:
    assert judge(Overlap(suspected, lasted, has_ended, words, words_ms)) is verdict


# (sound in ms, has it ended, verdict)
BEFORE_THE_ANSWER = [
    (0, False, HOLD),
    (95, False, HOLD),
    (96, False, INTERRUPT),
    (64, True, NOISE),
    (96, True, INTERRUPT),
]


@pytest.mark.parametrize(("lasted", "has_ended", "verdict"), BEFORE_THE_ANSWER)
def test_a_sound_before_anything_of_the_answer_is_heard(lasted: float, has_ended: bool, verdict: Verdict) -> None:
    assert judge(Overlap(lasted, lasted, has_ended, is_audible=False)) is verdict


# (words, share of them that the assistant is saying, share of the sound that the answer explains, verdict)
BY_LIKENESS = [
    (None, 0.0, 0.9, ECHO),
    ("the weather in", 1.0, 0.3, ECHO),
    ("the weather in", 0.3, 0.3, INTERRUPT),
    # Who answers a question does so in its words.
    ("the red one", 1.0, 0.1, INTERRUPT),
    # A single word may be anybody's.
    ("Paris.", 1.0, 0.3, INTERRUPT),
    (None, 0.0, 0.5, HOLD),
]


@pytest.mark.parametrize(("words", "said_share", "echo", "verdict"), BY_LIKENESS)
def test_a_sound_like_the_answers_own(words: str | None, said_share: float, echo: float, verdict: Verdict) -> None:
    assert judge(Overlap(300, 250, words=words, words_ms=200, said_share=said_share, echo=echo)) is verdict


@pytest.mark.parametrize(("has_echo", "verdict"), [(False, HOLD), (True, ECHO)])
def test_of_a_listener_on_a_loudspeaker_less_likeness_is_enough(has_echo: bool, verdict: Verdict) -> None:
    assert judge(Overlap(300, 250, echo=0.7, has_echo=has_echo)) is verdict


@pytest.mark.parametrize(("left_ms", "verdict"), [(399.0, INTERRUPT), (400.0, BACKCHANNEL), (INF, BACKCHANNEL)])
def test_a_yeah_to_the_last_words_is_an_answer(left_ms: float, verdict: Verdict) -> None:
    assert judge(Overlap(450, 300, has_ended=True, words="Yeah.", words_ms=290, left_ms=left_ms)) is verdict


def test_whatever_is_known_an_ongoing_sound_is_decided_in_time() -> None:
    known = [None, "", "Mm.", "So?", "Stop it."]
    overlaps = [Overlap(DECIDE_MS, lasted, words=words) for lasted in (100, 300, 500) for words in known]
    overlaps += [replace(each, echo=0.5, said_share=0.5) for each in overlaps]
    assert not any(judge(each).is_open for each in overlaps)


@pytest.mark.parametrize("words", ["Stop.", "No.", "What is the", "Two.", "yeah but", "The word is fair."])
def test_clear_words(words: str) -> None:
    assert is_clear(words)


@pytest.mark.parametrize(
    "words", ["", "...", "S.", "I", "Mm-hmm,", "Uh-huh", "Yeah.", "Okay.", "So?", "Oh.", "Huh?", "And?", "Um, yeah."]
)
def test_words_that_leave_the_floor(words: str) -> None:
    assert not is_clear(words)
