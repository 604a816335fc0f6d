"""What calls cost the server's process: the network side of them, in a state of rest and with sound either way.

Run: python -m tests.server.webrtc.cost [--calls 5]     (the callers are in another process)
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from multiprocessing.connection import Connection

import anyio
from aiortc import RTCPeerConnection
from anyio.to_thread import run_sync

from duologue.server.webrtc.microphone import Microphone
from duologue.server.webrtc.peer import answer, make_peer
from duologue.server.webrtc.playback import Playback
from tests.server.webrtc.phone import Phone, voice

SETTLE_S, WATCH_S = 3.0, 10.0
SOUND_S = SETTLE_S + WATCH_S + 1


def callers(line: Connection, calls: int) -> None:
    """The other process: phones that call, and speak when they are told to."""
    anyio.run(_call, line, calls)


async def _call(line: Connection, calls: int) -> None:
    phones = [Phone() for _ in range(calls)]
    for phone in phones:
        phone.open_channel()
        line.send(await phone.offer())
        await phone.accept(await run_sync(line.recv))
    while await run_sync(line.recv) == "speak":
        for phone in phones:
            phone.voice.say(voice(SOUND_S))
    for phone in phones:
        await phone.peer.close()


async def measure(line: Connection, calls: int) -> None:
    peers: list[RTCPeerConnection] = []
    playbacks: list[Playback] = []
    async with anyio.create_task_group() as tg:
        for _ in range(calls):
            playback, microphone = Playback(), Microphone()
            peer = make_peer([], playback)
            line.send(await answer(peer, await run_sync(line.recv), microphone))
            tg.start_soon(microphone.run, _forget)
            peers.append(peer)
            playbacks.append(playback)
        await _show("nobody speaks", calls)
        line.send("speak")
        await _show("callers speak", calls)
        await anyio.sleep(SOUND_S - SETTLE_S - WATCH_S)
        for playback in playbacks:
            playback.say(voice(SOUND_S)[::2].tobytes())
        await _show("the server speaks", calls)
        line.send("hang up")
        tg.cancel_scope.cancel()
    for peer in peers:
        await peer.close()


async def _forget(_pcm: bytes, _rate_hz: int) -> None:
    return


async def _show(name: str, calls: int) -> None:
    await anyio.sleep(SETTLE_S)
    cpu_s, now_s = time.process_time(), time.monotonic()
    await anyio.sleep(WATCH_S)
    share = (time.process_time() - cpu_s) / (time.monotonic() - now_s) / calls
    print(f"{name:>18}  {100 * share:4.1f} % of a core for each of {calls} calls", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=5)
    calls = parser.parse_args().calls
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=callers, args=(theirs, calls))
    process.start()
    anyio.run(measure, ours, calls)
    process.join(10)


if __name__ == "__main__":
    main()
