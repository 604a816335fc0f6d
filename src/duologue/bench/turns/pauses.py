"""Decision points of recorded speech: each silence at which somebody has to decide whether the turn is over.

What is known at each of them is what the product would know: its gate over Silero's probabilities, Smart Turn and
Moonshine on the very sound that a session hands to them. When it would be known follows from what they cost on two
quiet cores, not from the clock of the machine that listens, so that the points are the same everywhere.

Speech comes from a folder of clips (see ``clips``), by the speakers that its manifest names, or from meetings: WAV
files with RTTM beside them, which says who speaks when. There a turn is what somebody says while nobody else speaks,
and it has an end where somebody else follows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np

from duologue.audio.frame import (
    SESSION_RATE_HZ,
    VOICE_RATE_HZ,
    Float32,
    ms_to_samples,
    samples_to_ms,
    to_float,
)
from duologue.bench.clips import MANIFEST, Clip, ClipSet, load_clips, make_clip, read_audio
from duologue.bench.energy import SHORTEST_PAUSE_S
from duologue.engines.asr.moonshine import Moonshine
from duologue.engines.base import VAD_WINDOW_SAMPLES, TranscribeRequest, TurnRequest, VadRequest
from duologue.engines.turn.smart_turn import SmartTurn
from duologue.engines.vad.silero import SileroVad
from duologue.errors import ConfigError
from duologue.items import TurnDetection
from duologue.session.attempt import as_ended
from duologue.session.attempts import TAIL_SAMPLES
from duologue.session.vad import ONSET_WINDOWS, PAUSE_SAMPLES, Onset, SpeechGate

# Clips in which more than one turn or person speaks, or nobody to an assistant.
NOT_ONE_TURN = ("five_turns", "two_party_turns", "two_channel", "agent_prompt", "tone", "noise")
# Half a frame of 20 ms until the sound is there, and the VAD.
ARRIVES_MS = 12.0
# On two quiet cores, both at work: Smart Turn, and Moonshine on so many seconds and words.
JUDGED_MS = 95.0
WORDS_MS, WORDS_A_SECOND_MS, WORDS_EACH_MS = 20.0, 13.0, 5.0
# Recordings end with the last word; nobody answers in them.
LEAD_S, TRAIL_S = 1.0, 3.0
# Manifest and gate differ by more than this where one of them took noise for speech.
END_DISAGREEMENT_MS = 300.0
# In meetings: who says nothing for so long, with nobody else speaking, has ended; and what is too short to be a turn.
LONGEST_PAUSE_S = 3.0
SHORTEST_TURN_S = 0.6
# Between the labels of two people; and what follows the label's end.
NEAR_S, AFTER_S = 0.1, 0.2


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One silence of a turn, with what the product knows of it and when.

    Moments are ms since the gate's end of speech (``Pause.at``). ``goes_on``: the speaker did; ``length_ms``: how long
    the silence really was, None at a true end. ``lag_ms``: the gate's end of speech after the true one. ``seen_ms``:
    when the pause was found, None where it never is; ``resumed_ms``: when the next onset was, None at an end.
    ``judged``: (when it is known, what the end-of-turn model says); ``alone``: what it says of the sound as it came,
    without the silence that the product puts behind it; ``words``: (when they are known, the turn's so far).
    """

    speaker: str
    clip: str
    goes_on: bool
    length_ms: float | None = None
    lag_ms: float = 0.0
    seen_ms: float | None = None
    resumed_ms: float | None = None
    judged: tuple[float, float] | None = None
    alone: float | None = None
    words: tuple[float, str] | None = None


class Spoken(msgspec.Struct, frozen=True, eq=False):
    """One turn by one speaker. ``has_end``: it is known that the turn ended with the recording."""

    clip: Clip
    has_end: bool = True


class _Row(msgspec.Struct):
    """One line of a manifest, as far as it matters here."""

    file: str
    speaker: str = ""
    label: str = ""


