"""What is believed of what Whisper wrote. Plain data in, plain data out: no model is needed to test it.

Trained on subtitles, Whisper writes where nobody speaks: credits, thanks for watching, one phrase over and over.
Two thresholds are those of the reference implementation (Radford et al., 2022, section 4.5): a mean log
probability of -1 and a compression ratio of 2.4 ask for a second try, and a no-speech probability of 0.6 together
with that log probability means silence. The rest is what a conversation adds: turns are short, and a sentence that
nobody said makes the assistant answer it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from duologue.engines.asr.whisper_phantoms import is_credit, is_likely_phantom

# Fast English has 5 tokens a second. Other scripts are spelt in up to three tokens a letter.
_TOKENS_PER_S = {"en": 8.0}
_TOKENS_PER_S_ELSEWHERE = 20.0
_MIN_TOKENS = 8
# Half of the decoder's 448 positions; the other half is for a prompt.
MAX_TOKENS = 224

_SILENCE_PROB = 0.6
_DOUBTFUL_LOG_PROB = -1.0
# zlib makes a third of text that says one thing again and again, but two thirds of plain sentences.
_REPETITIVE_RATIO = 2.4
# A tail of 1 to 24 tokens (a sentence) that stands there three times running, and fills twelve tokens at least:
# "no, no, no" and the end of a telephone number are speech.
_LOOP_MAX_PERIOD = 24
_LOOP_REPEATS = 3
_LOOP_MIN_TOKENS = 12
# Below here a phrase that Whisper is fond of may be its own. Clear speech has -0.1 to -0.4.
_WEAK_LOG_PROB = -0.5
_WEAK_SILENCE_PROB = 0.3
_SHORT_S = 2.0
# Somebody who speaks says two to four words a second.
_SPARSE_WORDS_PER_S = 1.0


class Attempt(NamedTuple):
    """One try at one stretch. ``tokens`` without the end's; ``limit``: of them; ``text``: as they are spelt."""

    tokens: tuple[int, ...]
    text: str
    mean_log_prob: float
    no_speech_prob: float
    sound_s: float
    limit: int


def token_limit(sound_s: float, language: str | None) -> int:
    """How many tokens that much sound may have; more is the model repeating itself."""
    per_s = _TOKENS_PER_S.get(language or "", _TOKENS_PER_S_ELSEWHERE)
    return min(MAX_TOKENS, _MIN_TOKENS + int(per_s * sound_s))


def is_repetitive(attempt: Attempt) -> bool:
    """Did the model go round in circles, or not come to an end?"""
    return len(attempt.tokens) >= attempt.limit or bool(loop_length(attempt.tokens)) or _is_dense(attempt.text)


def is_silence(attempt: Attempt) -> bool:
    """Does the model itself think that nobody spoke? What repeats itself has no say by its probability."""
    is_doubtful = attempt.mean_log_prob < _DOUBTFUL_LOG_PROB or is_repetitive(attempt)
    return attempt.no_speech_prob > _SILENCE_PROB and is_doubtful


def wants_second_try(attempt: Attempt) -> bool:
    """Is it worth the time to decode once more? Never twice: somebody waits for the answer."""
    if is_silence(attempt):
        return False
    return is_repetitive(attempt) or attempt.mean_log_prob < _DOUBTFUL_LOG_PROB


def better(first: Attempt, second: Attempt) -> Attempt:
    """The more believable of two tries at one stretch; the first where both repeat themselves."""
    if is_repetitive(second):
        return first
    if is_repetitive(first):
        return second
    return max(first, second, key=lambda attempt: attempt.mean_log_prob)


def believed_tokens(attempt: Attempt) -> tuple[int, ...]:
    """The tokens that go to the conversation: none for silence and phantoms, loops cut to their first round."""
    if is_silence(attempt) or _is_phantom(attempt) or not any(char.isalnum() for char in attempt.text):
        return ()
    tokens = attempt.tokens[: attempt.limit]
    if period := loop_length(tokens):
        return without_loop(tokens, period)
    return () if _is_dense(attempt.text) else tokens


def loop_length(tokens: Sequence[int]) -> int:
    """The period of a loop at the end of ``tokens``, 0 where there is none."""
    for period in range(1, _LOOP_MAX_PERIOD + 1):
        span = max(period * _LOOP_REPEATS, _LOOP_MIN_TOKENS)
        tail = tokens[-span:]
        if len(tail) == span and all(tail[i] == tail[i - period] for i in range(period, span)):
            return period
    return 0


def without_loop(tokens: tuple[int, ...], period: int) -> tuple[int, ...]:
    """``tokens`` with the loop of ``period`` at their end cut back to its first round."""
    while len(tokens) >= 2 * period and tokens[-period:] == tokens[-2 * period : -period]:
        tokens = tokens[:-period]
    return tokens


def _is_phantom(attempt: Attempt) -> bool:
    """A credit line is never said; a phrase that people do say is a phantom where all else is weak, too."""
    if is_credit(attempt.text):
        return True
    is_unsure = attempt.mean_log_prob < _WEAK_LOG_PROB or attempt.no_speech_prob > _WEAK_SILENCE_PROB
    words_per_s = len(attempt.text.split()) / max(attempt.sound_s, 0.1)
    is_odd = attempt.sound_s < _SHORT_S or words_per_s < _SPARSE_WORDS_PER_S
    return is_unsure and is_odd and is_likely_phantom(attempt.text)


def _is_dense(text: str) -> bool:
    spelt = text.encode()
    return len(spelt) / len(zlib.compress(spelt)) > _REPETITIVE_RATIO
