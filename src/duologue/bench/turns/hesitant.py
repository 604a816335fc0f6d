"""Turns with thinking pauses, made of turns without: a pause of natural length, with an "um" of the same voice where
there is one, is put into the quietest place of the middle of a command.

Nobody draws out the last syllable before such a pause, as people do: these clips are harder than speech, or easier, and
are counted apart.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.bench.clips import Clip, make_clip
from duologue.bench.energy import levels_dbfs
from duologue.bench.turns.sounds import Sound, at_level

SHORTEST_S = 1.2
# Thinking pauses in the recorded turns last from 0.25 s to 1.4 s, half of them under 0.6 s.
PAUSES_S = (0.3, 1.2)
# Where in the speech a pause may fall.
MIDDLE = (0.35, 0.75)
BLOCK_SAMPLES = VOICE_RATE_HZ // 50
QUIET_BLOCKS = 3
LOUDEST_ROOM_DBFS = -58.0


def hesitant(clips: Sequence[Clip], fillers: Sequence[Sound], seed: int = 0) -> list[Clip]:
    """Each clip that is long enough, with one pause more; "um" for a voice that has one."""
    rng = random.Random(seed)
    long_enough = [clip for clip in clips if clip.speech_end_s - clip.speech_start_s >= SHORTEST_S]
    return [_with_pause(clip, _filler_of(clip, fillers), rng) for clip in long_enough]


def _filler_of(clip: Clip, fillers: Sequence[Sound]) -> Int16 | None:
    """Files of one voice begin alike: ``turns/mfa_...``."""
    voice = clip.name.split("_")[0]
    return next((filler.clip.samples for filler in fillers if filler.name.split("_")[0] == voice), None)


def _with_pause(clip: Clip, filler: Int16 | None, rng: random.Random) -> Clip:
    at = _quietest(clip)
    pause = _room(clip.samples, rng.uniform(*PAUSES_S))
    middle = [pause] if filler is None else [pause[: len(pause) // 2], filler, pause[len(pause) // 2 :]]
    added = np.concatenate(middle)
    return make_clip(
        f"{clip.name} (with a pause)",
        np.concatenate([clip.samples[:at], added, clip.samples[at:]]),
        clip.text if filler is None else None,
        start_s=clip.speech_start_s,
        end_s=clip.speech_end_s + len(added) / VOICE_RATE_HZ,
    )


def _quietest(clip: Clip) -> int:
    """Sample of the quietest 20 ms in the middle of the speech."""
    span_s = clip.speech_end_s - clip.speech_start_s
    first, last = (int((clip.speech_start_s + share * span_s) * VOICE_RATE_HZ) for share in MIDDLE)
    levels = levels_dbfs(clip.samples[first:last], BLOCK_SAMPLES)
    return first + int(np.argmin(levels)) * BLOCK_SAMPLES + BLOCK_SAMPLES // 2


def _room(samples: Int16, length_s: float) -> Int16:
    """The room of a recording for so long: its quietest 60 ms, there and back again, so that no edge is heard, and no
    louder than a quiet room where somebody speaks all the time."""
    length = int(length_s * VOICE_RATE_HZ)
    blocks = samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES].reshape(-1, BLOCK_SAMPLES)
    quiet = blocks[np.argsort(levels_dbfs(samples, BLOCK_SAMPLES))[:QUIET_BLOCKS]]
    there_and_back = np.concatenate([np.concatenate([block, block[::-1]]) for block in quiet])
    if float(np.mean(levels_dbfs(there_and_back, BLOCK_SAMPLES))) > LOUDEST_ROOM_DBFS:
        there_and_back = at_level(there_and_back, LOUDEST_ROOM_DBFS)
    return np.asarray(np.tile(there_and_back, length // len(there_and_back) + 1)[:length])
