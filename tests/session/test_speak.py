"""Phrases into sound: in small pieces, tried twice, and never waited for without end."""

from __future__ import annotations

import anyio
import numpy as np
import pytest

from duologue.engines.base import SpeakRequest
from duologue.engines.scripted import ScriptedSynthesizer, tone
from duologue.errors import EngineLost
from duologue.session.speak import PATIENCE_S, PIECE_SAMPLES, Piece, speak
from tests.conversations.broken import (
    BrokenStream,
    Manner,
    dies_midway,
    gives_nothing,
    hangs,
    hangs_midway,
    is_lost,
)
from tests.conversations.talk import engines
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


async def _pieces(tts: object) -> tuple[list[Piece], EngineLost | None]:
    got: list[Piece] = []
    try:
        await speak(engines(tts=tts), SpeakRequest("two words"), got.append, due_s=0.1)
    except EngineLost as error:
        return got, error
    return got, None


async def test_a_phrase_is_cut_into_pieces_and_loses_no_sample() -> None:
    pieces, failure = await _pieces(ScriptedSynthesizer(phrase_s=0.25))
    assert failure is None
    sounds = [piece.pcm for piece in pieces if piece.pcm is not None]
    assert [len(sound) for sound in sounds] == [PIECE_SAMPLES, PIECE_SAMPLES, PIECE_SAMPLES // 2]
    assert np.array_equal(np.concatenate(sounds), tone(0.25))


async def test_the_text_comes_with_the_first_piece_only() -> None:
    pieces, _ = await _pieces(ScriptedSynthesizer(phrase_s=0.3))
    assert [piece.text for piece in pieces] == ["two words", "", ""]
    assert [len(piece.words) for piece in pieces] == [2, 0, 0]


@pytest.mark.parametrize("manner", [gives_nothing, is_lost, hangs])
async def test_a_voice_lost_before_its_first_sound_is_asked_again(manner: Manner) -> None:
    pieces, failure = await _pieces(BrokenStream(ScriptedSynthesizer(phrase_s=0.1), manner))
    assert failure is None
    assert [piece.text for piece in pieces] == ["two words"]


@pytest.mark.parametrize("manner", [gives_nothing, is_lost, hangs])
async def test_and_no_more_than_once(manner: Manner) -> None:
    pieces, failure = await _pieces(BrokenStream(ScriptedSynthesizer(), manner, times=9))
    assert isinstance(failure, EngineLost)
    assert pieces == []
    assert anyio.current_time() <= 2 * PATIENCE_S + 0.01


@pytest.mark.parametrize("manner", [dies_midway, hangs_midway])
async def test_what_was_begun_is_not_begun_again(manner: Manner) -> None:
    pieces, failure = await _pieces(BrokenStream(ScriptedSynthesizer(phrase_s=0.1), manner))
    assert isinstance(failure, EngineLost)
    assert [piece.text for piece in pieces] == ["two words"]
