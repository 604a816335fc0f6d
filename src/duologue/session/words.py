"""What words do besides saying something: hesitations hold the floor, backchannels leave it to the other.

English, as recognisers write it. Their spelling of sounds wanders ("Mhm", "M-hm", "Mm-hmm,", "Mm."), so sounds are
known by pattern and words by list.
"""

from __future__ import annotations

import re

_EDGES = ".,;:!?…-–—\"'“”‘’()"
_HESITATION = re.compile(r"u+[mh]+|e+r+m*|a+h+m+|h+m+|mm+")
# Said at the end they ask for a moment and add nothing.
_TRAILING = (("you", "know"), ("i", "mean"), ("so",))

# "Mm", "hmm", "mhm", "mm-hmm"; "uh-huh", "aha"; "oh", "ah", "ooh"; laughter.
_SOUND = r"m*h*m+|[mh]+ ?h+u*m+|u+h* h+u+h+|u+[mh]+ h+u+m+|a+h* ?h+a+h*|o+h+|oo+|a+h+|e+h+|whoa|(?:ha|he)+h*"
_WORD = (
    "yeah|yea|yah|ya|yes|yep|yup|right|okay|okey|ok|o k|kay|sure|alright|all right|i see|i know|i get it|i understand"
    "|understood|got it|gotcha|wow|really|cool|nice|great|good|very good|fine|perfect|lovely|wonderful|amazing|awesome"
    "|exactly|absolutely|definitely|totally|indeed|true|interesting|very interesting|of course|fair enough|good point"
    "|makes sense|that makes sense|sounds good|that's (?:right|true|good|great|nice|fine|cool|interesting|amazing)"
    "|you're right|my god|my goodness|my gosh|no way"
)
_ACKNOWLEDGING = re.compile(rf"(?:{_SOUND}|{_WORD}|{_HESITATION.pattern})")
# Four at most: who says "okay" five times running wants the floor.
_MOST_IN_A_ROW = 4
_IN_A_ROW = re.compile(rf"(?:(?:{_ACKNOWLEDGING.pattern})(?: |$)){{1,{_MOST_IN_A_ROW}}}")
_MOST_CHARS = 80
# One letter apart from "uh-huh" and "mm-hm".
_REFUSAL = re.compile(r"(?:n?u+h+|u+n|m+)-(?:u+h+|m+)")


def bare_words(text: str) -> tuple[str, ...]:
    """Its words, lower case, without punctuation."""
    words = text.lower().replace("’", "'").split()
    return tuple(bare for word in words if (bare := word.strip(_EDGES)))


def without_fillers(text: str) -> tuple[str, ...]:
    """Its bare words without the hesitations, and without "you know" and the like at the end."""
    words = tuple(word for word in bare_words(text) if not _HESITATION.fullmatch(word))
    while tail := next((tail for tail in _TRAILING if words[-len(tail) :] == tail), None):
        words = words[: -len(tail)]
    return words


def same_but_for_fillers(before: str, after: str) -> bool:
    """Whether a transcript that was ``before`` and is now ``after`` says the same: at most hesitations came or went."""
    return without_fillers(before) == without_fillers(after)


def is_backchannel(text: str) -> bool:
    """Whether a listener says so to show that she listens: "mm-hm", "yeah, right", "oh wow", laughter.

    Hesitations alone count too, since nobody has taken the floor by "um". False for no words, and for whatever asks,
    refuses or adds anything: "no", "wait", "what", "yes please", "yeah but".
    """
    words = bare_words(text)
    said = " ".join(words).replace("-", " ").replace(".", "")
    if len(said) > _MOST_CHARS or any(_REFUSAL.fullmatch(word) for word in words):
        return False
    return _IN_A_ROW.fullmatch(said) is not None
