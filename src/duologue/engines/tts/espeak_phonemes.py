"""How espeak-ng would say something, as IPA: for engines that take phonemes and work in threads.

espeak-ng runs in a process of its own (``espeak_process``), so that neither its licence nor a crash of it reaches
the server's. A line costs 0.1-0.2 ms.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from duologue.engines.tts import espeak_process as wire
from duologue.engines.tts.espeak_pipe import espeak_library
from duologue.engines.tts.espeak_sound import speakable
from duologue.engines.weights import install_hint
from duologue.errors import EngineLost, EngineUnavailable

_STOP_TIMEOUT_S = 1.0
# It starts in 30 ms and answers a page in 20: one silent for so long hangs, and would hold a worker thread for ever.
_ANSWER_TIMEOUT_S = 5.0


class EspeakPhonemes:
    """espeak-ng's pronunciation. Several threads may ask at once; the process answers one after the other."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def process_id(self) -> int | None:
        """The process that answers; None before the first question and after a loss."""
        process = self._process
        return None if process is None else process.pid

    def ipa(self, language: str, lines: Sequence[str]) -> list[str]:
        """A line of IPA for each of ``lines``, which are of ``language`` ("en-us", "fr-fr", "hi").

        Words are apart by spaces; espeak-ng joins some ("of the") and splits others ("25"). Sounds written with two
        letters are tied by "^"; punctuation is gone. A process that has died is replaced once.
        Raises EngineUnavailable, EngineLost.
        """
        name = language.encode()
        text = "\n".join(speakable(line) for line in lines).encode()
        payload = wire.PHONEMES_HEAD.pack(len(name)) + name + text
        with self._lock:
            try:
                answer = self._ask(payload)
            except EngineLost:
                self._end()
                answer = self._ask(payload)
        return answer.decode(errors="replace").split("\n")

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _ask(self, payload: bytes) -> bytes:
        if self._process is None:
            self._process = _spawn()
        process = self._process
        try:
            assert process.stdin is not None
            process.stdin.write(wire.HEADER.pack(len(payload), wire.PHONEMES, 1) + payload)
            process.stdin.flush()
        except OSError as error:
            raise EngineLost("espeak-ng's process does not listen; try again") from error
        kind, answer = _frame(process)
        if kind == wire.FAILED:
            raise EngineUnavailable(answer.decode(errors="replace"))
        _frame(process)
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _spawn() -> subprocess.Popen[bytes]:
    """Start the process as ``espeak`` does, and wait until it is ready. Raises EngineUnavailable."""
    command = [sys.executable, "-I", "-S", wire.__file__, str(espeak_library())]
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        raise EngineUnavailable(f"espeak-ng's process does not start: {error}") from error
    try:
        kind, answer = _frame(process)
    except EngineLost:
        kind, answer = wire.FAILED, b"its process ended"
    if kind != wire.READY:
        process.kill()
        process.communicate()
        reason = answer.decode(errors="replace")
        raise EngineUnavailable(f"espeak-ng does not start ({reason}): {install_hint('espeakng_loader')}")
    return process


def _frame(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """(kind, payload) of the next frame. Raises EngineLost at the end of the pipe, and for a process that hangs."""
    length, kind, _ = wire.HEADER.unpack(_read(process, wire.HEADER.size))
    return kind, _read(process, length)


def _read(process: subprocess.Popen[bytes], size: int) -> bytes:
    assert process.stdout is not None
    source = process.stdout.fileno()
    data = b""
    while len(data) < size:
        is_there, _, _ = select.select([source], [], [], _ANSWER_TIMEOUT_S)
        more = os.read(source, size - len(data)) if is_there else b""
        if not more:
            process.kill()
            raise EngineLost("espeak-ng's process has ended; try again")
        data += more
    return data