class _Label(msgspec.Struct, frozen=True):
    """Somebody speaks in a meeting, from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    speaker: str


def conversations(source: Path, sets: Sequence[ClipSet]) -> dict[str, list[Spoken]]:
    """Speaker -> that speaker's recorded turns, in the manifest's order; a clip of nobody known is a speaker of its
    own. Raises ConfigError."""
    rows = _manifest_rows(source)
    spoken: dict[str, list[Spoken]] = {}
    known: set[str] = set()
    for clip_set in sets:
        for clip in load_clips(source, clip_set):
            row = rows.get(clip.name, _Row(clip.name))
            if clip.name not in known and not row.label.startswith(NOT_ONE_TURN):
                known.add(clip.name)
                spoken.setdefault(row.speaker or clip.name, []).append(Spoken(clip))
    return spoken


def meetings(folder: Path) -> dict[str, list[Spoken]]:
    """Speaker -> what that speaker says in the WAV files of ``folder`` while nobody else speaks, by its ``*.rttm``.
    Raises ConfigError."""
    spoken: dict[str, list[Spoken]] = {}
    for name, labels in sorted(_labels(folder).items()):
        path = folder / f"{name}.wav"
        if not path.is_file():
            continue
        samples = read_audio(path)
        for speaker in sorted({label.speaker for label in labels}):
            for start_s, end_s, has_end in _alone(labels, speaker, len(samples) / VOICE_RATE_HZ):
                piece = samples[int(start_s * VOICE_RATE_HZ) : int(end_s * VOICE_RATE_HZ)]
                try:
                    clip = make_clip(f"{name}-{start_s:.2f}", piece)
                except ConfigError:
                    continue
                spoken.setdefault(speaker, []).append(Spoken(clip, has_end))
    return spoken


def decision_points(spoken: Mapping[str, Sequence[Spoken]], cache: Path | None = None) -> list[Point]:
    """All silences of 200 ms or more and all ends, speaker by speaker, in the order in which they were spoken. Loads
    Silero, Smart Turn and Moonshine; what ``cache`` (a file) holds is not computed anew. Raises EngineUnavailable."""
    kept = _read_cache(cache)
    ears = _Ears()
    points: list[Point] = []
    for speaker, turns in spoken.items():
        for turn in turns:
            key = _key(turn)
            if key not in kept:
                kept[key] = ears.points(turn)
            points += [msgspec.structs.replace(point, speaker=speaker) for point in kept[key]]
    if cache is not None and ears.has_listened:
        cache.write_bytes(msgspec.msgpack.encode(kept))
    return points


class _Ears:
    """The models, loaded when they are needed."""

    def __init__(self) -> None:
        self._vad, self._turn, self._asr = SileroVad(), SmartTurn(), Moonshine()
        self.has_listened = False

    def points(self, turn: Spoken) -> list[Point]:
        """The decision points of one turn; none where no speech is found in it."""
        if not self.has_listened:
            for engine in (self._vad, self._turn, self._asr):
                engine.load()
            self.has_listened = True
        sound = _heard(turn.clip)
        stretches = self._stretches(sound)
        if not stretches:
            return []
        start = max(0, stretches[0][0] - ms_to_samples(TurnDetection().prefix_padding_ms))
        onsets: list[int | None] = [onset for onset, _ in stretches[1:]]
        found = (
            self._point(turn, sound[start:], until - start, None if onset is None else onset - start, start)
            for (_, until), onset in zip(stretches, [*onsets, None], strict=True)
        )
        return [point for point in found if point is not None] + _unseen(turn.clip, stretches)

    def _stretches(self, sound: Float32) -> list[tuple[int, int]]:
        """Where the product's gate finds speech: [(first sample, sample after the last), ...]."""
        windows = sound[: len(sound) // VAD_WINDOW_SAMPLES * VAD_WINDOW_SAMPLES].reshape(-1, VAD_WINDOW_SAMPLES)
        probs = self._vad.step([VadRequest(windows)])[0].speech_probs
        gate, began, found = SpeechGate(TurnDetection().threshold), 0, []
        for index, prob in enumerate(probs.tolist()):
            event = gate.push(prob, (index + 1) * VAD_WINDOW_SAMPLES)
            if isinstance(event, Onset):
                began = event.at
            elif event is not None:
                found.append((began, event.at))
        return found

    def _point(self, turn: Spoken, sound: Float32, until: int, onset: int | None, start: int) -> Point | None:
        """The silence behind sample ``until`` of a turn's ``sound``, which is the clip's from ``start`` on."""
        at_ms = _clip_ms(start + until)
        gap_ms = None if onset is None else samples_to_ms(onset - until)
        length_ms, lag_ms = _true_silence(turn.clip, at_ms, gap_ms)
        if gap_ms is None:
            if not turn.has_end or abs(lag_ms) > END_DISAGREEMENT_MS:
                return None
        elif max(length_ms or 0.0, gap_ms) < SHORTEST_PAUSE_S * 1000:
            return None
        heard = sound[: until + TAIL_SAMPLES]
        prob, alone = (self._turn.step([TurnRequest(each)])[0].end_of_turn_prob for each in (as_ended(heard), heard))
        text = self._asr.step([TranscribeRequest(heard, "en")])[0].text
        seen_ms = samples_to_ms(PAUSE_SAMPLES) + ARRIVES_MS
        words_ms = WORDS_MS + WORDS_A_SECOND_MS * len(heard) / SESSION_RATE_HZ + WORDS_EACH_MS * len(text.split())
        onset_ms = samples_to_ms(ONSET_WINDOWS * VAD_WINDOW_SAMPLES) + ARRIVES_MS
        return Point(
            speaker="",
            clip=turn.clip.name,
            goes_on=gap_ms is not None,
            length_ms=length_ms if length_ms or gap_ms is None else gap_ms,
            lag_ms=lag_ms,
            seen_ms=seen_ms,
            resumed_ms=None if gap_ms is None else gap_ms + onset_ms,
            judged=(seen_ms + JUDGED_MS, prob),
            alone=alone,
            words=(seen_ms + words_ms, text),
        )


def _heard(clip: Clip) -> Float32:
    """The clip as a session hears it, float32 [n] at 16 kHz, with silence around it."""
    import soxr

    sound = soxr.resample(to_float(clip.samples), VOICE_RATE_HZ, SESSION_RATE_HZ, quality="HQ").astype(np.float32)
    return np.pad(sound, (int(LEAD_S * SESSION_RATE_HZ), int(TRAIL_S * SESSION_RATE_HZ)))


def _clip_ms(sample: int) -> float:
    return samples_to_ms(sample) - LEAD_S * 1000


def _true_silence(clip: Clip, at_ms: float, gap_ms: float | None) -> tuple[float | None, float]:
    """(the length of the silence by the energy rule, None for none or an end; how late the gate's end of speech is)."""
    if gap_ms is None:
        return None, at_ms - clip.speech_end_s * 1000
    for start_s, end_s in clip.pauses:
        if start_s * 1000 < at_ms + gap_ms and end_s * 1000 > at_ms - 100:
            return (end_s - start_s) * 1000, at_ms - start_s * 1000
    return None, 0.0


def _unseen(clip: Clip, stretches: Sequence[tuple[int, int]]) -> list[Point]:
    """Pauses that the gate runs over: nobody can take the floor in them."""
    gaps = [(_clip_ms(until), _clip_ms(onset)) for (_, until), (onset, _) in pairwise(stretches)]
    missed = [
        (end_s - start_s) * 1000
        for start_s, end_s in clip.pauses
        if not any(start_s * 1000 < onset and end_s * 1000 > until - 100 for until, onset in gaps)
    ]
    return [Point(speaker="", clip=clip.name, goes_on=True, length_ms=length_ms) for length_ms in missed]


def _manifest_rows(source: Path) -> dict[str, _Row]:
    manifest = source if source.suffix == ".jsonl" else source / MANIFEST
    if not manifest.is_file():
        return {}
    rows = msgspec.json.decode(b"[" + b",".join(manifest.read_bytes().splitlines()) + b"]", type=list[_Row])
    return {row.file: row for row in rows}


def _labels(folder: Path) -> dict[str, list[_Label]]:
    """Recording -> who speaks when, from all RTTM files of ``folder``."""
    files = sorted(folder.glob("*.rttm"))
    if not files:
        raise ConfigError(f"{folder} holds no .rttm file, which says who speaks when")
    labels: dict[str, list[_Label]] = {}
    for line in (line for path in files for line in path.read_text("utf-8").splitlines()):
        _, name, _, start_s, length_s, _, _, speaker, *_ = line.split()
        labels.setdefault(name, []).append(_Label(float(start_s), float(start_s) + float(length_s), speaker))
    return labels


def _alone(labels: Sequence[_Label], speaker: str, length_s: float) -> Iterator[tuple[float, float, bool]]:
    """Stretches (start_s, end_s, has_end) in which only ``speaker`` speaks."""
    others = sorted((label.start_s, label.end_s) for label in labels if label.speaker != speaker)
    for start_s, end_s in _joined(labels, speaker, others):
        free_s = start_s
        for other_s, until_s in others:
            if until_s <= start_s or other_s >= end_s:
                continue
            if other_s - NEAR_S - free_s >= SHORTEST_TURN_S:
                yield free_s, other_s - NEAR_S, False
            free_s = max(free_s, min(until_s + NEAR_S, end_s))
        if end_s - free_s >= SHORTEST_TURN_S:
            has_end = end_s < length_s - LONGEST_PAUSE_S / 10
            following_s = min((other_s for other_s, _ in others if other_s >= end_s), default=length_s)
            yield free_s, min(end_s + AFTER_S, following_s) if has_end else end_s, has_end


def _joined(labels: Sequence[_Label], speaker: str, others: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The speaker's labels, those in one that nobody else comes between."""
    joined: list[tuple[float, float]] = []
    for start_s, end_s in sorted((label.start_s, label.end_s) for label in labels if label.speaker == speaker):
        before_s = joined[-1][1] if joined else -LONGEST_PAUSE_S
        is_between = any(other_s < start_s and until_s > before_s for other_s, until_s in others)
        if joined and start_s - before_s < LONGEST_PAUSE_S and not is_between:
            joined[-1] = (joined[-1][0], max(before_s, end_s))
        else:
            joined.append((start_s, end_s))
    return joined


def _key(turn: Spoken) -> str:
    """Of what the points are made of."""
    return f"{hashlib.sha256(turn.clip.samples.tobytes()).hexdigest()[:24]}-{turn.clip.speech_end_s}-{turn.has_end:d}"


def _read_cache(cache: Path | None) -> dict[str, list[Point]]:
    if cache is None or not cache.is_file():
        return {}
    try:
        return msgspec.msgpack.decode(cache.read_bytes(), type=dict[str, list[Point]])
    except msgspec.MsgspecError:
        return {}
