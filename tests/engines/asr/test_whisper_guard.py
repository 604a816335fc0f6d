from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.asr import whisper_guard as guard
from duologue.engines.asr.whisper_guard import Attempt
from duologue.engines.asr.whisper_phantoms import is_credit, is_likely_phantom

LOOP = (7, 8, 9) * 6


def attempt(
    text: str = "Turn on the lights.",
    *,
    tokens: tuple[int, ...] = (1, 2, 3, 4, 5),
    log_prob: float = -0.2,
    no_speech: float = 0.01,
    sound_s: float = 2.0,
    limit: int = 24,
) -> Attempt:
    return Attempt(tokens, text, log_prob, no_speech, sound_s, limit)


def is_believed(tried: Attempt) -> bool:
    return bool(guard.believed_tokens(tried))


def test_plain_speech_is_believed_at_once() -> None:
    assert guard.believed_tokens(attempt()) == (1, 2, 3, 4, 5)
    assert not guard.wants_second_try(attempt())


@pytest.mark.parametrize(
    ("log_prob", "no_speech", "believed"),
    [(-1.2, 0.7, False), (-1.2, 0.5, True), (-0.9, 0.7, True), (-0.2, 0.99, True)],
)
def test_silence_needs_both_probabilities(log_prob: float, no_speech: float, believed: bool) -> None:
    assert is_believed(attempt(log_prob=log_prob, no_speech=no_speech)) is believed


def test_silence_gets_no_second_try() -> None:
    assert not guard.wants_second_try(attempt(log_prob=-1.5, no_speech=0.9))
    assert not guard.wants_second_try(attempt(tokens=LOOP, no_speech=0.9))
    assert not is_believed(attempt(tokens=LOOP, no_speech=0.9))


def test_doubt_gets_a_second_try() -> None:
    assert guard.wants_second_try(attempt(log_prob=-1.1))
    assert not guard.wants_second_try(attempt(log_prob=-0.99))


def test_loops_get_a_second_try_and_are_cut() -> None:
    looped = attempt(tokens=(1, 2, *LOOP))
    assert guard.wants_second_try(looped)
    assert guard.believed_tokens(looped) == (1, 2, 7, 8, 9)


def test_an_unended_text_is_repetitive_and_cut_at_its_limit() -> None:
    tokens = tuple(range(40))
    runaway = attempt(tokens=tokens, limit=24)
    assert guard.wants_second_try(runaway)
    assert guard.believed_tokens(runaway) == tokens[:24]


def test_a_neighbours_longer_limit_changes_nothing() -> None:
    alone, in_company = attempt(tokens=tuple(range(24)), limit=24), attempt(tokens=tuple(range(90)), limit=24)
    assert guard.believed_tokens(alone) == guard.believed_tokens(in_company)
    assert guard.wants_second_try(alone) == guard.wants_second_try(in_company)


def test_text_that_says_one_thing_again_and_again() -> None:
    text = "I'm going to go to the store. " * 12
    tokens = (*range(90), *(1, 2, 1))
    dense = attempt(text, tokens=tokens, sound_s=20, limit=168)
    assert guard.wants_second_try(dense)
    assert not is_believed(dense)


@pytest.mark.parametrize("said", ["No, no, no.", "My number ends in five five five.", "Ha ha ha ha."])
def test_people_repeat_themselves_a_little(said: str) -> None:
    words = said.lower().replace(",", " ,").replace(".", " .").split()
    tokens = tuple(hash(word) for word in words)
    assert not guard.wants_second_try(attempt(said, tokens=tokens))


def test_the_better_of_two_tries() -> None:
    doubtful, sure, looped = attempt(log_prob=-1.3), attempt(log_prob=-0.4), attempt(tokens=LOOP)
    assert guard.better(doubtful, sure) is sure
    assert guard.better(sure, doubtful) is sure
    assert guard.better(looped, doubtful) is doubtful
    assert guard.better(doubtful, looped) is doubtful
    assert guard.better(looped, attempt(tokens=(*LOOP, 7))) is looped


@pytest.mark.parametrize(
    ("sound_s", "language", "limit"),
    [(0.3, "en", 10), (4.0, "en", 40), (30.0, "en", 224), (4.0, "hi", 88), (30, None, 224)],
)
def test_tokens_are_limited_by_the_sound(sound_s: float, language: str | None, limit: int) -> None:
    assert guard.token_limit(sound_s, language) == limit


@pytest.mark.parametrize(
    "text",
    [
        "Subtitles by the Amara.org community",
        "Untertitel der Amara.org-Community",
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Sous-titrage ST' 501",
        "Untertitelung des ZDF, 2020",
        "Subtítulos realizados por la comunidad de Amara.org",
        "Субтитры сделал DimaTorzok",
        "♪♪",
        "[Music]",
        "(applause)",
        "© BF-WATCH TV 2021",
    ],
)
def test_credit_lines_are_never_believed(text: str) -> None:
    assert is_credit(text)
    assert not is_believed(attempt(text, log_prob=-0.05))


@pytest.mark.parametrize(
    "text",
    [
        "Turn the subtitles off, please.",
        "Wie schalte ich Untertitel ein?",
        "Translate this into French.",
        "I like music.",
    ],
)
def test_talk_about_subtitles_is_talk(text: str) -> None:
    assert not is_credit(text)
    assert is_believed(attempt(text, log_prob=-0.9))


@pytest.mark.parametrize(
    "text",
    [
        "you",
        "You.",
        "Thank you.",
        "Thanks for watching!",
        "Bye-bye.",
        "ご視聴ありがとうございました。",
        "Vielen Dank für Ihre Aufmerksamkeit.",
        "İzlediğiniz için teşekkür ederim.",
    ],
)
def test_phantoms_need_weak_evidence(text: str) -> None:
    assert is_likely_phantom(text)
    assert not is_believed(attempt(text, log_prob=-0.8, sound_s=1.0))
    assert not is_believed(attempt(text, no_speech=0.5, sound_s=9.0))
    assert is_believed(attempt(text, log_prob=-0.2, sound_s=1.0))


def test_a_phrase_that_fills_its_sound_is_said() -> None:
    assert is_believed(attempt("Thank you so much for watching", log_prob=-0.8, sound_s=2.5))


@pytest.mark.parametrize("text", ["Yes.", "Stop.", "You are right.", "Thank you for the recipe."])
def test_other_short_texts_are_no_phantoms(text: str) -> None:
    assert is_believed(attempt(text, log_prob=-0.8, sound_s=0.8))


@pytest.mark.parametrize("text", ["", "...", " ?!"])
def test_marks_alone_are_nothing(text: str) -> None:
    assert not is_believed(attempt(text))


@given(st.lists(st.integers(0, 3), max_size=60).map(tuple))
def test_cutting_a_loop_leaves_a_beginning(tokens: tuple[int, ...]) -> None:
    period = guard.loop_length(tokens)
    if period:
        cut = guard.without_loop(tokens, period)
        assert cut == tokens[: len(cut)]
        assert len(tokens) - len(cut) >= 2 * period
