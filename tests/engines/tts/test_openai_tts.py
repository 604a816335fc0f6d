"""Speech by HTTP."""

from __future__ import annotations

import struct
from itertools import pairwise

import anyio
import numpy as np
import pytest
from tests.engines.standins.openai_audio import OpenAIAudio, openai_audio
from tests.engines.standins.serving import unused_url

from duologue.audio.frame import Int16, to_float
from duologue.engines.base import SpeakRequest, SpeechChunk, WordTime
from duologue.engines.tts import openai_tts
from duologue.engines.tts.openai_tts import OpenAISpeech
from duologue.engines.tts.pace import FIRST_GUESS_MS, GuessedTimes
from duologue.engines.wav import to_wav
from duologue.errors import EngineError, EngineLost, EngineUnavailable
from duologue.options import SpeechServerOptions

pytestmark = pytest.mark.anyio

TEXT = "Hello there, my friend."


def tone(ms: int, rate_hz: int = 24_000) -> Int16:
    samples = rate_hz * ms // 1000
    return (8000 * np.sin(np.arange(samples) * 2 * np.pi * 300 / rate_hz)).astype(np.int16)


def silence(ms: int) -> Int16:
    return np.zeros(24 * ms, np.int16)


SPOKEN = np.concatenate([silence(200), tone(1400), silence(300)])


async def speak(tts: OpenAISpeech, request: SpeakRequest | None = None) -> list[SpeechChunk]:
    async with tts.stream(request or SpeakRequest(TEXT)) as chunks:
        return [chunk async for chunk in chunks]


async def speak_once(server: OpenAIAudio, request: SpeakRequest | None = None) -> list[SpeechChunk]:
    tts = OpenAISpeech(SpeechServerOptions(url=server.url))
    try:
        return await speak(tts, request)
    finally:
        await tts.aclose()


async def first_word(tts: OpenAISpeech) -> WordTime:
    return next(word for chunk in await speak(tts) for word in chunk.words)


def sound_of(chunks: list[SpeechChunk]) -> Int16:
    return np.concatenate([chunk.pcm for chunk in chunks])


@pytest.mark.parametrize("piece", [1, 333, 4801, 1_000_000])
async def test_sound_comes_whole_however_it_is_cut(piece: int) -> None:
    sound = SPOKEN if piece > 1 else np.concatenate([silence(5), tone(40), silence(80)])
    async with openai_audio(sound=sound.tobytes(), piece=piece) as server:
        chunks = await speak_once(server)
    given = sound_of(chunks)
    loud = np.flatnonzero(np.abs(sound) > 200)
    expected = sound[loud[0] - 48 : loud[-1] + 1 + 24 * 70]
    assert given.tolist() == expected.tolist()
    assert server.phrases == [
        {"model": "kokoro", "input": TEXT, "voice": "af_heart", "response_format": "pcm", "speed": 1.0, "stream": True}
    ]


async def test_sound_comes_before_all_of_it_is_made() -> None:
    async with openai_audio(sound=SPOKEN.tobytes(), then="hang") as server:
        tts = OpenAISpeech(SpeechServerOptions(url=server.url))
        async with tts.stream(SpeakRequest(TEXT)) as chunks:
            first = await anext(aiter(chunks))
            assert np.abs(first.pcm[:96]).max() > 200
        await server.aborted.wait()
        await tts.aclose()


async def test_each_word_has_its_time_and_ends_in_its_chunk() -> None:
    async with openai_audio(sound=SPOKEN.tobytes(), piece=2000) as server:
        chunks = await speak_once(server)
    words = [word for chunk in chunks for word in chunk.words]
    assert [TEXT[word.text_start : word.text_end] for word in words] == ["Hello", "there,", "my", "friend."]
    assert words[0].start_ms == 0.0
    assert all(word.end_ms == after.start_ms for word, after in pairwise(words))
    assert words[-1].end_ms == pytest.approx(1400, abs=3)
    given_ms = 0.0
    for chunk in chunks:
        given_ms += len(chunk.pcm) / 24
        assert all(word.end_ms <= given_ms for word in chunk.words)
    assert chunks[-1].words[-1] is words[-1]


async def test_the_pace_of_a_voice_is_learnt() -> None:
    """A voice of half the usual pace: after some phrases the first word is given when half of the time is up."""
    slow = tone(2600)
    async with openai_audio(sound=slow.tobytes(), piece=960) as server:
        tts = OpenAISpeech(SpeechServerOptions(url=server.url))
        ends = [(await first_word(tts)).end_ms for _ in range(8)]
        await tts.aclose()
    shares = GuessedTimes(TEXT, 1.0).shares
    assert ends[0] == pytest.approx(6 * FIRST_GUESS_MS)
    assert ends[-1] == pytest.approx(6 * 2600 / shares, rel=0.1)


