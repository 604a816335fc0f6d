"""The process that holds espeak-ng, apart from the server.

``python -m duologue.engines.tts.espeak_process LIBRARY``, or the file itself by its path.

espeak-ng is GPL-3, keeps one state per process and is written in C; so it lives behind a pipe, and a crash of it
ends one phrase. Nothing of Duologue is imported here, and only light parts of the standard library: the process is
ready in about 30 ms.

Both pipes carry frames: payload length (u32), kind (u8), request id (u32), all little-endian, then the payload.

====== =========== ============================================================================
kind   from        payload
====== =========== ============================================================================
1      server      speak: words per minute (u16), length of the voice's name (u8), name, text
2      server      cancel, empty
3      server      phonemes: length of the voice's name (u8), name, lines of text
16     this        ready: sample rate (u32); sent once, for request 0
17     this        sound: int16 samples
18     this        a word begins: index of its character in the text (u32), sample (u32)
19     this        the phrase is complete, empty
20     this        failed: why, as text; for request 0 it means that espeak-ng cannot run
21     this        phonemes: a line of IPA for each line of text, then ``end``
====== =========== ============================================================================

Requests are answered in their order; a phrase of 3 s takes about 9 ms. A cancelled one ends within
100 ms of sound. The process ends when its standard input does.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
import sys
from collections import deque

HEADER = struct.Struct("<IBI")
SPEAK_HEAD = struct.Struct("<HB")
PHONEMES_HEAD = struct.Struct("<B")
READY_PAYLOAD = struct.Struct("<I")
WORD_PAYLOAD = struct.Struct("<II")

SPEAK = 1
CANCEL = 2
PHONEMES = 3
READY = 16
SOUND = 17
WORD = 18
END = 19
FAILED = 20
IPA = 21

# 60 would cost the server a third more per second of sound; the first leaves 0.2 ms later.
CHUNK_MS = 100

# From espeak-ng's public header, speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_RATE_PARAMETER = 1
_UTF8 = 1
_POSITION_CHARACTER = 1
_EVENT_LIST_END = 0
_EVENT_WORD = 1
# IPA, with "^" tying the letters of one sound ("t^ʃ").
_PHONEME_MODE = 0x02 | 0x80 | ord("^") << 8


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Wire:
    """Frames in on one descriptor, out on another. ``is_closed``: the server has gone."""

    def __init__(self, source_fd: int, sink_fd: int) -> None:
        self._source_fd = source_fd
        self._sink_fd = sink_fd
        self._buffer = bytearray()
        self._requests: deque[tuple[int, int, bytes]] = deque()
        self.cancelled: set[int] = set()
        self.is_closed = False

    def next_request(self) -> tuple[int, int, bytes] | None:
        """Wait for the next (kind, request id, payload); None at the end of the input."""
        while not self._requests and not self.is_closed:
            self._read()
        return self._requests.popleft() if self._requests and not self.is_closed else None

    def poll(self) -> None:
        """Take in what has come meanwhile, without waiting."""
        while not self.is_closed and select.select([self._source_fd], [], [], 0)[0]:
            self._read()

    def send(self, kind: int, request_id: int, payload: bytes = b"") -> None:
        """Write one frame; waits while the pipe is full."""
        data = memoryview(HEADER.pack(len(payload), kind, request_id) + payload)
        try:
            while data:
                data = data[os.write(self._sink_fd, data) :]
        except BrokenPipeError:
            self.is_closed = True

    def _read(self) -> None:
        data = os.read(self._source_fd, 65536)
        if not data:
            self.is_closed = True
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            length, kind, request_id = HEADER.unpack_from(self._buffer)
            stop = HEADER.size + length
            if len(self._buffer) < stop:
                return
            payload = bytes(self._buffer[HEADER.size : stop])
            del self._buffer[:stop]
            self._take(kind, request_id, payload)

    def _take(self, kind: int, request_id: int, payload: bytes) -> None:
        if kind in {SPEAK, PHONEMES}:
            self._requests.append((kind, request_id, payload))
        elif kind == CANCEL:
            waiting = [item for item in self._requests if item[1] != request_id]
            if len(waiting) == len(self._requests):
                self.cancelled.add(request_id)
            self._requests = deque(waiting)


class Voice:
    """espeak-ng itself, speaking onto the wire."""

    def __init__(self, library: str, wire: Wire) -> None:
        self._wire = wire
        self._request_id = 0
        self._lib = ctypes.CDLL(library)
        # The callback must outlive the library's use of it.
        self._callback = _Callback(self._on_sound)
        # espeak-ng keeps its data path in 160 bytes: a relative one always fits.
        os.chdir(os.path.dirname(library))
        self.sample_rate_hz: int = self._lib.espeak_Initialize(_OUTPUT_SYNCHRONOUS, CHUNK_MS, b".", 0)
        if self.sample_rate_hz <= 0:
            raise OSError("espeak-ng does not find its data beside its library")
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def speak(self, request_id: int, payload: bytes) -> None:
        """Say one phrase; all that belongs to it is on the wire when this returns."""
        rate_wpm, name_length = SPEAK_HEAD.unpack_from(payload)
        name = payload[SPEAK_HEAD.size : SPEAK_HEAD.size + name_length]
        text = payload[SPEAK_HEAD.size + name_length :]
        self._request_id = request_id
        if not self._take_voice(request_id, name):
            return
        self._lib.espeak_SetParameter(_RATE_PARAMETER, rate_wpm, 0)
        size = ctypes.c_size_t(len(text) + 1)
        status = self._lib.espeak_Synth(text, size, 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        if status == 0:
            self._wire.send(END, request_id)
        else:
            self._wire.send(FAILED, request_id, b"espeak-ng refused the text")

    def tell_phonemes(self, request_id: int, payload: bytes) -> None:
        """Say how each line of text is pronounced, in as many lines."""
        (name_length,) = PHONEMES_HEAD.unpack_from(payload)
        name = payload[PHONEMES_HEAD.size : PHONEMES_HEAD.size + name_length]
        if self._take_voice(request_id, name):
            lines = payload[PHONEMES_HEAD.size + name_length :].split(b"\n")
            self._wire.send(IPA, request_id, b"\n".join(self._phonemes(line) for line in lines))
            self._wire.send(END, request_id)

    def _phonemes(self, line: bytes) -> bytes:
        """The library takes one clause a call and moves the pointer past it, to null at the end."""
        rest = ctypes.c_char_p(line)
        clauses = []
        while rest.value:
            clause = self._lib.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _PHONEME_MODE)
            clauses.append((clause or b"").replace(b"\n", b" ").strip())
        return b" ".join(clauses)

    def _take_voice(self, request_id: int, name: bytes) -> bool:
        is_there: bool = self._lib.espeak_SetVoiceByName(name) == 0
        if not is_there:
            self._wire.send(FAILED, request_id, b"espeak-ng has no voice " + name)
        return is_there

    def _on_sound(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        self._wire.poll()
        if self._wire.is_closed or self._request_id in self._wire.cancelled:
            return 1
        if samples and count > 0:
            self._wire.send(SOUND, self._request_id, ctypes.string_at(samples, count * 2))
        index = 0
        while events[index].type != _EVENT_LIST_END:
            event = events[index]
            if event.type == _EVENT_WORD:
                place = WORD_PAYLOAD.pack(max(0, event.text_position - 1), max(0, event.sample))
                self._wire.send(WORD, self._request_id, place)
            index += 1
        return 0


def main(library: str) -> int:
    """Speak until standard input ends. Returns the exit status."""
    # Ctrl-C at the terminal is the server's to answer; it closes this process when it has finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever the library prints must not land between frames.
    sink_fd = os.dup(1)
    os.dup2(2, 1)
    wire = Wire(0, sink_fd)
    try:
        voice = Voice(library, wire)
    except OSError as error:
        wire.send(FAILED, 0, str(error).encode())
        return 1
    wire.send(READY, 0, READY_PAYLOAD.pack(voice.sample_rate_hz))
    while (request := wire.next_request()) is not None:
        kind, request_id, payload = request
        if kind == SPEAK:
            voice.speak(request_id, payload)
        else:
            voice.tell_phonemes(request_id, payload)
        wire.cancelled.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
