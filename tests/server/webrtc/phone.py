"""The other end of a call: aiortc as a client, with a microphone for what it is to say and an ear that notes all."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import anyio
import httpx2
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame

from duologue.server.webrtc import peer as mended
from duologue.server.webrtc.microphone import Microphone
from tests.wire_checker import Frame, WireChecker, WireFault

RATE_HZ = 48_000
FRAME_S, FRAME_SAMPLES = 0.02, 960
LOUD = 500.0


def voice(seconds: float, pitch_hz: float = 220.0) -> np.ndarray:
    """int16 at 48 kHz: a loud tone."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (np.sin(2 * np.pi * pitch_hz * t) * 8_000).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE_HZ), dtype=np.int16)


class Voice(MediaStreamTrack):
    """What the caller says: silence, unless there is something. ``left_s``: when each frame that sounds was taken."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._ahead: deque[np.ndarray] = deque()
        self._start_s: float | None = None
        self._frames = 0
        self.left_s: list[float] = []

    def say(self, samples: np.ndarray) -> None:
        whole = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
        self._ahead.extend(whole.reshape(-1, FRAME_SAMPLES))

    @property
    def is_done(self) -> bool:
        return not self._ahead

    async def recv(self) -> AudioFrame:
        now_s = anyio.current_time()
        self._start_s = now_s if self._start_s is None else self._start_s
        await anyio.sleep(max(0.0, self._start_s + self._frames * FRAME_S - now_s))
        samples = self._ahead.popleft() if self._ahead else np.zeros(FRAME_SAMPLES, dtype=np.int16)
        if samples.any():
            self.left_s.append(anyio.current_time())
        frame = AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate, frame.time_base = RATE_HZ, Fraction(1, RATE_HZ)
        frame.pts = self._frames * FRAME_SAMPLES
        self._frames += 1
        return frame


@dataclass
class Ear:
    """What came in: when, and how loud, some 20 ms each."""

    heard: list[tuple[float, float]] = field(default_factory=list)
    pieces: list[np.ndarray] = field(default_factory=list)

    async def take(self, pcm: bytes, rate_hz: int) -> None:
        assert rate_hz == RATE_HZ
        samples = np.frombuffer(pcm, dtype="<i2").astype(float)
        self.heard.append((anyio.current_time(), float(np.sqrt(np.mean(samples**2)))))
        self.pieces.append(samples)

    def loud_s(self) -> list[float]:
        return [at_s for at_s, level in self.heard if level > LOUD]

    @property
    def is_sounding(self) -> bool:
        return bool(self.heard) and self.heard[-1][1] > LOUD


class Phone:
    """One end. ``frames``: the events that came over the data channel, checked."""

    def __init__(self, *, listens_only: bool = False) -> None:
        self.voice, self.ear, self.microphone = Voice(), Ear(), Microphone()
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        if listens_only:
            self.peer.addTransceiver("audio", direction="recvonly")
        else:
            self.peer.addTrack(self.voice)
        self.checker = WireChecker(over_webrtc=True)
        self.fault: WireFault | None = None
        self.channel: Any = None
        self.call_id = ""
        self.closed = anyio.Event()
        self._changed = anyio.Event()
        self.peer.on("connectionstatechange", self._look)

    @property
    def frames(self) -> list[Frame]:
        return self.checker.frames

    def open_channel(self, label: str = "oai-events") -> None:
        self.channel = self.peer.createDataChannel(label)
        self.channel.on("message", self._receive)
        self.channel.on("open", self._wake)
        self.channel.on("close", self._wake)

    async def offer(self) -> str:
        await self.peer.setLocalDescription()
        return str(self.peer.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        mended._attach(self.peer.getTransceivers()[0].receiver, self.microphone)

    async def hang_up(self) -> None:
        await self.peer.close()

    def vanish(self) -> None:
        """Fall silent without a goodbye, as a machine that loses power does."""
        for ice in {t.receiver.transport.transport for t in self.peer.getTransceivers()}:
            for protocol in ice._connection._protocols:
                protocol.transport.abort()

    async def spoken(self) -> None:
        """Everything that was to be said has been said."""
        while not self.voice.is_done:
            await anyio.sleep(FRAME_S)

    def send(self, kind: str, **fields: Any) -> None:
        self.channel.send(json.dumps({"type": kind, **fields}))

    async def update(self, **session: Any) -> Frame:
        self.send("session.update", session={"type": "realtime", **session})
        return (await self.wait("session.updated", self.count("session.updated") + 1))["session"]

    async def wait(self, kind: str, count: int = 1, within_s: float = 10) -> Frame:
        await self.until(lambda: self.count(kind) >= count, within_s, kind)
        return self.of(kind)[count - 1]

    async def until(self, is_so: Callable[[], bool], within_s: float = 10, what: str = "") -> None:
        with anyio.move_on_after(within_s):
            while not is_so() and self.fault is None:
                await self._changed.wait()
        self.demand_no_fault()
        assert is_so(), f"{what} did not come; had {self.types()}, {self.peer.connectionState}"

    def demand_no_fault(self) -> None:
        """Raises WireFault if the server broke a rule."""
        if self.fault is not None:
            raise self.fault

    def of(self, kind: str) -> list[Frame]:
        return [frame for frame in self.frames if frame["type"] == kind]

    def count(self, kind: str) -> int:
        return len(self.of(kind))

    def types(self) -> list[str]:
        """The types in order, a run of one type as one."""
        kinds = [frame["type"] for frame in self.frames]
        return [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]

    def _receive(self, message: str) -> None:
        try:
            self.checker.see(message)
        except WireFault as fault:
            self.fault = fault
        self._wake()

    def _look(self) -> None:
        if self.peer.connectionState in ("closed", "failed"):
            self.closed.set()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@asynccontextmanager
async def listening(phone: Phone) -> AsyncIterator[None]:
    """While the phone hears; then it is hung up."""
    async with anyio.create_task_group() as tg:
        tg.start_soon(phone.microphone.run, phone.ear.take)
        try:
            yield
            phone.demand_no_fault()
        finally:
            tg.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await phone.hang_up()


def lose(phone: Phone, is_lost: Callable[[], bool]) -> None:
    """From now on lose packets of the phone's sound for which ``is_lost``, before they reach the network."""
    transport = phone.peer.getTransceivers()[0].sender.transport
    send: Callable[[bytes], Awaitable[None]] = type(transport)._send_rtp.__get__(transport)

    async def send_some(data: bytes) -> None:
        is_report = 192 <= data[1] <= 223
        if is_report or not is_lost():
            await send(data)

    transport._send_rtp = send_some


async def post_sdp(http: str, offer: str, **query: str) -> httpx2.Response:
    """The raw form of the request."""
    async with httpx2.AsyncClient() as client:
        headers = {"Content-Type": "application/sdp"}
        return await client.post(f"{http}/v1/realtime/calls", params=query, content=offer, headers=headers)