def test_guesses_are_in_order_whatever_the_pace() -> None:
    for share_ms in (1.0, 55.0, 1000.0):
        times = GuessedTimes("one two, three - four", share_ms)
        words = [word for given_ms in range(0, 1000, 50) for word in times.until(given_ms)]
        words += times.finish(1000.0)
        assert len(words) == 5
        assert all(word.start_ms <= word.end_ms for word in words)
        assert all(word.end_ms == after.start_ms for word, after in pairwise(words))
        assert times.finish(1000.0) == ()
    assert GuessedTimes("", 55.0).finish(1000.0) == ()


@pytest.mark.parametrize("rate_hz", [24_000, 22_050, 44_100])
@pytest.mark.parametrize("length", [None, 0, 0xFFFFFFFF])
async def test_a_wav_file_is_taken_as_well(rate_hz: int, length: int | None) -> None:
    wav = to_wav(to_float(tone(500, rate_hz)), rate_hz)
    if length is not None:
        wav = wav[:40] + struct.pack("<I", length) + wav[44:]
    else:
        wav = wav[:36] + b"LIST\x04\0\0\0abcd" + wav[36:] + b"LIST\x04\0\0\0\xff\x7f\xff\x7f"
    async with openai_audio(sound=wav, piece=77, media_type="audio/wav") as server:
        given = sound_of(await speak_once(server))
    assert len(given) == pytest.approx(24 * 500, abs=60)
    assert np.abs(given).max() < 9000


@pytest.mark.parametrize(
    ("sound", "media_type"),
    [
        (b"ID3\4\0\0\0\0", "audio/mpeg"),
        (b'{"error": "no"}', "application/json"),
        (b"<html>It works!</html>", "text/html"),
        (to_wav(np.zeros(9, np.float32)).replace(b"\x10\0data", b"\x18\0data"), "audio/wav"),
        (b"RIFF" + b"\0" * 70_000, "audio/wav"),
    ],
)
async def test_what_is_no_pcm_is_an_error(sound: bytes, media_type: str) -> None:
    async with openai_audio(sound=sound, media_type=media_type) as server:
        with pytest.raises(EngineError, match="no PCM"):
            await speak_once(server)


@pytest.mark.parametrize("sound", [b"", b"\0" * 9999])
async def test_silence_in_place_of_words_is_an_error(sound: bytes) -> None:
    async with openai_audio(sound=sound) as server:
        with pytest.raises(EngineError, match="silence"):
            await speak_once(server)


async def test_nothing_to_say_asks_nobody() -> None:
    async with openai_audio() as server:
        (chunk,) = await speak_once(server, SpeakRequest("..."))
        assert len(chunk.pcm) == 0
        assert not server.phrases
        with pytest.raises(EngineError, match="4096"):
            await speak_once(server, SpeakRequest("a" * 5000))


async def test_voices() -> None:
    async with openai_audio(sound=SPOKEN.tobytes(), voices=["af_bella", "af_heart", "bm_george"]) as server:
        tts = OpenAISpeech(SpeechServerOptions(url=server.url))
        await tts.start()
        await tts.warm_up()
        assert tts.voices == ("af_heart", "af_bella", "bm_george")
        for voice in ("bm_george", "", "alloy"):
            await speak(tts, SpeakRequest(TEXT, voice=voice, speed=9.0))
        await tts.aclose()
    assert [(phrase["voice"], phrase["speed"]) for phrase in server.phrases[1:]] == [
        ("bm_george", 4.0),
        ("af_heart", 4.0),
        ("af_heart", 4.0),
    ]


async def test_a_server_that_does_not_know_the_field_is_asked_without_it() -> None:
    async with openai_audio(sound=SPOKEN.tobytes(), refused_fields=("stream",)) as server:
        tts = OpenAISpeech(SpeechServerOptions(url=server.url))
        for _ in range(2):
            assert len(sound_of(await speak(tts))) > 0
        await tts.aclose()
    assert ["stream" in phrase for phrase in server.phrases] == [True, False, False]


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"refusals": [400, 400]}, EngineError),
        ({"refusals": [401]}, EngineUnavailable),
        ({"refusals": [500]}, EngineLost),
        ({"then": "hang"}, EngineLost),
        ({"then": "break off"}, EngineLost),
    ],
)
async def test_failures_say_what_they_are(
    settings: dict[str, object], kind: type[EngineError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_tts, "_BETWEEN_S", 0.2)
    async with openai_audio(sound=SPOKEN.tobytes(), **settings) as server:
        with pytest.raises(EngineError) as caught:
            await speak_once(server)
    assert type(caught.value) is kind


async def test_being_cancelled_ends_the_request() -> None:
    async with openai_audio(sound=SPOKEN.tobytes(), then="hang") as server:
        async with anyio.create_task_group() as group:
            group.start_soon(speak_once, server)
            await server.hangs.wait()
            group.cancel_scope.cancel()
        await server.aborted.wait()


async def test_says_what_to_set_where_nobody_answers() -> None:
    tts = OpenAISpeech(SpeechServerOptions(url=unused_url()))
    with pytest.raises(EngineUnavailable, match=r"\[speech_server\]"):
        await tts.start()
    with pytest.raises(EngineLost):
        await speak(tts)
    await tts.aclose()
