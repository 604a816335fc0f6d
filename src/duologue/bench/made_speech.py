"""Turns spoken by espeak-ng, for a machine without recordings. Robotic, but the same on every machine.

Word error rates and cut-off rates on such speech say little about people; the report notes that it was used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.bench.clips import Clip, ClipSet, make_clip
from duologue.engines.base import SpeakRequest, StreamingSpeaker
from duologue.errors import ConfigError, EngineError

TAIL_S = 0.2
# Long enough to tempt a rule that waits half a second, short enough to be a person thinking.
PAUSE_S = 0.6

COMMANDS = (
    ("What's the weather like today?",),
    ("Should I get a dog or a cat?",),
    ("Tell me something about the sea.",),
    ("How old is the Brooklyn bridge?",),
    ("Please book a table for two people.",),
    ("Who wrote the first telephone book?",),
)
TURNS = (
    ("I would like to book a table for", "four people, please."),
    ("Could you tell me whether the", "museum is open on Sunday?"),
    ("My number is four seven one", "nine two six", "and the name is Green."),
    ("I was thinking that, well,", "maybe we could go by train."),
)


async def made_clips(clip_set: ClipSet) -> list[Clip]:
    """Clips with known words; those of "turns" hold inner pauses of 0.6 s. Raises ConfigError without espeak-ng."""
    chosen = {"commands": COMMANDS, "turns": TURNS, "all": COMMANDS + TURNS}[clip_set]
    try:
        return await _speak(chosen)
    except (ImportError, EngineError) as error:
        raise ConfigError(
            f"there is no recorded speech (give a folder of sound files with --clips) and none can be made: {error}"
        ) from None


async def _speak(turns: Sequence[Sequence[str]]) -> list[Clip]:
    from duologue.engines.tts.espeak import Espeak

    voice = Espeak()
    try:
        await voice.start()
        clips = []
        for phrases in turns:
            spoken = [await _phrase(voice, phrase) for phrase in phrases]
            clips.append(make_clip(" ".join(phrases), _with_pauses(spoken), " ".join(phrases)))
        return clips
    finally:
        await voice.aclose()


async def _phrase(voice: StreamingSpeaker, text: str) -> Int16:
    """One phrase as int16 [n] at 24 kHz."""
    async with voice.stream(SpeakRequest(text=text)) as chunks:
        parts = [chunk.pcm async for chunk in chunks]
    return np.concatenate([np.zeros(0, np.int16), *parts])


def _with_pauses(spoken: Sequence[Int16]) -> Int16:
    pause = np.zeros(int(PAUSE_S * VOICE_RATE_HZ), dtype=np.int16)
    tail = np.zeros(int(TAIL_S * VOICE_RATE_HZ), dtype=np.int16)
    joined = [part for phrase in spoken for part in (phrase, pause)]
    return np.concatenate([*joined[:-1], tail])
