"""What words are and are not: hesitations, backchannels."""

from __future__ import annotations

import re

_HESITATIONS = re.compile(r"u+m+|u+h+|e+r+m*|h+m+|mm+")
_BACKCHANNELS = frozenset(
    ["mhm", "mm-hm", "mm-hmm", "mm-hmm", "uh-huh", "yeah", "yes", "yep", "right", "okay", "ok", "mm", "hm", "hmm"]
)


def bare_words(text: str) -> tuple[str, ...]:
    """Its words, lower case, without punctuation."""
    return tuple(bare for word in text.lower().split() if (bare := word.strip(".,;:!?…-–—\"'")))


def is_backchannel(text: str) -> bool:
    words = bare_words(text)
    return bool(words) and all(word in _BACKCHANNELS or _HESITATIONS.fullmatch(word) for word in words)


def same_but_for_fillers(before: str, after: str) -> bool:
    first, second = ([w for w in bare_words(t) if not _HESITATIONS.fullmatch(w)] for t in (before, after))
    return first == second
