"""Sound over the assistant's answer: an interruption, a backchannel, a noise, or the answer's own echo?

One pure verdict on what is known so far, asked again as more becomes known. While it is open the answer is lowered,
and from ``HOLD_MS`` on held, so that waiting for certainty costs the listener little: whoever cuts in hears silence
before it is decided, and for whom only listens the answer goes on from the exact sample.

The words are the best evidence, and come early. The first 160 ms of 29 recorded requests read as somebody taking the
floor for 17, the first 260 ms for 25, the first 300 for 28; of 21 interjections in recorded meetings ("mm-hm", "yeah",
"okay", "oh") for 2, 1 and none; of the sneezes, cries, bells and music that the VAD takes for speech for none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from duologue.audio.echo import ECHO_LIKENESS
from duologue.session.words import bare_words, is_backchannel

# Three VAD windows. Shorter sounds are clicks and the ends of coughs.
LEAST_SOUND_MS = 96.0
# A person who cuts in expects silence within 300 ms, and the VAD is up to 226 ms behind at the 95th percentile.
HOLD_MS = 120.0
# Where no words can be had, a sound that was shorter is taken for none of ours.
SOMEBODY_MS = 200.0
# After so long it is decided, one way or the other.
DECIDE_MS = 500.0
# From so many of the words on, they are the assistant's. One alone may be anybody's.
SAID_SHARE, LEAST_SAID_WORDS = 0.75, 2
# Of a listener who is known to send the answer back, less is enough: a voice as loud as the echo leaves a half of it.
KNOWN_ECHO = 0.65
# But only where some of the sound is the answer's, which a room or a telephone may have bent.
SOME_ECHO = 0.3
# Whoever speaks up when so little is left to hear answers, even by "yeah".
NEARLY_OVER_MS = 400.0
# The words are those of the whole sound if they are of so much of it: the rest is a fading vowel.
COVERED_SHARE = 0.6
# Alone too little to tell by, as a single letter is: what a recogniser makes of a breath, a laugh, a word's first
# sound.
_UNCLEAR = re.compile(
    r"ah|and|are|as|at|but|eh|for|he|hey|her|his|huh|if|in|is|it|its|of|oh|on|or|our|she|so|that|the|their|them|then"
    r"|there|these|they|this|those|to|uh|was|we|well|were|with|you|your|."
)


class Verdict(Enum):
    LOWER = "lower"
    """Not known yet; the answer goes on, quietly."""
    HOLD = "hold"
    """Not known yet; the answer waits."""
    INTERRUPT = "interruption"
    BACKCHANNEL = "backchannel"
    NOISE = "noise"
    ECHO = "echo"

    @property
    def is_open(self) -> bool:
        return self in (Verdict.LOWER, Verdict.HOLD)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What is known of a sound over an answer.

    ``suspected_ms``: since when there may be a voice; ``lasted_ms``: from its first window of speech to the last.
    ``words``: of its first ``words_ms``, None while nothing was transcribed; ``said_share``: how much of them the
    assistant has just been saying; ``echo``: how much of the sound's energy the played sound explains, both in [0, 1];
    ``has_echo``: the answer has come back before. ``is_audible``: the answer can be heard; ``left_ms``: of it, what is
    still to be heard.
    """

    suspected_ms: float
    lasted_ms: float
    has_ended: bool = False
    words: str | None = None
    words_ms: float = 0.0
    said_share: float = 0.0
    echo: float = 0.0
    has_echo: bool = False
    is_audible: bool = True
    left_ms: float = float("inf")


def judge(overlap: Overlap) -> Verdict:
    """What ``overlap`` is, as far as it is known. From ``DECIDE_MS`` on never an open verdict while it lasts."""
    if not overlap.is_audible:
        return _judge_in_silence(overlap)
    if _is_echo(overlap):
        return Verdict.ECHO
    if overlap.words is not None and is_clear(overlap.words):
        return Verdict.INTERRUPT
    return _judge_ended(overlap) if overlap.has_ended else _judge_ongoing(overlap)


def is_clear(words: str) -> bool:
    """Whether these are words with which somebody takes the floor."""
    bare = bare_words(words)
    is_unclear = len(bare) == 1 and _UNCLEAR.fullmatch(bare[0]) is not None
    return bool(bare) and not is_unclear and not is_backchannel(words)


def _judge_in_silence(overlap: Overlap) -> Verdict:
    """There is nothing to listen to yet: whoever speaks now goes on, and need not be weighed."""
    if overlap.lasted_ms >= LEAST_SOUND_MS:
        return Verdict.INTERRUPT
    return Verdict.NOISE if overlap.has_ended else Verdict.HOLD


def _is_echo(overlap: Overlap) -> bool:
    if overlap.echo >= (KNOWN_ECHO if overlap.has_echo else ECHO_LIKENESS):
        return True
    if overlap.echo < SOME_ECHO:
        # Who answers a question does so in its words.
        return False
    bare = bare_words(overlap.words or "")
    return len(bare) >= LEAST_SAID_WORDS and overlap.said_share >= SAID_SHARE


def _judge_ongoing(overlap: Overlap) -> Verdict:
    if overlap.suspected_ms < DECIDE_MS:
        return Verdict.HOLD if _is_doubtful(overlap) else Verdict.LOWER
    if overlap.words is None:
        return Verdict.INTERRUPT
    return Verdict.BACKCHANNEL if bare_words(overlap.words) else Verdict.NOISE


def _is_doubtful(overlap: Overlap) -> bool:
    """It has lasted for a while, and does not sound like a listener."""
    return overlap.suspected_ms >= HOLD_MS and not is_backchannel(overlap.words or "")


def _judge_ended(overlap: Overlap) -> Verdict:
    if overlap.lasted_ms < LEAST_SOUND_MS:
        return Verdict.NOISE
    is_covered = overlap.words is not None and overlap.words_ms >= COVERED_SHARE * overlap.lasted_ms
    if not is_covered:
        if overlap.suspected_ms < DECIDE_MS + overlap.lasted_ms:
            return Verdict.HOLD if _is_doubtful(overlap) else Verdict.LOWER
        is_somebody = overlap.words is None and overlap.lasted_ms >= SOMEBODY_MS
        return Verdict.INTERRUPT if is_somebody else Verdict.NOISE
    if not bare_words(overlap.words or ""):
        return Verdict.NOISE
    return Verdict.INTERRUPT if overlap.left_ms < NEARLY_OVER_MS else Verdict.BACKCHANNEL
