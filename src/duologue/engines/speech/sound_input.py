"""Sound as programs have it (a file, its bytes, base64, a data URI, an https URL) -> what the engines hear.

It takes what mistral-common's ``AudioURLChunk`` and ``TranscriptionRequest`` take
(https://github.com/mistralai/mistral-common), and refuses more: URLs only where they are allowed, and only what is
a sound file by its first bytes.
"""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

import numpy as np

from duologue.audio.frame import Float32
from duologue.engines.base import ChatMessage, SpeechRequest
from duologue.engines.speech.sound_fetch import MAX_BYTES, fetch
from duologue.engines.speech.sound_file import SoundFile
from duologue.engines.wav import to_wav
from duologue.errors import ClientError, EngineUnavailable

if TYPE_CHECKING:
    from mistral_common.protocol.transcription.request import TranscriptionRequest

# Compressed silence unfolds without end: an hour of sound is 230 MB as float32.
_LONGEST_S = 3600


class HasUrl(Protocol):
    """mistral-common's ``AudioURLChunk`` and ``AudioURL``, for example."""

    @property
    def url(self) -> str: ...


def sound_of(source: str | bytes | HasUrl, *, allow_urls: bool = False) -> Float32:
    """float32 [n] mono at 16 kHz of ``source``: a path, a ``file:`` or ``data:`` URI, base64, a file's bytes, or with
    ``allow_urls`` an https URL. Blocks while it fetches and decodes. For programs and their own files: a text that
    came from a client might name any file of this machine.

    Raises ClientError for what cannot be had, is no sound, or has more than 25 MiB or an hour.
    """
    data = (
        source
        if isinstance(source, bytes)
        else _bytes_of(source if isinstance(source, str) else source.url, allow_urls)
    )
    if len(data) > MAX_BYTES:
        raise _too_large()
    with SoundFile(io.BytesIO(data), longest_s=_LONGEST_S) as sound:
        blocks = [sound.read()]
        while len(blocks[-1]):
            blocks.append(sound.read())
    return np.concatenate(blocks)


def transcription_request(
    source: str | bytes | HasUrl, *, model: str, language: str | None = None, allow_urls: bool = False
) -> TranscriptionRequest:
    """mistral-common's request for the words of ``source``, its sound as 16-bit WAV at 16 kHz in base64.

    Raises ClientError as ``sound_of`` does and for a language that is no ISO 639-1 code, EngineUnavailable without
    mistral-common.
    """
    try:
        from mistral_common.protocol.transcription.request import TranscriptionRequest
    except ImportError as error:
        raise EngineUnavailable('mistral-common is not installed: run: pip install "duologue[voxtral]"') from error
    sound = base64.b64encode(to_wav(sound_of(source, allow_urls=allow_urls))).decode("ascii")
    try:
        return TranscriptionRequest.model_validate({"model": model, "audio": sound, "language": language})
    except ValueError as error:
        raise ClientError(f"{language!r} is no language: give a code such as en or fr", param="language") from error


def speech_request(request: TranscriptionRequest) -> SpeechRequest:
    """mistral-common's request as ours: the words of its sound, which is never taken for a path or a URL.

    Raises ClientError as ``sound_of`` does.
    """
    given = request.audio
    sound = sound_of(given if isinstance(given, bytes) else from_base64(given.partition(",")[2] or given))
    turn = ChatMessage("user", "", audio=sound)
    return SpeechRequest((turn,), language=request.language, wants="transcript")


def _bytes_of(source: str, allow_urls: bool) -> bytes:
    head, colon, _ = source[:16].partition(":")
    scheme = head.lower() if colon else ""
    if scheme in {"http", "https"}:
        if not allow_urls:
            raise ClientError("sound is not fetched from URLs here: send it as base64, or allow URLs")
        return fetch(source)
    if scheme == "data":
        return from_base64(source.partition(",")[2])
    path = Path(unquote(urlsplit(source).path)) if scheme == "file" else Path(source)
    return _file(path) if scheme == "file" or _is_file(path) else from_base64(source)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # base64 makes a name that is too long
        return False


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large()
        return path.read_bytes()
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}") from error


def from_base64(text: str) -> bytes:
    """Raises ClientError for what is no base64, or more than 25 MiB."""
    if len(text) > MAX_BYTES * 4 // 3 + 4:
        raise _too_large()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        raise ClientError(f"{shown!r} is neither a file here nor base64") from error


def _too_large() -> ClientError:
    return ClientError(f"the sound is too large: at most {MAX_BYTES} bytes are taken", code="audio_too_large")
