from __future__ import annotations

import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.asr.clip import PIECE_MAX_S, pieces_of, speech_of

RATE = SESSION_RATE_HZ


def noise(seconds: float, level: float) -> Float32:
    sound = np.random.default_rng(3).standard_normal(int(seconds * RATE)) * level
    return sound.astype(np.float32)


def test_a_short_turn_is_one_piece() -> None:
    sound = noise(14.9, 0.1)
    (piece,) = pieces_of(sound)
    np.testing.assert_array_equal(piece, sound)


def test_a_long_turn_is_cut_where_it_is_quiet_and_nothing_is_lost() -> None:
    sound = noise(40.0, 0.1)
    sound[12 * RATE : 12 * RATE + RATE // 4] *= 0.01
    pieces = list(pieces_of(sound))
    assert 12 * RATE <= len(pieces[0]) <= 12 * RATE + RATE // 4
    assert all(len(piece) <= PIECE_MAX_S * RATE for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces), sound)


def test_broken_samples_become_silence() -> None:
    (piece,) = pieces_of(np.array([np.nan, np.inf, -np.inf, 0.5], np.float32))
    assert piece.tolist() == [0.0, 0.0, 0.0, 0.5]


def test_quiet_edges_go() -> None:
    sound = np.concatenate([noise(2.0, 0.0005), noise(1.0, 0.1), noise(2.0, 0.0005)])
    speech = speech_of(sound)
    assert 1.45 * RATE <= len(speech) <= 1.55 * RATE
    assert np.abs(speech[RATE // 5 + 320 : -RATE // 5 - 320]).mean() > 0.05


def test_a_weak_last_word_stays() -> None:
    sound = np.concatenate([noise(1.0, 0.2), noise(0.3, 0.0), noise(0.5, 0.03)])
    assert np.array_equal(speech_of(sound)[: len(sound)], sound)


def test_sound_that_ends_with_the_last_word_is_given_silence() -> None:
    sound = noise(1.0, 0.2)
    speech = speech_of(sound)
    assert np.array_equal(speech[:RATE], sound)
    assert len(speech) == 1.3 * RATE
    assert not speech[RATE:].any()


def test_quiet_sound_holds_no_speech() -> None:
    for sound in (np.zeros(0), np.zeros(1), np.zeros(RATE), noise(1.0, 0.0005)):
        assert len(speech_of(np.asarray(sound, np.float32))) == 0


def test_a_click_is_padded_to_what_the_encoder_takes() -> None:
    assert len(speech_of(noise(0.02, 0.1))) >= 0.3 * RATE
