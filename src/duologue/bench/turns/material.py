"""What the callers of this benchmark say and make: found once, before anybody calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from duologue.bench.clips import Clip, find_clips, load_clips
from duologue.bench.made_speech import made_clips
from duologue.bench.turns.hesitant import hesitant
from duologue.bench.turns.sounds import (
    LISTENING_DBFS,
    SPEECH_DBFS,
    Sound,
    Source,
    as_sound,
    clip_at_level,
    cut_sounds,
    interleaved,
    made_noises,
    noises,
)
from duologue.bench.turns.voices import BACKCHANNELS, INTERRUPTIONS, spoken
from duologue.errors import ConfigError

# Longer ones are turns, not interruptions.
LONGEST_INTERRUPTION_S = 3.0


class Material(msgspec.Struct, kw_only=True):
    """``turns``: with pauses and hesitations of their own, ``made_turns``: with a pause put in. ``source``: the folder
    of recorded speech, None where there is none. ``notes``: for the report."""

    source: Path | None
    turns: list[Clip]
    made_turns: list[Clip]
    backchannels: list[Sound]
    noises: list[Sound]
    interruptions: list[Sound]
    notes: list[str] = []


async def gather(
    clips: Path | None, ami: Path | None, *, near: Sequence[Path], noise_dbfs: Sequence[float], seed: int
) -> Material:
    """``clips`` None: look beside ``near``. Raises ConfigError for a folder that has not what it should."""
    source = clips or find_clips(near)
    if source is not None and not (source / "manifest.jsonl").is_file():
        raise ConfigError(f"{source} has no manifest.jsonl, which tells what is a turn and what is noise there")
    notes = []
    if source is None:
        notes.append("no recordings were found: voices are espeak-ng's and noises are made (give some with --clips)")
    if ami is not None and not _has_sound(ami):
        raise ConfigError(f"--ami: there is no .wav in {ami}")
    commands, turns = await _clips(source)
    fillers = cut_sounds(source, "clips", ("filler",), SPEECH_DBFS) if source else []
    return Material(
        source=source,
        turns=[clip_at_level(clip, SPEECH_DBFS) for clip in turns],
        made_turns=hesitant([clip_at_level(clip, SPEECH_DBFS) for clip in commands], fillers, seed),
        backchannels=await _backchannels(source, ami),
        noises=[sound for dbfs in noise_dbfs for sound in (noises(source, dbfs) if source else made_noises(dbfs))],
        interruptions=await _interruptions(source, commands),
        notes=notes,
    )


def _has_sound(folder: Path) -> bool:
    return any(folder.glob("*.wav"))


async def _clips(source: Path | None) -> tuple[list[Clip], list[Clip]]:
    if source is None:
        return await made_clips("commands"), await made_clips("turns")
    return load_clips(source, "commands"), load_clips(source, "turns")


async def _backchannels(source: Path | None, ami: Path | None) -> list[Sound]:
    """Recorded ones, hums, those of meetings, and the same words made: kinds and sources take turns."""
    found = cut_sounds(source, "clips", ("backchannel", "filler"), LISTENING_DBFS) if source else []
    found += cut_sounds(ami, "ami", ("backchannel",), LISTENING_DBFS) if ami else []
    return interleaved(found + await spoken(BACKCHANNELS, "backchannel", LISTENING_DBFS))


async def _interruptions(source: Path | None, commands: Sequence[Clip]) -> list[Sound]:
    """Whole commands, and single words."""
    short = [clip for clip in commands if clip.duration_s <= LONGEST_INTERRUPTION_S]
    by: Source = "recorded" if source else "made"
    sounds = [as_sound(clip.name, "command", by, clip.samples, SPEECH_DBFS, clip.text or "") for clip in short]
    sounds += cut_sounds(source, "clips", ("word",), SPEECH_DBFS) if source else []
    return interleaved(sounds + await spoken(INTERRUPTIONS, "word", SPEECH_DBFS))
