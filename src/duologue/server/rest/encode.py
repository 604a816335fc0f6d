"""Speech as it is made -> bytes of a sound file, piece by piece.

What a file's head would say of its length is not known yet: WAV has 0xFFFFFFFF there, as servers do that stream;
FLAC 0, which is its own sign for unknown (RFC 9639); MP3, AAC (ADTS) and Opus (in Ogg, RFC 7845) need no length.
"""

from __future__ import annotations

import struct
from threading import Lock
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np

from duologue.audio.codec import encode_pcm16
from duologue.audio.frame import VOICE_RATE_HZ, Int16

SpeechFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: tuple[str, ...] = get_args(SpeechFormat)
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_WAV_HEAD = struct.Struct("<4sI4s4sIHHIIHH4sI")
_UNKNOWN = 0xFFFFFFFF


class Encoder(Protocol):
    """``push`` and ``finish`` block for a millisecond or so; either may give b""."""

    def push(self, pcm: Int16) -> bytes:
        """``pcm``: int16 mono at 24 kHz; the bytes that are complete with it."""

    def finish(self) -> bytes:
        """The rest of the file."""

    def close(self) -> None:
        """Give the codec back; may be called at any time, and again."""


def encoder(kind: SpeechFormat) -> Encoder:
    """A new file of this kind."""
    return _Raw(has_head=kind == "wav") if kind in {"wav", "pcm"} else _Coded(_CODINGS[kind])


class _Raw:
    """16-bit samples as they are, behind a WAV header where one is wanted."""

    def __init__(self, *, has_head: bool) -> None:
        self._head = _wav_head() if has_head else b""

    def push(self, pcm: Int16) -> bytes:
        head, self._head = self._head, b""
        return head + encode_pcm16(pcm)

    def finish(self) -> bytes:
        return self.push(np.zeros(0, np.int16))

    def close(self) -> None:
        return


def _wav_head() -> bytes:
    rate_hz = VOICE_RATE_HZ
    return _WAV_HEAD.pack(
        b"RIFF", _UNKNOWN, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16, b"data", _UNKNOWN
    )  # fmt: skip


class _Coding(NamedTuple):
    """How ffmpeg is asked: container, codec, bits a second, options of the container, samples of the codec."""

    container: str
    codec: str
    bit_rate: int | None
    options: dict[str, str]
    sample_format: str


_CODINGS = {
    # A Xing head would be written at the end, into the beginning.
    "mp3": _Coding("mp3", "libmp3lame", 64_000, {"write_xing": "0", "id3v2_version": "0"}, "s16p"),
    # Pages of 0.2 s instead of 1 s: a player has its first sound sooner.
    "opus": _Coding("ogg", "libopus", 40_000, {"page_duration": "200000"}, "s16"),
    "aac": _Coding("adts", "aac", 64_000, {}, "fltp"),
    "flac": _Coding("flac", "flac", None, {}, "s16"),
}


class _Sink:
    """A file that cannot be sought in; what was written is taken away."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


def _opened(sink: _Sink, coding: _Coding) -> tuple[Any, Any]:
    """A container that writes into ``sink``, and its one stream."""
    import av

    options = {**coding.options, "flush_packets": "1"}
    open_file: Any = av.open
    container = open_file(sink, "w", format=coding.container, options=options)
    stream = container.add_stream(coding.codec, rate=VOICE_RATE_HZ, layout="mono")
    stream.codec_context.format = coding.sample_format
    if coding.bit_rate:
        stream.bit_rate = coding.bit_rate
    return container, stream


class _Coded:
    def __init__(self, coding: _Coding) -> None:
        self._sink = _Sink()
        self._container, self._stream = _opened(self._sink, coding)
        self._samples = 0
        self._is_closed = False
        # A cancelled writer may be gone while its thread still encodes.
        self._in_use = Lock()

    def push(self, pcm: Int16) -> bytes:
        import av

        with self._in_use:
            if len(pcm) and not self._is_closed:
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm)[None], format="s16", layout="mono")
                frame.rate = VOICE_RATE_HZ
                frame.pts = self._samples
                self._samples += len(pcm)
                self._container.mux(self._stream.encode(frame))
        return self._sink.take()

    def finish(self) -> bytes:
        with self._in_use:
            if not self._is_closed:
                self._container.mux(self._stream.encode(None))
        self.close()
        return self._sink.take()

    def close(self) -> None:
        with self._in_use:
            if not self._is_closed:
                self._is_closed = True
                self._container.close()
