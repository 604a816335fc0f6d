"""Recorded turns for simulated callers: which files, their sound at 24 kHz, and where their speech truly ends.

A source is a folder with a ``manifest.jsonl`` (one JSON object a line: ``file``, ``transcript``, ``label``,
``lang``, ``speech_start_est_s``, ``speech_end_est_s``, ``moonshine_tiny_text``), such a file itself, a folder
below one, any folder of WAV, FLAC, MP3, OGG or raw files, or one such file. Raw ``.pcm`` and ``.raw`` are
16 kHz s16le mono.

The true start and end of speech are the manifest's where it gives them, else those of the energy rule in
`energy`; inner pauses always come from that rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Float32, Int16, to_float, to_int16
from duologue.bench.energy import inner_pauses, speech_span
from duologue.errors import ConfigError

ClipSet = Literal["commands", "turns", "all"]

MANIFEST = "manifest.jsonl"
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".pcm", ".raw")
RAW_RATE_HZ = 16_000
LONGEST_COMMAND_S = 8.0
# Manifest and energy rule agree to 50 ms on clean clips; where they are this far apart the end is not known.
END_DISAGREEMENT_S = 0.3
# Nobody speaks more slowly in a command: a span with fewer words a second is mostly noise.
SLOWEST_WORDS_PER_S = 0.7


class Clip(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One recorded turn. ``samples``: int16 [n] at 24 kHz; ``text`` None where words are not to be counted;
    ``baseline_text``: what the manifest's reference recogniser heard."""

    name: str
    samples: Int16
    speech_start_s: float
    speech_end_s: float
    pauses: tuple[tuple[float, float], ...] = ()
    text: str | None = None
    baseline_text: str | None = None

    @property
    def duration_s(self) -> float:
        return len(self.samples) / VOICE_RATE_HZ


class _Row(msgspec.Struct):
    """One line of the manifest."""

    file: str
    transcript: str | None = None
    label: str = "complete_turn"
    lang: str = "en"
    duration_s: float = 0.0
    good_for: str = ""
    speech_start_est_s: float | None = None
    speech_end_est_s: float | None = None
    moonshine_tiny_text: str | None = None


def load_clips(source: Path, clip_set: ClipSet = "commands") -> list[Clip]:
    """All clips of ``clip_set`` in ``source``.

    "commands": complete turns in English of 8 s at most from the folder ``commands`` whose end is certain
    (manifest and energy rule within 0.3 s, at least 0.7 words a second). "turns": all of the folder ``turns``,
    hesitations and inner pauses included, but no whisper, whose end cannot be told by its level. "all":
    everything. In a folder without a manifest the set is not looked at. Raises ConfigError.
    """
    if source.is_file() and source.suffix.lower() in SUFFIXES:
        return [make_clip(source.stem, read_audio(source))]
    manifest = _manifest_of(source)
    if manifest is None:
        return [make_clip(path.stem, read_audio(path)) for path in _sound_files(source)]
    rows = msgspec.json.decode(b"[" + b",".join(manifest.read_bytes().splitlines()) + b"]", type=list[_Row])
    is_whole = source in (manifest, manifest.parent)
    below = "" if is_whole else source.relative_to(manifest.parent).as_posix() + "/"
    chosen = [row for row in rows if row.file.startswith(below) and (below or _is_in(row, clip_set))]
    clips = [_from_row(manifest.parent, row) for row in chosen]
    if clip_set == "commands":
        clips = [clip for clip, row in zip(clips, chosen, strict=True) if _is_end_certain(clip, row)]
    if not clips:
        raise ConfigError(f"{manifest} names no clip of the set {clip_set!r}")
    return clips


def find_clips(near: Sequence[Path]) -> Path | None:
    """The first folder of recorded speech beside ``near``: ``audio`` or ``shared/audio`` with a manifest."""
    places = [place / name for place in near for name in ("audio", "shared/audio")]
    return next((place for place in places if (place / MANIFEST).is_file()), None)


