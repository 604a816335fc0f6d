"""Sound files of any length and make, read block by block."""

from __future__ import annotations

import io
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from duologue.audio.frame import Float32
from duologue.engines.speech.sound_file import SoundFile, container_of
from duologue.engines.wav import to_wav
from duologue.errors import ClientError


def _tone(rate_hz: int, seconds: float) -> Float32:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def _read(file: Any, longest_s: float = 100.0) -> list[Float32]:
    with SoundFile(file if hasattr(file, "read") else io.BytesIO(file), longest_s=longest_s) as sound:
        blocks = []
        while len(block := sound.read()):
            blocks.append(block)
        assert len(sound.read()) == 0
        return blocks


def _written(kind: str, codec: str, channels: Float32, rate_hz: int, layout: str) -> bytes:
    """``channels``: float32 [channels, n]."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(channels.T.reshape(1, -1), format="flt", layout=layout)
        frame.rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_block_by_block_it_is_the_same_sound(rate_hz: int) -> None:
    blocks = _read(to_wav(_tone(rate_hz, 13.0), rate_hz))
    sound = np.concatenate(blocks)
    assert len(blocks) == 3
    assert abs(len(sound) - 13 * 16_000) <= 1
    assert (
        np.abs(sound[: 13 * 16_000 - 1] - _tone(16_000, 13.0)[: len(sound)][: 13 * 16_000 - 1])[100:-100].max() < 0.01
    )


@pytest.mark.parametrize("count", [1, 2, 3, 6, 8, 16, 64])
def test_channels_become_their_mean(count: int) -> None:
    loud = to_wav(_tone(16_000, 1.0))
    channels = np.zeros((16_000, count), "<i2")
    channels[:, 0] = np.frombuffer(loud[44:], "<i2")
    head = struct.pack(
        "<4sIHHIIHH4sI", b"fmt ", 16, 1, count, 16_000, 32_000 * count, 2 * count, 16, b"data", 32_000 * count
    )
    data = b"RIFF" + struct.pack("<I", 36 + channels.nbytes) + b"WAVE" + head + channels.tobytes()
    sound = np.concatenate(_read(data))
    assert np.abs(sound * count - channels[:, 0] / 32768).max() < 1e-5


@pytest.mark.parametrize(
    ("codec", "kind"), [("aac", "adts"), ("libopus", "ogg"), ("flac", "flac"), ("pcm_s24le", "wav")]
)
@pytest.mark.parametrize("layout", ["stereo", "5.1", "7.1"])
def test_channels_of_every_coding(codec: str, kind: str, layout: str) -> None:
    count = {"stereo": 2, "5.1": 6, "7.1": 8}[layout]
    channels = np.zeros((count, 48_000), np.float32)
    channels[0] = _tone(48_000, 1.0)
    sound = np.concatenate(_read(_written(kind, codec, channels, 48_000, layout)))
    assert np.abs(sound).max() == pytest.approx(0.5 / count, rel=0.6)


@pytest.mark.parametrize(
    ("codec", "kind"), [("pcm_u8", "wav"), ("pcm_s24le", "wav"), ("pcm_f32le", "wav"), ("pcm_mulaw", "wav"),
                        ("pcm_alaw", "wav"), ("alac", "mp4"), ("flac", "flac"), ("aac", "adts")]
)  # fmt: skip
def test_kinds_of_samples(codec: str, kind: str) -> None:
    data = _written(kind, codec, _tone(48_000, 1.0)[None], 48_000, "mono")
    sound = np.concatenate(_read(data))
    assert abs(len(sound) - 16_000) < 1_100
    assert abs(int(np.argmax(np.abs(np.fft.rfft(sound, 16_000)))) - 440) <= 3


def test_files_that_were_glued_together_may_change_their_rate() -> None:
    parts = [_written("mp3", "libmp3lame", _tone(rate, 1.0)[None], rate, "mono") for rate in (24_000, 16_000, 48_000)]
    sound = np.concatenate(_read(b"".join(parts)))
    assert 2.9 < len(sound) / 16_000 < 3.4


def test_damage_in_the_middle_is_passed_over() -> None:
    data = bytearray(_written("mp3", "libmp3lame", _tone(24_000, 8.0)[None], 24_000, "mono"))
    middle = len(data) // 2
    data[middle : middle + 700] = bytes(range(256)) * 2 + bytes(188)
    sound = np.concatenate(_read(bytes(data)))
    assert 7.0 < len(sound) / 16_000 < 8.3


def test_titles_need_not_be_utf_8() -> None:
    data = _written("mp3", "libmp3lame", _tone(24_000, 1.0)[None], 24_000, "mono")
    assert b"Lavf" in data
    assert len(_read(data.replace(b"Lavf", b"L\xe9vf", 1))) == 1


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize(
    ("kind", "codec"), [("mp3", "libmp3lame"), ("ogg", "libopus"), ("flac", "flac"), ("wav", "pcm_s16le")]
)
def test_a_file_that_breaks_off_is_read_to_there(kind: str, codec: str, share: float) -> None:
    data = _written(kind, codec, _tone(24_000, 6.0)[None], 24_000, "mono")
    sound = np.concatenate([np.zeros(0, np.float32), *_read(data[: int(len(data) * share)])])
    assert len(sound) / 16_000 <= 6.2
    assert len(sound) / 16_000 > 6 * share - 1.3


@pytest.mark.parametrize("rate_hz", [0, 1, 100, 2_000_000, 0xFFFFFFFF])
def test_a_rate_that_is_none(rate_hz: int) -> None:
    data = bytearray(to_wav(_tone(16_000, 1.0)))
    data[24:28] = rate_hz.to_bytes(4, "little")
    with pytest.raises(ClientError, match=r"no rate of sound|no sound that can be read"):
        _read(bytes(data))


def test_no_more_than_was_allowed() -> None:
    with pytest.raises(ClientError, match="longer than 7 s"):
        _read(to_wav(_tone(16_000, 13.0)), longest_s=7)


def test_nan_is_silence() -> None:
    planes = np.full((1, 16_000), np.nan, np.float32)
    planes[0, 8_000:] = 0.25
    sound = np.concatenate(_read(_written("wav", "pcm_f32le", planes, 16_000, "mono")))
    assert np.isfinite(sound).all()
    assert sound[-1] == 0.25


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    path.write_bytes(_written("flac", "flac", np.zeros((1, 16_000 * 600), np.float32), 16_000, "mono"))
    tracemalloc.start()
    samples = 0
    with path.open("rb") as file, SoundFile(file, longest_s=10_000) as sound:
        assert sound.duration_s == 600
        while len(block := sound.read()):
            samples += len(block)
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert samples == 600 * 16_000
    assert peak < 4_000_000


def test_what_a_file_is_by_its_first_bytes() -> None:
    heads = {b"RIFF1234WAVE": "wav", b"RF641234WAVE": "wav", b"1234ftypM4A ": "mp4", b"ID3\x04": "mp3",
             b"\xff\xfb\x90": "mp3", b"\xff\xf1\x50": "aac", b"OggS": "ogg", b"fLaC": "flac"}  # fmt: skip
    assert {head: container_of(head) for head in heads} == heads
    for head in (b"", b"\xff", b"RIFF1234AVI ", b"#EXTM3U", b"<?xml", b"PK\x03\x04", b"%PDF"):
        with pytest.raises(ClientError, match="no sound file" if head else "the file is empty"):
            container_of(head)


def test_closing_waits_for_a_read_that_is_under_way() -> None:
    """A cancelled reader leaves its thread in the decoder, and closing that would end the process."""

    class Halting(io.BytesIO):
        is_read, may_go_on = Event(), Event()
        halts = False

        def read(self, size: int | None = -1) -> bytes:
            if self.halts:
                self.is_read.set()
                assert self.may_go_on.wait(10)
            return super().read(size)

    file = Halting(to_wav(np.zeros(16_000 * 60, np.float32)))
    sound = SoundFile(file, longest_s=100)
    file.halts = True
    with ThreadPoolExecutor(2) as threads:
        reading = threads.submit(sound.read)
        assert file.is_read.wait(10)
        closing = threads.submit(sound.__exit__, None, None, None)
        assert not wait([closing], timeout=0.05).done
        file.may_go_on.set()
        assert len(reading.result(10)) > 0
        closing.result(10)
    assert len(sound.read()) == 0
