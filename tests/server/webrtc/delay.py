"""How long the caller's sound takes to the session, before, during and after a loss of packets, on this machine.

Run: python -m tests.server.webrtc.delay [--stock]     (--stock: with aiortc's own buffer, for comparison)
"""

from __future__ import annotations

import random
import statistics
import sys

import anyio

from tests.server.serving import until
from tests.server.webrtc.line import Line, connected, delays_s
from tests.server.webrtc.phone import lose, voice


async def measure(*, stock: bool) -> None:
    rng = random.Random(3)
    async with connected(mended=not stock) as line:
        await anyio.sleep(0.5)
        _show("before", await delays_s(line, 30))
        lose(line.phone, lambda: rng.random() < 0.05)
        _show("5 % lost", await delays_s(line, 60))
        lose(line.phone, lambda: False)
        for second in range(1, 6):
            _show(f"{second} s after", await delays_s(line, 5))
        _show("answer", [await _answer_s(line) for _ in range(10)])
        _show("hush", [await _hush_s(line) for _ in range(10)])
        print(f"packets lost {line.microphone.buffer.lost}, late {line.microphone.buffer.late}")


async def _answer_s(line: Line) -> float:
    """From the session's sound to the caller's ear, without the caller's own buffer."""
    said_s = anyio.current_time()
    line.playback.say(voice(0.1)[::2].tobytes())
    await until(lambda: bool(line.phone.ear.heard) and line.phone.ear.heard[-1][0] > said_s + 0.3)
    return min(at_s for at_s in line.phone.ear.loud_s() if at_s > said_s) - said_s


async def _hush_s(line: Line) -> float:
    """From a barge-in to the last sound at the caller's ear."""
    line.playback.say(voice(3)[::2].tobytes())
    await anyio.sleep(0.3)
    hushed_s = anyio.current_time()
    line.playback.hush()
    await anyio.sleep(0.3)
    return max(0.0, line.phone.ear.loud_s()[-1] - hushed_s)


def _show(name: str, delays: list[float]) -> None:
    ms = sorted(1000 * delay for delay in delays)
    print(f"{name:>10}  median {statistics.median(ms):6.1f} ms   worst {ms[-1]:6.1f} ms   of {len(ms)}")


if __name__ == "__main__":
    anyio.run(lambda: measure(stock="--stock" in sys.argv))
