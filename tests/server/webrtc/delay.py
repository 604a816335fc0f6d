"""How long the caller's sound takes to the session, before, during and after a loss of packets, on this machine.

Run: python -m tests.server.webrtc.delay [--stock]     (--stock: with aiortc's own buffer, for comparison)
"""

from __future__ import annotations

import random
import statistics
import sys

import anyio

from tests.server.webrtc.line import connected, delays_s
from tests.server.webrtc.phone import lose


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
        print(f"packets lost {line.microphone.buffer.lost}, late {line.microphone.buffer.late}")


def _show(name: str, delays: list[float]) -> None:
    ms = sorted(1000 * delay for delay in delays)
    print(f"{name:>10}  median {statistics.median(ms):6.1f} ms   worst {ms[-1]:6.1f} ms   of {len(ms)}")


if __name__ == "__main__":
    anyio.run(lambda: measure(stock="--stock" in sys.argv))
