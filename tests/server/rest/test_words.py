"""Guessed times of words, and the subtitles made of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.base import TimedWord
from duologue.server.rest.long_audio import Passage
from duologue.server.rest.subtitles import cues_of, srt, vtt
from duologue.server.rest.words import spread


def test_words_share_the_voice_by_their_letters() -> None:
    words = spread("I understand", [(0, 16_000)])
    assert [(word.text, word.start_s, word.end_s) for word in words] == [("I", 0.0, 0.118), ("understand", 0.118, 1.0)]


def test_a_pause_belongs_to_no_word() -> None:
    first, second = spread("yes, yes", [(1_600, 9_600), (32_000, 40_000)])
    assert (first.start_s, first.end_s) == (0.1, 0.6)
    assert (second.start_s, second.end_s) == (2.0, 2.5)


def test_no_words_and_no_voice() -> None:
    assert spread("", [(0, 100)]) == ()
    assert spread("word", []) == ()


@given(
    st.text(st.sampled_from("ab .,"), min_size=1, max_size=60),
    st.lists(st.integers(1, 90_000), min_size=2, max_size=12, unique=True),
)
def test_any_words_over_any_voice(text: str, edges: list[int]) -> None:
    edges = sorted(edges)
    voiced = list(zip(edges[::2], edges[1::2], strict=False))
    words = spread(text, voiced)
    assert [word.text for word in words] == text.split()
    times = [time for word in words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    if times:
        assert voiced[0][0] / 16_000 - 0.001 <= times[0]
        assert times[-1] <= voiced[-1][1] / 16_000 + 0.001


def _passage(text: str, each_s: float = 0.3, start_s: float = 0.0) -> Passage:
    words = tuple(
        TimedWord(word, start_s + i * each_s, start_s + (i + 1) * each_s) for i, word in enumerate(text.split())
    )
    return Passage(text, words[0].start_s, words[-1].end_s, words=words)


def test_cues_are_of_a_size_to_read() -> None:
    passage = _passage("word " * 200)
    cues = cues_of([passage])
    assert " ".join(cue.text for cue in cues).split() == passage.text.split()
    assert all(len(cue.text) <= 84 and cue.end_s - cue.start_s <= 7.0 for cue in cues)
    assert all(len(line) <= 42 for line in srt([passage]).splitlines())


def test_a_sentence_ends_a_cue() -> None:
    cues = cues_of([_passage("This sentence is long enough to stand alone. And this one follows. Yes.")])
    assert [cue.text for cue in cues] == ["This sentence is long enough to stand alone.", "And this one follows. Yes."]


def test_subrip() -> None:
    assert srt([_passage("Good morning.", start_s=3661.5)]) == "1\n01:01:01,500 --> 01:01:02,100\nGood morning.\n\n"


def test_webvtt_has_no_markup_of_the_speakers() -> None:
    found = vtt([_passage("a --> b <i> & c")])
    assert found == "WEBVTT\n\n00:00:00.000 --> 00:00:01.800\na --&gt; b &lt;i&gt; &amp; c\n\n"


def test_nothing_said() -> None:
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n\n"
