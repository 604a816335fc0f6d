"""Loading turns: from folders, manifests and any kind of file."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from duologue.audio.frame import Int16
from duologue.bench.clips import find_clips, load_clips, make_clip, read_audio
from duologue.bench.energy import speech_span
from duologue.bench.made_speech import made_clips
from duologue.errors import ConfigError
from tests.bench.standin import silence, tone

SPEECH = Path(__file__).parents[3] / "shared" / "audio"


def spoken() -> Int16:
    return np.concatenate((silence(0.3), tone(1.0), silence(0.4)))


def write_wav(path: Path, samples: Int16, *, rate_hz: int = 24_000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.repeat(samples, channels).tobytes())


@pytest.mark.parametrize(("rate_hz", "channels"), [(24_000, 1), (16_000, 2), (44_100, 1), (8_000, 1)])
def test_any_rate_and_any_channels_become_24_khz_mono(tmp_path: Path, rate_hz: int, channels: int) -> None:
    t = np.arange(rate_hz) / rate_hz
    write_wav(
        tmp_path / "a.wav",
        (8000 * np.sin(2 * np.pi * 220 * t)).astype(np.int16),
        rate_hz=rate_hz,
        channels=channels,
    )
    samples = read_audio(tmp_path / "a.wav")
    assert samples.dtype == np.int16
    assert len(samples) == pytest.approx(24_000, abs=2)
    middle = samples[6000:18_000].astype(float)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(8000 / np.sqrt(2), rel=0.03)


def test_raw_is_16_khz(tmp_path: Path) -> None:
    (tmp_path / "a.pcm").write_bytes(np.zeros(16_000, dtype="<i2").tobytes() + b"x")
    assert len(read_audio(tmp_path / "a.pcm")) == 24_000


def test_a_folder_of_files_needs_no_manifest(tmp_path: Path) -> None:
    write_wav(tmp_path / "one.wav", spoken())
    (tmp_path / "notes.txt").write_text("not sound")
    [clip] = load_clips(tmp_path)
    assert clip.name == "one"
    assert [each.name for each in load_clips(tmp_path / "one.wav")] == ["one"]
    assert clip.text is None
    assert (clip.speech_start_s, clip.speech_end_s) == pytest.approx((0.3, 1.3), abs=0.02)


def test_the_manifest_chooses_and_knows_better(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {
            "file": "commands/a.wav",
            "transcript": "two people",
            "speech_end_est_s": 1.25,
            "moonshine_tiny_text": "To.",
        },
        {"file": "commands/b.wav", "transcript": "two people", "speech_end_est_s": 0.6},
        {"file": "commands/c.wav", "transcript": "zwei Personen", "lang": "de"},
        {"file": "commands/d.wav", "transcript": "two", "duration_s": 20.0},
        {"file": "turns/e.wav", "transcript": "two um", "label": "hesitation", "good_for": "do not score WER"},
        {"file": "noise/f.wav", "transcript": None, "label": "noise:rain"},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for row in rows:
        path = tmp_path / str(row["file"])
        path.parent.mkdir(exist_ok=True)
        write_wav(path, spoken())
    [command] = load_clips(tmp_path)
    assert (command.name, command.text, command.speech_end_s) == ("commands/a.wav", "two people", 1.25)
    assert command.baseline_text == "To."
    [turn] = load_clips(tmp_path, "turns")
    assert (turn.name, turn.text) == ("turns/e.wav", None)
    assert len(load_clips(tmp_path / "manifest.jsonl", "all")) == 5
    assert [clip.name for clip in load_clips(tmp_path / "turns", "all")] == ["turns/e.wav"]


def test_clear_words_for_what_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"this is no sound at all")
    for source, words in [
        (tmp_path / "nowhere", "no folder of clips"),
        (tmp_path, "cannot be read as sound"),
    ]:
        with pytest.raises(ConfigError, match=words):
            load_clips(source)
    with pytest.raises(ConfigError, match="is silent"):
        make_clip("quiet", silence(1.0))


def test_clips_are_found_nearby(tmp_path: Path) -> None:
    assert find_clips([tmp_path]) is None
    (tmp_path / "shared" / "audio").mkdir(parents=True)
    (tmp_path / "shared" / "audio" / "manifest.jsonl").write_text("")
    assert find_clips([tmp_path / "elsewhere", tmp_path]) == tmp_path / "shared" / "audio"


@pytest.mark.skipif(not (SPEECH / "manifest.jsonl").is_file(), reason="the recorded speech is not on this machine")
def test_the_energy_rule_agrees_with_the_manifest() -> None:
    clips = load_clips(SPEECH)
    assert len(clips) >= 20
    spans = [(clip, speech_span(clip.samples)) for clip in clips]
    apart_s = [abs(clip.speech_end_s - span[1]) for clip, span in spans if span is not None]
    assert float(np.median(apart_s)) <= 0.02
    assert sum(clip.text is not None for clip in clips) >= 20


@pytest.mark.anyio
async def test_speech_can_be_made_where_there_is_none() -> None:
    pytest.importorskip("espeakng_loader", reason="espeak-ng is not installed")
    clips = await made_clips("turns")
    assert all(clip.pauses for clip in clips)
    assert all(clip.text for clip in clips)
