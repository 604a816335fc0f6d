"""Text as it comes -> phrases fit to be spoken.

The first phrase is short, so that speech starts early: the first clause will do. Later ones are whole sentences,
since a voice needs the sentence for its melody and there is time by then.
"""

from __future__ import annotations

import re

from sentencex import segment

# A first clause of fewer words sounds clipped, and the second phrase might not be ready when it ends.
FIRST_CLAUSE_WORDS = 4
# Text without an end in sight is cut at a space: no voice, and no listener, waits for more than this.
LONGEST_PHRASE_CHARS = 240

_CLAUSE_END = re.compile(r"[,;:\u2014](?=\s)")
_SPEAKABLE = re.compile(r"\w")


class Phraser:
    """Collects text deltas and gives phrases. Their concatenation is the text, to the letter."""

    def __init__(self) -> None:
        self._text = ""
        self._is_first = True

    def push(self, delta: str) -> list[str]:
        """The phrases that ``delta`` completes, often none."""
        self._text += delta
        phrases = []
        while (end := self._find_end()) is not None:
            phrases.append(self._take(end))
        return phrases

    def flush(self) -> list[str]:
        """What is left when the text is over."""
        return [self._take(len(self._text))] if self._text.strip() else []

    def _take(self, end: int) -> str:
        phrase, self._text = self._text[:end], self._text[end:]
        self._is_first = False
        return phrase

    def _find_end(self) -> int | None:
        sentences = list(segment("en", self._text)) if self._text.strip() else []
        if len(sentences) > 1 and len(sentences[0]) <= LONGEST_PHRASE_CHARS:
            return len(sentences[0])
        if self._is_first and (end := self._first_clause_end()) is not None:
            return end
        if len(self._text) > LONGEST_PHRASE_CHARS:
            return self._text.rfind(" ", 0, LONGEST_PHRASE_CHARS) + 1 or LONGEST_PHRASE_CHARS
        return None

    def _first_clause_end(self) -> int | None:
        for match in _CLAUSE_END.finditer(self._text):
            if len(self._text[: match.end()].split()) >= FIRST_CLAUSE_WORDS:
                return match.end() + 1
        return None


def is_speakable(phrase: str) -> bool:
    """Whether there is anything in ``phrase`` for a voice to say."""
    return _SPEAKABLE.search(phrase) is not None
