"""A sound file of any length, decoded as it is read: any container that is known here, any rate, any channels.

A file is known by its first bytes, never found out by trying: among all that ffmpeg knows are playlists, which name
other files and addresses to open. It is always read through an open file, so that a name is never taken for a URL.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, cast

import numpy as np
import soxr

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.errors import ClientError

FORMATS = "WAV, FLAC, Ogg, MP3, AAC, M4A, MP4 or WebM"
# 5 s: a block costs 2-20 ms to decode.
_BLOCK_SAMPLES = 5 * SESSION_RATE_HZ
# Below and above it is no sound of this world; at 1 Hz a small file would last for years.
_LOWEST_HZ, _HIGHEST_HZ = 2_000, 768_000
_HEAD_BYTES = 16


class SoundFile:
    """float32 mono at 16 kHz out of an open file that can seek, block by block; use it with ``with``. All methods
    block.

    ``duration_s``: what the file says of itself, None where it does not; no promise. ``longest_s``: more sound than
    this is refused while it is read. Damaged packets are passed over as players do.

    Raises ClientError for what is no sound, has none, or has too much.
    """

    def __init__(self, file: BinaryIO, *, longest_s: float) -> None:
        import av

        self._longest_s = longest_s
        # A cancelled reader may be gone while its thread still decodes.
        self._in_use = Lock()
        with _in_plain_words():
            # Titles are not looked at, and old files have them in Latin-1.
            self._container: Any = av.open(file, "r", format=container_of(_head(file)), metadata_errors="replace")
        with ExitStack() as unless_good:
            unless_good.callback(self._container.close)
            if not self._container.streams.audio:
                raise ClientError(f"this file holds no sound: send {FORMATS}")
            self.duration_s = _duration_s(self._container)
            unless_good.pop_all()
        self._blocks = self._gathered()

    def __enter__(self) -> SoundFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._in_use:
            self._blocks.close()
            self._container.close()

    def read(self) -> Float32:
        """The next 5 s or so, float32 [n]; empty when there is no more, or it is closed."""
        with self._in_use, _in_plain_words():
            return next(self._blocks, np.zeros(0, np.float32))

    def _gathered(self) -> Generator[Float32, None, None]:
        held: list[Float32] = []
        size = total = 0
        for piece in self._at_session_rate():
            held.append(piece)
            size += len(piece)
            total += len(piece)
            if total > self._longest_s * SESSION_RATE_HZ:
                raise ClientError(f"the sound is longer than {self._longest_s:g} s", code="audio_too_large")
            if size >= _BLOCK_SAMPLES:
                yield np.concatenate(held)
                held, size = [], 0
        if size:
            yield np.concatenate(held)

    def _at_session_rate(self) -> Iterator[Float32]:
        """The rate may change on the way: files are glued together, and phones change networks."""
        to_session: _ToSession | None = None
        for mono, rate_hz in self._mono():
            if to_session is None or to_session.from_hz != rate_hz:
                if to_session is not None:
                    yield to_session.end()
                to_session = _ToSession(rate_hz)
            yield to_session.push(mono)
        if to_session is not None:
            yield to_session.end()

    def _mono(self) -> Iterator[tuple[Float32, int]]:
        """The mean of all channels, and its rate."""
        import av

        to_floats: Any = None
        shape: Any = None
        for frame in self._frames():
            if not _LOWEST_HZ <= frame.sample_rate <= _HIGHEST_HZ:
                raise ClientError(f"a rate of {frame.sample_rate} Hz is no rate of sound: send {FORMATS}")
            if shape != (shape := (frame.format.name, frame.layout.name, frame.sample_rate)):
                # Packed: PyAV 18 counts nine planes in a frame of eight, and reading the ninth ends the process.
                to_floats = av.AudioResampler(format="flt")
            # Times of a damaged file jump, and the resampler would fill the gaps.
            frame.pts = None
            for part in to_floats.resample(frame):
                samples = part.to_ndarray().reshape(-1, part.layout.nb_channels)
                # As players do: damaged files of floats hold numbers that no loudspeaker can follow.
                yield np.clip(np.nan_to_num(samples), -1, 1).mean(axis=1, dtype=np.float32), frame.sample_rate

    def _frames(self) -> Iterator[Any]:
        from av.error import FFmpegError

        damage: FFmpegError | None = None
        is_empty = True
        for packet in self._container.demux(audio=0):
            try:
                frames = packet.decode()
            except FFmpegError as error:
                damage = error
                continue
            for frame in frames:
                is_empty = False
                yield frame
        if is_empty and damage is not None:
            raise damage


class _ToSession:
    """One rate to the engines' rate, well enough for any of them."""

    def __init__(self, from_hz: int) -> None:
        self.from_hz = from_hz
        self._stream = soxr.ResampleStream(from_hz, SESSION_RATE_HZ, 1, dtype="float32", quality="HQ")

    def push(self, samples: Float32) -> Float32:
        if self.from_hz == SESSION_RATE_HZ:
            return samples
        return np.asarray(self._stream.resample_chunk(samples), dtype=np.float32)

    def end(self) -> Float32:
        if self.from_hz == SESSION_RATE_HZ:
            return np.zeros(0, np.float32)
        return np.asarray(self._stream.resample_chunk(np.zeros(0, np.float32), last=True), dtype=np.float32)


@contextmanager
def _in_plain_words() -> Iterator[None]:
    """ffmpeg's errors as ClientError."""
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise ClientError(f"this is no sound that can be read ({error.strerror}): send {FORMATS}") from error


def on_disk(source: BinaryIO) -> BinaryIO:
    """All that is left of ``source``, a pipe for example, as a file without a name that can seek; close it. Blocks.

    Raises OSError.
    """
    with ExitStack() as unless_whole:
        file = unless_whole.enter_context(TemporaryFile())
        shutil.copyfileobj(source, file)
        file.seek(0)
        unless_whole.pop_all()
        return cast("BinaryIO", file)


def _head(file: BinaryIO) -> bytes:
    head = file.read(_HEAD_BYTES)
    file.seek(0, os.SEEK_SET)
    return head


def _duration_s(container: Any) -> float | None:
    stream = container.streams.audio[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / 1_000_000 if container.duration else None


def container_of(head: bytes) -> str:
    """What kind of file it is, as ffmpeg calls it, by its first bytes. Raises ClientError for any other kind."""
    if not head:
        raise ClientError("the file is empty")
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return "mp4"
    for start, kind in ((b"fLaC", "flac"), (b"OggS", "ogg"), (b"ID3", "mp3"), (b"\x1a\x45\xdf\xa3", "matroska")):
        if head.startswith(start):
            return kind
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "mp3" if head[1] & 0x06 else "aac"
    raise ClientError(f"this is no sound file: send {FORMATS}")
