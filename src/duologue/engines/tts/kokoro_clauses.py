"""Text by clauses: what is said in one breath, since words sound differently in company ("les enfants").

A clause goes to a converter whole; afterwards each sound is found the word that it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from duologue.engines.tts.kokoro_symbols import MARKS, Sound, spaced
from duologue.engines.tts.kokoro_written import Said

# Lines of text -> a line of phonemes for each.
Converter = Callable[[Sequence[str]], list[str]]
Pieces = list[Said | list[Said]]

_MARK_OF = {
    "。": ".", "．": ".", "।": ".", "॥": ".", "、": ",", "，": ",", "！": "!", "？": "?", "；": ";", "：": ":",
    "«": "“", "「": "“", "『": "“", "《": "“", "»": "”", "」": "”", "』": "”", "》": "”", "（": "(", "）": ")",
    "–": "—", "...": "…",
}  # fmt: skip
_PLAIN_MARKS = ';!?—–…()“”"«»「」『』《》（）।॥。．、，！？；：'
# A point, comma or colon inside "3.50" or "9:05" is no mark.
_ITEM = re.compile(rf"\.\.\.|[.,:](?!\d)|[{_PLAIN_MARKS}]|(?:[^\s.,:{_PLAIN_MARKS}]|[.,:](?=\d))+")


def items(text: str) -> list[Said]:
    """The words and marks of ``text`` as they are written, marks in Kokoro's form."""
    found = []
    for match in _ITEM.finditer(text):
        mark = _curled(text, match.start()) if match[0] == '"' else _MARK_OF.get(match[0], match[0])
        if mark in MARKS or re.search(r"\w", mark):
            found.append(Said(mark, *match.span()))
    return found


def clauses(said: Iterable[Said]) -> Pieces:
    """Marks, and the words between two of them as one clause."""
    pieces: Pieces = []
    for item in said:
        if item.word in MARKS:
            pieces.append(item)
        elif pieces and isinstance(pieces[-1], list):
            pieces[-1].append(item)
        else:
            pieces.append([item])
    return pieces


def convert(pieces: Pieces, converter: Converter) -> list[Sound]:
    """The sounds of all pieces, spaces and marks between them."""
    written = [piece for piece in pieces if isinstance(piece, list)]
    lines = [" ".join(item.word for item in clause) for clause in written]
    said = [line.split() for line in converter(lines)] if lines else []
    # What differs in number from its words is measured word by word.
    astray = [clause for clause, sounds in zip(written, said, strict=True) if len(clause) != len(sounds)]
    alone = [item.word for clause in astray for item in clause]
    lengths = iter([max(1, len(line)) for line in converter(alone)] if alone else [])
    aligned = (_aligned(clause, sounds, lengths) for clause, sounds in zip(written, said, strict=True))
    return spaced(sound for piece in pieces for sound in (next(aligned) if isinstance(piece, list) else [_mark(piece)]))


def whole(pieces: Pieces, text: str, converter: Callable[[str], str]) -> list[Sound]:
    """As ``convert``, for scripts without spaces: a clause is one word."""
    sounds = []
    for piece in pieces:
        if isinstance(piece, list):
            start, end = piece[0].start, piece[-1].end
            sounds.append(Sound(converter(text[start:end]).strip(), start, end))
        else:
            sounds.append(_mark(piece))
    return spaced(sounds)


def _mark(item: Said) -> Sound:
    return Sound(item.word, item.start, item.start)


def _curled(text: str, place: int) -> str:
    return "“" if place == 0 or text[place - 1].isspace() else "”"


def _aligned(words: Sequence[Said], said: Sequence[str], lengths: Iterable[int]) -> list[Sound]:
    """The words as said, each with the words as written that it stands for.

    Equal in number they go together one by one. Otherwise both are laid out side by side, the written words by their
    ``lengths`` when said alone, and go together where the middle of one lies within the other.
    """
    if len(words) == len(said):
        return [Sound(sound, word.start, word.end) for word, sound in zip(words, said, strict=True)]
    written_edges = _edges([length for _, length in zip(words, lengths, strict=False)])
    said_edges = _edges([len(sound) for sound in said])
    aligned = []
    for place, sound in enumerate(said):
        low, high = said_edges[place], said_edges[place + 1]
        inside = [
            word
            for index, word in enumerate(words)
            if low <= (written_edges[index] + written_edges[index + 1]) / 2 < high
            or written_edges[index] <= (low + high) / 2 < written_edges[index + 1]
        ] or [words[-1]]
        aligned.append(Sound(sound, inside[0].start, inside[-1].end))
    return aligned


def _edges(lengths: Sequence[int]) -> list[float]:
    """Where each begins, and the last ends, on a line of length 1."""
    total = sum(lengths) or 1
    edges = [0.0]
    for length in lengths:
        edges.append(edges[-1] + length / total)
    return edges
