"""Sound over real sockets on this machine, between aiortc and what stands in for its parts here."""

from __future__ import annotations

import random
import statistics

import anyio
import numpy as np
import pytest

from duologue.server.webrtc.playback import Playback
from tests.server.serving import until
from tests.server.webrtc.line import connected, delays_s
from tests.server.webrtc.phone import LOUD, lose, voice

pytestmark = pytest.mark.anyio


async def test_both_ways() -> None:
    async with connected() as line:
        line.phone.voice.say(voice(0.4))
        await until(lambda: len(line.ear.loud_s()) >= 18)
        line.playback.say(voice(0.8, 440)[::2].tobytes())
        await until(lambda: len(line.phone.ear.loud_s()) >= 18)
        sound = np.concatenate(line.phone.ear.pieces[-15:-5])
        loudest = np.argmax(np.abs(np.fft.rfft(sound))) * 48_000 / len(sound)
        assert loudest == pytest.approx(440, abs=10)


async def test_hush_is_heard_at_once() -> None:
    async with connected() as line:
        line.playback.say(voice(4.0)[::2].tobytes())
        await until(lambda: len(line.phone.ear.loud_s()) >= 10)
        before_s = anyio.current_time()
        line.playback.hush()
        assert line.playback.ahead_ms <= 5
        await until(lambda: line.phone.ear.heard[-1][1] < LOUD)
        # One packet of 20 ms may be on its way; the rest is this machine's other work.
        assert line.phone.ear.loud_s()[-1] - before_s < 0.2


async def test_lowered_held_and_resumed_all_of_it_is_heard_once() -> None:
    async with connected() as line:
        heard = line.phone.ear.heard
        line.playback.say(voice(2.0)[::2].tobytes(), "r")
        await until(lambda: len(line.phone.ear.loud_s()) >= 15)
        line.playback.lower("r", 0.3)
        lowered_at = len(heard)
        await until(lambda: len(heard) >= lowered_at + 15)
        loud, low = (statistics.median(level for _, level in part) for part in (heard[-20:-15], heard[-5:]))
        assert low / loud == pytest.approx(0.3, abs=0.05)
        line.playback.hold("r")
        await until(lambda: len(heard) > 5 and all(level < LOUD for _, level in heard[-5:]))
        kept_ms = line.playback.ahead_ms
        await until(lambda: all(level < LOUD for _, level in heard[-20:]))
        assert line.playback.ahead_ms == kept_ms > 0
        line.playback.resume("r")
        await until(lambda: line.playback.ahead_ms == 0 and not line.phone.ear.is_sounding)
        # 100 packets of it; the fades begin or end within two more, and so does what is lost at the start of a line.
        assert len(line.phone.ear.loud_s()) == pytest.approx(100, abs=3)
        again = [level for _, level in heard[-15:] if level > LOUD]
        assert statistics.median(again) == pytest.approx(loud, rel=0.1)


async def test_what_is_said_far_ahead_is_kept_up_to_half_a_minute() -> None:
    playback = Playback()
    playback.say(bytes(2 * 24_000 * 29))
    playback.say(bytes(2 * 24_000 * 5))
    assert playback.ahead_ms == 30_000
    playback.say(bytes(2))
    assert playback.ahead_ms == 30_000


async def test_no_delay_stays_after_loss() -> None:
    """How long a sound of 20 ms takes to the session, before, and after 5 % of the packets were lost."""
    rng = random.Random(3)
    async with connected() as line:
        await until(lambda: len(line.ear.heard) > 20)
        before = statistics.median(await delays_s(line, 5))
        lose(line.phone, lambda: rng.random() < 0.05)
        line.phone.voice.say(voice(2.0))
        await until(lambda: line.phone.voice.is_done)
        lose(line.phone, lambda: False)
        await until(lambda: not line.ear.is_sounding)
        after = statistics.median(await delays_s(line, 5))
    assert line.microphone.buffer.lost > 0
    # aiortc's own buffer stays 220 ms later than before; half of that leaves room for a busy machine.
    assert after < before + 0.11
