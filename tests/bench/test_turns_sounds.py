"""What callers utter: cuts, levels, noises made on the spot, pauses put in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from duologue.bench.clips import load_clips, make_clip
from duologue.bench.energy import levels_dbfs
from duologue.bench.turns.hesitant import hesitant
from duologue.bench.turns.sounds import (
    LONGEST_NOISE_S,
    as_sound,
    at_level,
    bed,
    cut_sounds,
    interleaved,
    load_cuts,
    made_noises,
    noises,
)
from tests.bench.standin import silence, tone
from tests.bench.test_command import write_wav

RECORDED = Path(__file__).parents[3] / "shared" / "audio"
needs_recordings = pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded speech beside the repository")


def loud_dbfs(pcm: np.ndarray) -> float:
    return float(np.percentile(levels_dbfs(pcm, 240), 95))


def test_every_cut_is_a_short_sound_of_a_known_kind() -> None:
    cuts = load_cuts()
    assert {cut.kind for cut in cuts} == {"backchannel", "filler", "cough", "laugh", "breath", "word"}
    assert all(0.1 < cut.end_s - cut.start_s < 2.0 for cut in cuts)
    assert all(bool(cut.words) is (cut.kind in {"backchannel", "filler", "word"}) for cut in cuts)
    assert len({(cut.file, cut.start_s) for cut in cuts}) == len(cuts)


@needs_recordings
def test_every_cut_of_the_recordings_is_found_and_brought_to_its_level() -> None:
    cuts = [cut for cut in load_cuts() if cut.corpus == "clips"]
    sounds = cut_sounds(RECORDED, "clips", {cut.kind for cut in cuts}, -30.0)
    assert len(sounds) == len(cuts)
    assert all(loud_dbfs(sound.clip.samples) == pytest.approx(-30, abs=1) for sound in sounds)


def test_noises_are_found_by_their_labels_and_cut_to_their_loudest_part(tmp_path: Path) -> None:
    labels = {
        "bark.wav": "noise:dog_bark",
        "typing.wav": "noise:keyboard",
        "odd.wav": "noise:unheard_of",
        "a.wav": "turn",
    }
    pcm = np.concatenate((tone(2.0, level=500.0), tone(8.0)))
    for name in labels:
        write_wav(tmp_path / name, pcm)
    rows = [json.dumps({"file": name, "label": label}) for name, label in labels.items()]
    (tmp_path / "manifest.jsonl").write_text("\n".join(rows))
    found = noises(tmp_path, -30.0)
    assert [(sound.kind, sound.source) for sound in found] == [("animals", "recorded"), ("keys", "recorded")]
    assert all(len(sound.clip.samples) == LONGEST_NOISE_S * 24_000 for sound in found)
    assert all(sound.clip.speech_start_s < 0.1 for sound in found)


def test_a_level_is_that_of_the_loud_parts() -> None:
    pcm = np.concatenate((silence(0.5), tone(0.5)))
    assert loud_dbfs(at_level(pcm, -30.0)) == pytest.approx(-30, abs=0.5)
    assert not at_level(silence(0.3), -30.0).any()
    assert len(at_level(silence(0.001), -30.0)) == 24


def test_noises_can_be_made_where_none_are_recorded() -> None:
    made = made_noises(-30.0)
    assert {sound.kind for sound in made} == {"cough", "keys", "bells", "music", "weather"}
    assert all(sound.source == "made" for sound in made)
    again = made_noises(-30.0)
    assert all(np.array_equal(a.clip.samples, b.clip.samples) for a, b in zip(made, again, strict=True))


def test_a_bed_goes_on_for_ever_in_whole_frames_at_its_level() -> None:
    noise = bed(tone(0.7), -40.0)
    assert len(noise) % 480 == 0
    assert len(noise) >= 9 * 24_000
    rms = np.sqrt(np.mean(np.square(noise.astype(float) / 32_768)))
    assert 20 * np.log10(rms) == pytest.approx(-40, abs=0.2)


def test_kinds_take_turns() -> None:
    sounds = [as_sound(f"{kind} {n}", kind, "made", tone(0.2), -30.0) for kind in "ab" for n in range(3)]
    assert [sound.kind for sound in interleaved(sounds)] == list("ababab")
    assert len(interleaved(sounds, 4)) == 4
    assert interleaved([]) == []


def test_a_pause_is_put_into_the_quietest_place() -> None:
    spoken = np.concatenate((tone(0.9), tone(0.06, level=20.0), tone(0.9), silence(0.1)))
    clip = make_clip("voice/a_1", spoken, "one two")
    [halting] = hesitant([clip], [])
    [pause] = halting.pauses
    assert pause[0] == pytest.approx(0.9, abs=0.06)
    assert 0.3 <= pause[1] - pause[0] <= 1.3
    assert halting.text == "one two"
    assert halting.speech_end_s - clip.speech_end_s == pytest.approx(pause[1] - pause[0], abs=0.1)


def test_a_filler_of_the_same_voice_goes_in_with_it_and_short_clips_are_left_out() -> None:
    clip = make_clip("voice/a_1", np.concatenate((tone(0.9), tone(0.06, level=20.0), tone(0.9))), "one two")
    um = as_sound("voice/a_2 0.5", "filler", "recorded", tone(0.4), -24.0, "um")
    other = as_sound("voice/b_2 0.5", "filler", "recorded", tone(0.4), -24.0, "um")
    [with_um] = hesitant([clip], [other, um])
    assert with_um.text is None
    assert len(with_um.pauses) <= 2
    [without] = hesitant([clip], [other])
    assert with_um.duration_s == pytest.approx(without.duration_s + um.clip.duration_s, abs=0.01)
    assert hesitant([make_clip("voice/a_3", tone(0.5))], []) == []


@needs_recordings
def test_commands_become_hesitant() -> None:
    made = hesitant(load_clips(RECORDED, "commands"), [])
    assert len(made) > 10
    assert all(clip.speech_end_s <= clip.duration_s + 1e-6 for clip in made)
