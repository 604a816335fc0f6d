"""Which words of an answer were heard."""

from __future__ import annotations

import pytest

from duologue.bench.turns.heard import MS_PER_LETTER, Phrase, Said, judge, word_times
from duologue.bench.turns.voices import word_clock

pytestmark = pytest.mark.anyio

TWO = Said(phrases=[Phrase("One two. ", 0.0), Phrase("Three four five. ", 1000.0)], sent_ms=2500.0)


def memory_of(words: list, kept: str, heard_ms: float):  # type: ignore[no-untyped-def, type-arg]
    return judge(words, kept, heard_ms, item_id="i", account="clock", is_estimate=True)


async def test_the_synthesizer_tells_the_words_of_a_phrase_stretched_to_its_real_length() -> None:
    async with word_clock("scripted") as clock:
        words = await word_times(TWO, clock)
    assert [word.text for word in words] == ["One", "two.", "Three", "four", "five."]
    # The scripted voice takes 1 s for a phrase; how long the last one really was is not known, as it was cut off.
    assert [word.starts_ms for word in words] == pytest.approx([0, 500, 1000, 1333.3, 1666.7], abs=0.1)
    whole = Said(phrases=TWO.phrases, sent_ms=2500.0, is_whole=True)
    async with word_clock("scripted") as clock:
        words = await word_times(whole, clock)
    assert [word.starts_ms for word in words] == pytest.approx([0, 500, 1000, 1500, 2000], abs=0.1)


async def test_without_a_synthesizer_letters_last_equally_long() -> None:
    async with word_clock("somebody else's") as clock:
        assert clock is None
        words = await word_times(TWO, clock)
    assert [word.starts_ms for word in words[:2]] == pytest.approx([0, 444.4], abs=0.1)
    assert words[3].starts_ms == pytest.approx(1000 + 6 * MS_PER_LETTER)


@pytest.mark.parametrize(
    ("kept", "heard_ms", "unheard", "lost"),
    [
        ("One two.", 1000.0, 0, 0),
        ("One two. Three", 1001.0, 0, 0),
        ("One two.", 1001.0, 0, 0),
        ("One two. Three", 999.0, 1, 0),
        ("One two. Three four five.", 999.0, 3, 0),
        ("", 999.0, 0, 1),
        ("", 0.0, 0, 0),
    ],
)
async def test_the_word_being_spoken_may_be_in_or_out(kept: str, heard_ms: float, unheard: int, lost: int) -> None:
    async with word_clock("scripted") as clock:
        memory = memory_of(await word_times(TWO, clock), kept, heard_ms)
    assert (memory.unheard, memory.lost) == (unheard, lost)
    assert memory.is_prefix


async def test_what_is_not_how_the_answer_began_is_told() -> None:
    async with word_clock("scripted") as clock:
        words = await word_times(TWO, clock)
    assert not memory_of(words, "Two. Three", 2500.0).is_prefix
    memory = memory_of(words, "One two. Three", 1200.0)
    assert (memory.heard, memory.remembered) == ("One two. Three", "One two. Three")
