"""The official Python SDK at the REST endpoints of a server: run by the SDK's own environment, not by the tests'.

    python client_openai_rest.py http://127.0.0.1:8710 speech.pcm

``speech.pcm`` is s16le mono at 24 kHz, one spoken turn. What comes back is held against the SDK's own types, which it
does not do by itself. Prints one line for each part; the exit status is 0 when all of it went well.
"""

from __future__ import annotations

import io
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openai import BadRequestError, NotFoundError, OpenAI
from openai.types import Model
from openai.types.audio import Transcription, TranscriptionTextDeltaEvent, TranscriptionVerbose
from pydantic import TypeAdapter

FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")


def as_wav(pcm: bytes) -> io.BytesIO:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(pcm)
    buffer.seek(0)
    buffer.name = "speech.wav"
    return buffer


def fits(value: Any, kind: Any) -> None:
    """Raises ValidationError where ``value``, as the SDK read it, lacks what its type has."""
    TypeAdapter(kind).validate_python(value.model_dump(exclude_unset=True))


def transcriptions(client: OpenAI, pcm: bytes) -> None:
    create = client.audio.transcriptions.create
    plain = create(file=as_wav(pcm), model="whisper-1")
    fits(plain, Transcription)
    assert plain.text
    print(f"json: {plain.text}")
    verbose = create(
        file=as_wav(pcm), model="whisper-1", response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )  # fmt: skip
    fits(verbose, TranscriptionVerbose)
    assert [word.word for word in verbose.words] == verbose.text.split()
    assert all(0 <= word.start <= word.end <= verbose.duration for word in verbose.words)
    assert " ".join(segment.text for segment in verbose.segments) == verbose.text
    print(f"verbose_json: {len(verbose.words)} words in {verbose.duration:.1f} s")
    subtitles = create(file=as_wav(pcm), model="whisper-1", response_format="srt")
    assert isinstance(subtitles, str)
    assert subtitles.startswith("1\n00:00:0")
    assert create(file=as_wav(pcm), model="whisper-1", response_format="vtt").startswith("WEBVTT")
    assert create(file=as_wav(pcm), model="whisper-1", response_format="text").strip() == plain.text
    print("srt, vtt, text: read")


def streamed(client: OpenAI, pcm: bytes) -> None:
    text = ""
    with client.audio.transcriptions.create(file=as_wav(pcm), model="gpt-4o-transcribe", stream=True) as events:
        for event in events:
            if event.type == "transcript.text.delta":
                fits(event, TranscriptionTextDeltaEvent)
                text += event.delta
    assert event.type == "transcript.text.done"
    assert event.text == text
    print(f"streamed: {text}")


def speech(client: OpenAI) -> None:
    text = "Good morning. This is spoken by a server of your own."
    for kind in FORMATS:
        with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=text, response_format=kind, speed=1.25
        ) as response:
            sound = b"".join(response.iter_bytes(4096))
        assert len(sound) > 2_000, kind
        if kind in {"mp3", "wav", "flac"}:
            heard = client.audio.transcriptions.create(file=(f"a.{kind}", sound), model="whisper-1")
            assert heard.usage.seconds > 0.5
    print(f"speech: {', '.join(FORMATS)}")


def refusal_of(call: Callable[[], Any]) -> tuple[str | None, str | None]:
    """The type and the code of the error that ``call`` raises."""
    try:
        call()
    except (BadRequestError, NotFoundError) as error:
        return error.type, error.code
    sys.exit("what cannot be done was not refused")


def refusals(client: OpenAI, pcm: bytes) -> None:
    for refused in (
        lambda: client.audio.transcriptions.create(file=("a.mp3", b"not a sound"), model="whisper-1"),
        lambda: client.audio.transcriptions.create(file=as_wav(pcm), model="x", response_format="diarized_json"),
        lambda: client.audio.speech.create(model="tts-1", voice="nobody", input="Hello."),
        lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="a" * 4097),
    ):
        kind, code = refusal_of(refused)
        assert kind == "invalid_request_error"
        assert code
    print("refusals: understood")


def models(client: OpenAI) -> None:
    found = list(client.models.list())
    for model in found:
        fits(model, Model)
        assert client.models.retrieve(model.id) == model
    assert refusal_of(lambda: client.models.retrieve("nonesuch"))[1] == "model_not_found"
    print(f"models: {', '.join(model.id for model in found)}")


def main(url: str, pcm: bytes) -> None:
    client = OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0, timeout=30)
    models(client)
    transcriptions(client, pcm)
    streamed(client, pcm)
    speech(client)
    refusals(client, pcm)
    print("all of the SDK's types")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).read_bytes())
