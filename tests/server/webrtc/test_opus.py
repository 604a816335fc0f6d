from __future__ import annotations

import numpy as np
import pytest

from duologue.server.webrtc.jitter import Encoded, Lost, Silence
from duologue.server.webrtc.opus import DECAY_FRAMES, FRAME_SAMPLES, Decoder, Encoder, packet_samples

SECOND = 50


def tone(frames: int, pitch_hz: float = 220.0) -> np.ndarray:
    t = np.arange(frames * FRAME_SAMPLES) / 24_000
    return (np.sin(2 * np.pi * pitch_hz * t) * 8_000).astype(np.int16).reshape(frames, FRAME_SAMPLES)


def heard(decoder: Decoder, *pieces: Encoded | Lost | Silence) -> np.ndarray:
    return np.frombuffer(b"".join(decoder.decode(piece) for piece in pieces), dtype="<i2").astype(float)


def level(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sound**2)))


def test_a_tone_comes_out_as_it_went_in() -> None:
    encoder, decoder = Encoder(), Decoder()
    sound = heard(decoder, *(Encoded(encoder.encode(frame)) for frame in tone(SECOND)))
    assert len(sound) == 48_000
    spectrum = np.abs(np.fft.rfft(sound[9_600:]))
    assert np.argmax(spectrum) * 48_000 / len(sound[9_600:]) == pytest.approx(220, abs=2)
    assert level(sound[9_600:]) == pytest.approx(8_000 / np.sqrt(2), rel=0.1)


def test_it_is_sent_in_mono_with_some_32_kbit_a_second() -> None:
    encoder = Encoder()
    rng = np.random.default_rng(0)
    frames = (rng.standard_normal((SECOND, FRAME_SAMPLES)) * 3_000).astype(np.int16)
    packets = [encoder.encode(frame) for frame in frames]
    assert all(packet_samples(packet) == 960 for packet in packets)
    assert not any(packet[0] & 4 for packet in packets), "the stereo bit"
    assert sum(map(len, packets)) * 8 < 45_000


def test_silence_is_small_and_coded_once() -> None:
    encoder, decoder = Encoder(), Decoder()
    for frame in tone(10):
        decoder.decode(Encoded(encoder.encode(frame)))
    packets = [encoder.silence() for _ in range(50)]
    assert len(set(packets[DECAY_FRAMES:])) == 1
    assert len(packets[-1]) < 16
    sound = heard(decoder, *map(Encoded, packets))
    assert level(sound[-9_600:]) < 10


def test_speech_after_repeated_silence_is_whole() -> None:
    encoder, decoder = Encoder(), Decoder()
    heard(decoder, *(Encoded(encoder.silence()) for _ in range(100)))
    sound = heard(decoder, *(Encoded(encoder.encode(frame)) for frame in tone(SECOND)))
    assert level(sound[9_600:]) == pytest.approx(8_000 / np.sqrt(2), rel=0.1)


def test_a_lost_packet_is_continued_not_cut_out() -> None:
    encoder, decoder = Encoder(), Decoder()
    heard(decoder, *(Encoded(encoder.encode(frame)) for frame in tone(20)))
    gap = heard(decoder, Lost(960))
    assert len(gap) == 960
    assert level(gap) > 2_500


def test_a_long_loss_fades_into_silence_of_the_right_length() -> None:
    encoder, decoder = Encoder(), Decoder()
    heard(decoder, *(Encoded(encoder.encode(frame)) for frame in tone(20)))
    gap = heard(decoder, Lost(48_000))
    assert len(gap) == 48_000
    assert level(gap[24_000:]) == 0


def test_a_loss_before_any_sound_is_silence() -> None:
    assert not heard(Decoder(), Lost(960), Silence(480)).any()


@pytest.mark.parametrize("payload", [b"\x03", b"\xff" * 4, bytes(range(1, 60)), b"\x01\xff\xff", b"\x0b\x41\x02"])
def test_what_is_no_opus_is_not_heard_and_breaks_nothing(payload: bytes) -> None:
    encoder, decoder = Encoder(), Decoder()
    assert len(decoder.decode(Encoded(payload))) % 2 == 0
    sound = heard(decoder, *(Encoded(encoder.encode(frame)) for frame in tone(SECOND)))
    assert level(sound[9_600:]) == pytest.approx(8_000 / np.sqrt(2), rel=0.2)


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b"", 0),
        (b"\x08", 960),  # SILK, 20 ms
        (b"\x18", 2_880),  # SILK, 60 ms
        (b"\x78", 960),  # hybrid, 20 ms
        (b"\xd8", 960),  # CELT, 20 ms
        (b"\xc0", 120),  # CELT, 2.5 ms
        (b"\xd9", 1_920),  # two frames
        (b"\xdb\x03", 2_880),  # a count of three
        (b"\xdb", 0),
        (b"\xdb\x3f", 0),  # 1.26 s: more than a packet may hold
    ],
)
def test_a_packet_tells_its_length(payload: bytes, samples: int) -> None:
    assert packet_samples(payload) == samples
