"""Text as tokens come: whole characters, no special tokens."""

from __future__ import annotations

import random

import pytest

from duologue.engines.speech.detokenise import Words
from duologue.engines.speech.layout import Layout

_TEXT = "Ça va? 日本語 и 👩‍🚀 नमस्ते — fin."


def _tokens(layout: Layout, text: str) -> list[int]:
    tokens: list[int] = layout._tokens.encode(text, bos=False, eos=False)
    return tokens


def test_characters_are_never_cut(layout: Layout) -> None:
    words = Words(layout.token_bytes)
    pieces = [words.feed(token) for token in _tokens(layout, _TEXT)]
    assert "".join(pieces) == _TEXT
    assert "" in pieces, "some characters take several tokens"
    assert all("�" not in piece for piece in pieces)


def test_special_tokens_are_not_shown(layout: Layout) -> None:
    words = Words(layout.token_bytes)
    tokens = _tokens(layout, "one")
    assert "".join(words.feed(token) for token in [1, 3, *tokens, 34, 2, 99]) == "one"


@pytest.mark.parametrize("seed", range(20))
def test_any_tokens_give_what_the_tokenizer_gives_but_for_broken_bytes(layout: Layout, seed: int) -> None:
    tokens = random.Random(seed).choices(range(4096), k=60)
    words = Words(layout.token_bytes)
    ours = "".join(words.feed(token) for token in tokens)
    # Its decoder shows bytes that are no character as "�", and so also a character that the end cuts.
    assert ours == layout._tokens.decode([token for token in tokens if token >= 100]).replace("�", "")
