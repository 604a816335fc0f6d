"""What the loudspeaker's callback takes, and what was heard when it is cut off."""

from __future__ import annotations

import sys

import pytest

from duologue.bench.sound_card import PlayQueue, open_sound_card
from duologue.errors import ConfigError
from tests.bench.standin import tone


def test_sound_is_given_out_in_order_and_silence_after_it() -> None:
    queue = PlayQueue()
    sound = tone(0.05)
    queue.play("a", sound[:700])
    queue.play("a", sound[700:])
    taken = [queue.take(480) for _ in range(3)]
    assert taken[0].tolist() == sound[:480].tolist()
    assert taken[1].tolist() == sound[480:960].tolist()
    assert taken[2][:240].tolist() == sound[960:].tolist()
    assert not taken[2][240:].any()


def test_what_was_heard_is_what_the_card_has_played() -> None:
    queue = PlayQueue()
    queue.play("a", tone(0.1))
    queue.play("b", tone(1.0))
    queue.take(2400 + 12_000)
    flushed = queue.flush(delay_s=0.1)
    assert flushed is not None
    assert (flushed.item_id, flushed.heard_ms) == ("b", 400)
    assert not queue.take(480).any()
    assert queue.flush() is None


@pytest.mark.anyio
async def test_without_portaudio_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ConfigError, match=r"--in question\.wav --out answer\.wav"), open_sound_card():
        pytest.fail("there is no card")
