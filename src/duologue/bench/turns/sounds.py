"""What simulated callers utter besides whole turns: short words of listening, words that interrupt, noises.

Recorded ones are cut out of longer recordings (``cuts.toml``); others are spoken by espeak-ng in several voices; for a
machine without recordings a few noises are made by arithmetic. Each is brought to a level of its own, so that a level
in the report is what the microphone heard.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16, to_float, to_int16
from duologue.bench.clips import MANIFEST, Clip, make_clip, read_audio
from duologue.bench.energy import BLOCK_S, levels_dbfs
from duologue.errors import ConfigError

Source = Literal["recorded", "meeting", "made"]

# A person in a headset; one who only shows that they listen is quieter.
SPEECH_DBFS = -24.0
LISTENING_DBFS = -30.0
EDGE_S = 0.02
LONGEST_NOISE_S = 6.0

# The manifest's labels of noise, in the words of the report.
_KINDS = {
    "cough": ("person_sneeze", "burp"),
    "keys": ("keyboard", "clock_tick"),
    "animals": ("dog_bark", "rooster"),
    "baby": ("baby_cry",),
    "music": ("music", "guitar", "drums", "sung vowels, no words"),
    "bells": ("bell", "ding"),
    "babble": ("office",),
    "machines": ("helicopter", "chainsaw"),
    "weather": ("rain", "sea_waves", "fire_crackling"),
}


class Sound(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One sound of a ``kind``, at ``dbfs``: its loud parts (the 95th percentile of its levels) are so loud.
    ``words``: "" for a noise."""

    name: str
    kind: str
    source: Source
    clip: Clip
    dbfs: float
    words: str = ""


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``cuts.toml``."""

    file: str
    start_s: float
    end_s: float
    words: str
    kind: str
    corpus: Literal["clips", "ami"] = "clips"
    over_speech: bool = False


class _NoiseRow(msgspec.Struct):
    file: str
    label: str = ""


class _Cuts(msgspec.Struct):
    cut: list[Cut]


def load_cuts() -> list[Cut]:
    """What comes with this package."""
    text = resources.files("duologue.bench.turns").joinpath("cuts.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Cuts).cut


def cut_sounds(folder: Path, corpus: Literal["clips", "ami"], kinds: Iterable[str], dbfs: float) -> list[Sound]:
    """The cuts of these kinds whose files are in ``folder``."""
    wanted = set(kinds)
    chosen = [cut for cut in load_cuts() if cut.corpus == corpus and cut.kind in wanted]
    return [_cut_out(folder, cut, dbfs) for cut in chosen if (folder / cut.file).is_file()]


def noises(folder: Path, dbfs: float) -> list[Sound]:
    """Every noise of the manifest in ``folder``, and the coughs, laughs and breaths that were cut out of speech."""
    lines = (folder / MANIFEST).read_bytes().splitlines()
    rows = [msgspec.json.decode(line, type=_NoiseRow) for line in lines if line.strip()]
    kind_of = {label: kind for kind, labels in _KINDS.items() for label in labels}
    found = []
    for row in rows:
        label = row.label.removeprefix("noise:")
        if row.label.startswith("noise:") and label in kind_of and (folder / row.file).is_file():
            pcm = _loudest(read_audio(folder / row.file), LONGEST_NOISE_S)
            found.append(as_sound(row.file, kind_of[label], "recorded", pcm, dbfs))
    return found + cut_sounds(folder, "clips", ("cough", "laugh", "breath"), dbfs)


def made_noises(dbfs: float) -> list[Sound]:
    """A cough, keys, a bell, a chord and rain, by arithmetic: for a machine without recordings."""
    rng = np.random.default_rng(0)
    t = np.arange(3 * VOICE_RATE_HZ) / VOICE_RATE_HZ
    hiss = rng.standard_normal(len(t))
    keys = np.zeros(len(t))
    for at in rng.uniform(0.1, 2.8, 24):
        first = int(at * VOICE_RATE_HZ)
        keys[first : first + 240] += rng.standard_normal(240) * np.exp(-np.arange(240) / 60)
    made = {
        "cough": hiss * np.exp(-np.abs(t - 0.3) / 0.06),
        "keys": keys,
        "bells": np.sin(2 * np.pi * 1760 * t) * np.exp(-t / 0.25),
        "music": sum(np.sin(2 * np.pi * tone * t) for tone in (196.0, 246.9, 293.7)) * (1 - t / 4),
        "weather": hiss,
    }
    return [
        as_sound(f"made {kind}", kind, "made", to_int16((wave / np.abs(wave).max() / 2).astype(np.float32)), dbfs)
        for kind, wave in made.items()
    ]


def as_sound(name: str, kind: str, source: Source, pcm: Int16, dbfs: float, words: str = "") -> Sound:
    """int16 [n] at 24 kHz, brought to ``dbfs``, its ends softened so that no click is heard."""
    edge = min(len(pcm) // 2, int(EDGE_S * VOICE_RATE_HZ))
    soft = to_float(pcm).copy()
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    soft[:edge] *= ramp
    soft[len(soft) - edge :] *= ramp[::-1]
    return Sound(
        name=name,
        kind=kind,
        source=source,
        clip=make_clip(name, at_level(to_int16(soft), dbfs), words or None),
        dbfs=dbfs,
        words=words,
    )


def at_level(pcm: Int16, dbfs: float) -> Int16:
    """int16 [n] whose loud parts (the 95th percentile of its levels) are at ``dbfs``. Its peaks may be clipped."""
    levels = levels_dbfs(pcm, int(VOICE_RATE_HZ * BLOCK_S))
    if not len(levels):
        return pcm
    gain_db = dbfs - float(np.percentile(levels, 95))
    return to_int16(to_float(pcm) * np.float32(10 ** (gain_db / 20)))


def clip_at_level(clip: Clip, dbfs: float) -> Clip:
    """The same turn, as loud as all others."""
    return msgspec.structs.replace(clip, samples=at_level(clip.samples, dbfs))


def bed(pcm: Int16, dbfs: float, least_s: float = 10.0) -> Int16:
    """A background of whole frames that goes on for ever, at an RMS of ``dbfs``: int16 [n]."""
    rms = float(np.sqrt(np.mean(np.square(to_float(pcm))))) or 1.0
    repeated = np.tile(to_float(pcm), max(1, int(np.ceil(least_s * VOICE_RATE_HZ / len(pcm)))))
    whole = len(repeated) // VOICE_RATE_HZ * VOICE_RATE_HZ
    return to_int16(repeated[:whole] * np.float32(10 ** (dbfs / 20) / rms))


@lru_cache(maxsize=8)
def _whole(path: Path) -> Int16:
    """Several cuts come from one file."""
    return read_audio(path)


def _cut_out(folder: Path, cut: Cut, dbfs: float) -> Sound:
    first, last = int(cut.start_s * VOICE_RATE_HZ), int(cut.end_s * VOICE_RATE_HZ)
    pcm = _whole(folder / cut.file)[first:last]
    if not len(pcm):
        raise ConfigError(f"{folder / cut.file} is shorter than {cut.start_s:g} s: not the file that cuts.toml means")
    source: Source = "meeting" if cut.corpus == "ami" else "recorded"
    return as_sound(f"{cut.file} {cut.start_s:g}", cut.kind, source, pcm, dbfs, cut.words)


def _loudest(pcm: Int16, longest_s: float) -> Int16:
    """The part of ``longest_s`` with the most energy; shorter sound whole."""
    length = int(longest_s * VOICE_RATE_HZ)
    if len(pcm) <= length:
        return pcm
    energy = np.cumsum(np.square(to_float(pcm), dtype=np.float64))
    starts = np.arange(0, len(pcm) - length, VOICE_RATE_HZ // 10)
    best = int(starts[np.argmax(energy[starts + length - 1] - energy[starts])])
    return pcm[best : best + length]


def interleaved(sounds: Sequence[Sound], count: int | None = None) -> list[Sound]:
    """``count`` sounds (default: all, once), kinds taking turns, so that a run cut short has some of each."""
    by_kind: dict[tuple[str, str], list[Sound]] = {}
    for sound in sounds:
        by_kind.setdefault((sound.kind, sound.source), []).append(sound)
    order = []
    for place in range(max((len(group) for group in by_kind.values()), default=0)):
        order += [group[place] for group in by_kind.values() if place < len(group)]
    wanted = len(order) if count is None else count
    return (order * (wanted // max(1, len(order)) + 1))[:wanted]
