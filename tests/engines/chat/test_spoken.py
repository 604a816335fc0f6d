"""What a reasoning model thinks is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.chat.spoken import SpokenText


@given(st.text(alphabet="a<>/think \n", max_size=60), st.lists(st.integers(1, 9), max_size=12))
def test_thoughts_are_left_out_wherever_the_text_is_cut(text: str, sizes: list[int]) -> None:
    whole, pieces = SpokenText(), SpokenText()
    expected = whole.feed(text) + whole.end()
    spoken, rest = "", text
    for size in sizes:
        spoken, rest = spoken + pieces.feed(rest[:size]), rest[size:]
    assert spoken + pieces.feed(rest) + pieces.end() == expected
