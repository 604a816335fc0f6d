"""Transcription by HTTP."""

from __future__ import annotations

import io
import wave

import anyio
import numpy as np
import pytest
from tests.engines.standins.openai_audio import OpenAIAudio, openai_audio
from tests.engines.standins.serving import unused_url
from tests.engines.standins.vllm import MODEL, vllm

from duologue.audio.frame import Float32
from duologue.engines.asr.openai_asr import OpenAITranscriber
from duologue.engines.base import TranscribeRequest, TranscribeResult
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import TranscriptionServerOptions

pytestmark = pytest.mark.anyio


def tone(seconds: float = 1.0) -> Float32:
    return (0.3 * np.sin(np.arange(int(16_000 * seconds)) * 0.1)).astype(np.float32)


async def hear(asr: OpenAITranscriber, audio: Float32 | None = None, **more: object) -> TranscribeResult:
    request = TranscribeRequest(tone() if audio is None else audio, **more)  # type: ignore[arg-type]
    async with asr.stream(request) as results:
        (result,) = [result async for result in results]
    return result


async def hear_once(server: OpenAIAudio, audio: Float32 | None = None, **more: object) -> TranscribeResult:
    asr = OpenAITranscriber(TranscriptionServerOptions(url=server.url))
    try:
        return await hear(asr, audio, **more)
    finally:
        await asr.aclose()


async def test_sends_the_turn_as_a_wav_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    async with openai_audio() as server:
        result = await hear_once(server, language="de")
    assert (result.text, result.language, result.words) == ("Hello there.", None, ())
    (form,) = server.forms
    with wave.open(io.BytesIO(form.pop("file"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 16_000)
        sent = np.frombuffer(file.readframes(16_000), "<i2")
    assert np.abs(sent / 32_768 - tone()).max() < 1 / 32_768
    assert form == {
        "model": "whisper-1",
        "response_format": "json",
        "temperature": "0",
        "language": "de",
        "max_completion_tokens": "24",
    }
    assert server.headers[0]["authorization"] == "Bearer secret"


async def test_gives_the_times_of_words_where_the_server_knows_them() -> None:
    words = [{"word": "Hello", "start": 0.1, "end": 0.4}, {"word": " there.", "start": 0.5, "end": 0.9}]
    async with openai_audio(transcript={"text": "Hello there.", "language": "english", "words": words}) as server:
        result = await hear_once(server, wants_words=True)
    assert [(word.text, word.start_s, word.end_s) for word in result.words] == [
        ("Hello", 0.1, 0.4),
        ("there.", 0.5, 0.9),
    ]
    assert result.language == "en"
    assert server.forms[0]["response_format"] == "verbose_json"
    assert server.forms[0]["timestamp_granularities[]"] == "word"


async def test_does_without_times_of_words_where_the_server_refuses_them() -> None:
    async with vllm() as server:
        asr = OpenAITranscriber(TranscriptionServerOptions(url=server.url, model=MODEL))
        for _ in range(2):
            result = await hear(asr, wants_words=True)
            assert (result.text, result.words) == ("What is two and two?", ())
        await asr.aclose()
    assert [form["response_format"] for form in server.forms] == ["verbose_json", "json", "json"]


async def test_a_model_that_repeats_itself_is_stopped() -> None:
    async with vllm(loops=True, words=[" and"]) as server:
        asr = OpenAITranscriber(TranscriptionServerOptions(url=server.url, model=MODEL))
        result = await hear(asr, tone(2.0))
        await asr.aclose()
    assert len(result.text.split()) == 2 * 8 + 16


async def test_silence_and_what_is_too_long_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.engines.asr.transcriptions._MAX_WAV_BYTES", 64_000)
    async with openai_audio() as server:
        for audio in (tone(0.0), np.zeros(16_000, np.float32)):
            assert (await hear_once(server, audio)).text == ""
        assert not server.forms
        with pytest.raises(EngineError, match="13 minutes"):
            await hear_once(server, tone(2.0))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, EngineError), (401, EngineUnavailable), (404, EngineUnavailable), (429, EngineLost), (500, EngineLost)],
)
async def test_refusals_say_what_they_are(status: int, kind: type[EngineError]) -> None:
    async with openai_audio(refusals=[status]) as server:
        with pytest.raises(EngineError, match="not now") as caught:
            await hear_once(server)
        assert type(caught.value) is kind
        assert (await hear_once(server)).text == "Hello there."


@pytest.mark.parametrize("transcript", ["<html>It works!</html>", '{"txt": "Hello"}', ""])
async def test_garbage_is_an_error(transcript: str) -> None:
    async with openai_audio(transcript=transcript) as server:
        with pytest.raises(EngineError, match="something else"):
            await hear_once(server)


async def test_a_slow_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.engines.asr.transcriptions._PATIENCE_S", -0.3)
    async with openai_audio(then="hang") as server:
        with pytest.raises(EngineLost, match="in time"):
            await hear_once(server)
        await server.aborted.wait()


async def test_leaving_early_ends_the_request() -> None:
    async with openai_audio(then="hang") as server:
        async with anyio.create_task_group() as group:
            group.start_soon(hear_once, server)
            await server.hangs.wait()
            group.cancel_scope.cancel()
        await server.aborted.wait()


async def test_starts_only_where_a_server_answers() -> None:
    async with openai_audio() as server:
        asr = OpenAITranscriber(TranscriptionServerOptions(url=server.url, model="whisper-9"))
        await asr.start()
        assert asr.model_warning is not None
        assert "whisper-1" in asr.model_warning
        await asr.aclose()
    url = unused_url().replace("http://", "http://me:secret@")
    away = OpenAITranscriber(TranscriptionServerOptions(url=url))
    with pytest.raises(EngineUnavailable, match=r"\[transcription_server\]") as caught:
        await away.start()
    assert "secret" not in caught.value.message
    with pytest.raises(EngineLost):
        await hear(away)
    await away.aclose()