def make_clip(name: str, samples: Int16, text: str | None = None, **known: Any) -> Clip:
    """A clip of 24 kHz int16 [n]; the span of speech comes from ``known`` or the energy rule. Raises ConfigError
    for silence."""
    span = speech_span(samples)
    if span is None:
        raise ConfigError(f"{name} is silent: a caller needs speech")
    start_s = _first(known.get("start_s"), span[0])
    end_s = min(_first(known.get("end_s"), span[1]), len(samples) / VOICE_RATE_HZ)
    return Clip(
        name=name,
        samples=samples,
        speech_start_s=start_s,
        speech_end_s=end_s,
        pauses=inner_pauses(samples, start_s, end_s),
        text=text,
        baseline_text=known.get("baseline_text"),
    )


def read_audio(path: Path) -> Int16:
    """Any sound file as int16 [n] mono at 24 kHz; channels are averaged. Raises ConfigError."""
    import soxr

    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    if path.suffix.lower() in {".pcm", ".raw"}:
        raw = path.read_bytes()
        samples, rate_hz = to_float(np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2")), RAW_RATE_HZ
    else:
        samples, rate_hz = _decode(path)
    return to_int16(np.asarray(soxr.resample(samples, rate_hz, VOICE_RATE_HZ, quality="HQ"), dtype=np.float32))


def _decode(path: Path) -> tuple[Float32, int]:
    """The first audio stream of a file: float32 [n] mono and its rate."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise ConfigError(f"{path} holds no sound")
            rate_hz = container.streams.audio[0].rate
            # Interleaved: PyAV 18.1 takes planes beyond the eighth for there, and reads past the end.
            to_floats = av.AudioResampler(format="flt")
            pieces = [
                part.to_ndarray().reshape(-1, part.layout.nb_channels).mean(axis=1)
                for frame in container.decode(audio=0)
                for part in to_floats.resample(frame)
            ]
    except FFmpegError as error:
        raise ConfigError(f"{path} cannot be read as sound: {error.strerror}") from None
    return np.concatenate([np.zeros(0), *pieces]).astype(np.float32), rate_hz


def _manifest_of(source: Path) -> Path | None:
    """``source`` itself, one in it, or one in a folder above it that names files below ``source``."""
    if source.is_file() and source.suffix == ".jsonl":
        return source
    if not source.is_dir():
        raise ConfigError(f"there is no folder of clips at {source}")
    return next((p / MANIFEST for p in (source, source.parent) if (p / MANIFEST).is_file()), None)


def _sound_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ConfigError(f"{folder} holds no {', '.join(SUFFIXES)} file")
    return files


def _is_in(row: _Row, clip_set: ClipSet) -> bool:
    if clip_set == "all":
        return not row.label.startswith(("noise", "tone"))
    if clip_set == "turns":
        return row.file.startswith("turns/") and row.label != "whisper"
    is_short = row.duration_s <= LONGEST_COMMAND_S
    return row.file.startswith("commands/") and row.label == "complete_turn" and row.lang == "en" and is_short


def _from_row(folder: Path, row: _Row) -> Clip:
    is_counted = "do not score WER" not in row.good_for and row.lang == "en"
    return make_clip(
        row.file,
        read_audio(folder / row.file),
        row.transcript or None if is_counted else None,
        start_s=row.speech_start_est_s,
        end_s=row.speech_end_est_s,
        baseline_text=row.moonshine_tiny_text,
    )


def _is_end_certain(clip: Clip, row: _Row) -> bool:
    span = speech_span(clip.samples)
    given = row.speech_end_est_s
    words_per_s = len((row.transcript or "").split()) / (clip.speech_end_s - clip.speech_start_s)
    is_agreed = span is None or given is None or abs(span[1] - given) <= END_DISAGREEMENT_S
    return is_agreed and words_per_s >= SLOWEST_WORDS_PER_S


def _first(given: float | None, otherwise: float) -> float:
    return otherwise if given is None else given
