"""What a search makes of text, in scripts with blanks and without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.store.spelling import SNIPPET_CHARS, composed, snippet, spell, terms, title_of, tokens


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("Don't STOP, café naïve 42nd!", "don t stop cafe naive 42nd"),
        ("Straße, ёлка, ﬁn, ①", "strasse елка fin 1"),
        ("Tromsø, Łódź, Þór", "tromso lodz thor"),
        ("東京タワーに", "東 京 タ ワ ー に"),
        ("ﾀﾜｰ", "タ ワ ー"),
        ("สวัสดี", "ส วั ส ดี"),
        ("हिन्दी में", "हिन्दी में"),
        ("서울역에서 만나요", "서울역에서 만나요"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد", "محمد"),
        ("iPhone15を買う", "iphone15 を 買 う"),
        ("x_y foo-bar 🎉 ...", "x y foo bar"),
        ("", ""),
    ],
)
def test_how_text_is_spelled(text: str, spelled: str) -> None:
    assert spell(text) == spelled


def test_a_query_is_words_each_of_which_may_be_a_row_of_tokens() -> None:
    assert terms(" don't  東京 ?!") == [["don", "t"], ["東", "京"]]
    assert terms("?! 🎉") == []
    assert len(terms("w " * 100)) == 12


@given(st.text())
def test_tokens_lie_in_the_text_in_order_and_hold_no_signs(text: str) -> None:
    text = composed(text)
    end = 0
    for token in tokens(text):
        assert end <= token.start < token.end <= len(text)
        assert not set(token.spelled) & set("\"' *()^:-\0")
        end = token.end


@given(st.text(min_size=1), st.integers(0, 200))
def test_every_word_of_a_text_is_found_in_it(text: str, place: int) -> None:
    words = tokens(composed(text))
    if words:
        word = words[place % len(words)].spelled
        shown = snippet(text, [word])
        assert shown is not None
        assert len(shown) <= SNIPPET_CHARS + 2


def test_a_snippet_is_cut_at_words_around_what_was_found() -> None:
    text = "and so on and so forth " * 20 + "the lighthouse stands " + "there for ever and ever " * 20
    shown = snippet(text, ["lightho"])
    assert shown is not None
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert "the lighthouse stands there" in shown
    assert set(shown.strip("…").split()) <= set(text.split())


def test_a_short_text_is_shown_whole() -> None:
    assert snippet("Well, no.", ["no"]) == "Well, no."
    assert snippet("Well, no.", ["yes"]) is None


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("  What time\nis it? ", "What time is it?"),
        ("a" * 60, "a" * 60),
        ("a" * 61, "a" * 59 + "…"),
        ("word " * 30, " ".join(["word"] * 12) + "…"),
        ("東" * 80, "東" * 59 + "…"),
    ],
)
def test_titles(text: str, title: str) -> None:
    assert title_of(text) == title
    assert len(title) <= 60
