from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import anyio
import numpy as np
import pytest

from duologue.audio.frame import Int16
from duologue.engines.base import SpeakRequest, WordTime
from duologue.engines.tts import espeak_process as wire
from duologue.engines.tts.espeak import Espeak
from duologue.engines.tts.espeak_pipe import espeak_library
from duologue.errors import EngineError, EngineLost
from duologue.options import EspeakOptions

TEXT = "Well, one of the 25 cats — naïve & 'quoted' \U0001f600 — cost $3.50. Is it so?  Yes!"
LONG_TEXT = "The quick brown fox jumps over the lazy dog. " * 100


@pytest.fixture
async def espeak() -> AsyncIterator[Espeak]:
    engine = Espeak(EspeakOptions(processes=1))
    await engine.start()
    yield engine
    await engine.aclose()


async def speak(engine: Espeak, text: str, voice: str = "", speed: float = 1.0) -> tuple[Int16, list[WordTime]]:
    parts: list[Int16] = [np.zeros(0, np.int16)]
    words: list[WordTime] = []
    async with engine.stream(SpeakRequest(text=text, voice=voice, speed=speed)) as chunks:
        async for chunk in chunks:
            parts.append(chunk.pcm)
            words += chunk.words
    return np.concatenate(parts), words


def loud_span(pcm: Int16) -> tuple[int, int]:
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 250)
    return int(loud[0]), int(loud[-1])


@pytest.mark.anyio
async def test_a_phrase_is_spoken_without_silent_edges(espeak: Espeak) -> None:
    pcm, _ = await speak(espeak, "The quick brown fox jumps over the lazy dog.")
    assert pcm.dtype == np.int16
    assert 2.0 < len(pcm) / 24_000 < 3.5
    first, last = loud_span(pcm)
    assert first < 24 * 10
    assert len(pcm) - last < 24 * 85


@pytest.mark.anyio
async def test_chunks_are_small_and_the_first_is_there_before_the_last_is_made(espeak: Espeak) -> None:
    async with espeak.stream(SpeakRequest(text=TEXT)) as chunks:
        lengths_ms = [len(chunk.pcm) / 24 async for chunk in chunks]
    assert len(lengths_ms) > 20
    assert all(40 <= length_ms <= 100 for length_ms in lengths_ms[:-1])
    # The end of the sound, and what the resampler still held.
    assert 0 < lengths_ms[-1] <= 220


@pytest.mark.anyio
async def test_word_times_cover_the_text_in_order(espeak: Espeak) -> None:
    pcm, words = await speak(espeak, TEXT)
    assert [TEXT[word.text_start : word.text_end] for word in words] == TEXT.split()
    duration_ms = len(pcm) / 24
    edges = [edge for word in words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert words[0].start_ms == 0
    assert duration_ms - 85 < words[-1].end_ms <= duration_ms + 1
    said = {TEXT[word.text_start : word.text_end]: word for word in words}
    assert said["$3.50."].end_ms - said["$3.50."].start_ms > 800
    assert said["Well,"].end_ms < said["one"].start_ms


@pytest.mark.anyio
async def test_words_come_no_earlier_than_their_sound(espeak: Espeak) -> None:
    given_ms = 0.0
    async with espeak.stream(SpeakRequest(text=TEXT)) as chunks:
        async for chunk in chunks:
            given_ms += len(chunk.pcm) / 24
            assert all(word.end_ms <= given_ms + 1 for word in chunk.words)


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["", "   ", "\U0001f600", "\x01\x00", "\ud800"])
async def test_nothing_to_say_is_nothing_said(espeak: Espeak, text: str) -> None:
    pcm, words = await speak(espeak, text)
    assert len(pcm) == 0
    assert words == []


@pytest.mark.anyio
async def test_mark_up_and_commands_are_only_text(espeak: Espeak) -> None:
    loud, _ = await speak(espeak, "<voice name='de'>word</voice> [[h@l'oU]] \x0110S word")
    plain, _ = await speak(espeak, "word")
    assert len(loud) > 3 * len(plain)


@pytest.mark.anyio
async def test_every_voice_speaks_and_an_unknown_one_is_the_default(espeak: Espeak) -> None:
    assert espeak.voices[0] == "en-us"
    lengths = {voice: len((await speak(espeak, "Good morning.", voice=voice))[0]) for voice in espeak.voices}
    assert min(lengths.values()) > 24 * 300
    unknown, _ = await speak(espeak, "Good morning.", voice="no-such-voice")
    assert abs(len(unknown) - lengths["en-us"]) < 24 * 100


@pytest.mark.anyio
async def test_speed_changes_length(espeak: Espeak) -> None:
    lengths = [len((await speak(espeak, "The quick brown fox.", speed=speed))[0]) for speed in (0.25, 0.7, 1, 2, 4)]
    assert lengths == sorted(lengths, reverse=True)
    assert 1.6 < lengths[2] / lengths[3] < 2.6
    assert 3 < lengths[2] / lengths[4] < 6


@pytest.mark.anyio
async def test_a_phrase_left_in_the_middle_does_not_reach_the_next(espeak: Espeak) -> None:
    alone, alone_words = await speak(espeak, "Good morning.")
    process_ids = espeak.process_ids
    for _ in range(5):
        async with espeak.stream(SpeakRequest(text=LONG_TEXT)) as chunks:
            async for _chunk in chunks:
                break
        pcm, words = await speak(espeak, "Good morning.")
        assert abs(len(pcm) - len(alone)) < 24 * 100
        assert len(words) == len(alone_words)
    assert espeak.process_ids == process_ids


@pytest.mark.anyio
async def test_cancelling_ends_a_phrase_and_nothing_else(espeak: Espeak) -> None:
    async def read_for_ever(scope: anyio.CancelScope) -> None:
        with scope:
            async with espeak.stream(SpeakRequest(text=LONG_TEXT)) as chunks:
                async for _ in chunks:
                    scope.cancel()

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(read_for_ever, anyio.CancelScope())
    _, words = await speak(espeak, TEXT)
    assert len(words) == len(TEXT.split())


@pytest.mark.anyio
async def test_phrases_in_flight_keep_apart(espeak: Espeak) -> None:
    texts = ["One.", "One two three.", "One two three four five six seven eight.", "One two."]
    counts: dict[str, int] = {}

    async def count(text: str) -> None:
        _, words = await speak(espeak, text)
        counts[text] = len(words)

    async with anyio.create_task_group() as group:
        for text in texts:
            group.start_soon(count, text)
    assert counts == {text: len(text.split()) for text in texts}


async def speak_through_a_kill(engine: Espeak, process_id: int) -> None:
    async with engine.stream(SpeakRequest(text=LONG_TEXT)) as chunks:
        async for _ in chunks:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)


@pytest.mark.anyio
async def test_a_killed_process_loses_its_phrases_and_is_replaced(espeak: Espeak) -> None:
    [process_id] = espeak.process_ids
    with pytest.raises(EngineLost, match="next phrase"):
        await speak_through_a_kill(espeak, process_id)
    pcm, _ = await speak(espeak, "Good morning.")
    assert len(pcm) > 24 * 300
    assert process_id not in espeak.process_ids


@pytest.mark.anyio
async def test_a_process_killed_while_idle_costs_one_phrase_at_most(espeak: Espeak) -> None:
    [process_id] = espeak.process_ids
    os.kill(process_id, signal.SIGKILL)
    with suppress(EngineLost):
        await speak(espeak, "Good morning.")
    pcm, _ = await speak(espeak, "Good morning.")
    assert len(pcm) > 24 * 300
    assert process_id not in espeak.process_ids


@pytest.mark.anyio
async def test_a_phrase_without_end_is_refused(espeak: Espeak) -> None:
    with pytest.raises(EngineError, match="cut the text"):
        await speak(espeak, "a" * 5001)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", wire.__name__, str(espeak_library())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert read_frame(process) == (wire.READY, 0, struct.pack("<I", 22_050))
        yield process
        process.kill()


def read_frame(process: subprocess.Popen[bytes]) -> tuple[int, int, bytes]:
    assert process.stdout is not None
    length, kind, request_id = wire.HEADER.unpack(process.stdout.read(wire.HEADER.size))
    return kind, request_id, process.stdout.read(length)


def send(process: subprocess.Popen[bytes], *frames: tuple[int, int, bytes]) -> None:
    assert process.stdin is not None
    packed = [wire.HEADER.pack(len(payload), kind, request_id) + payload for kind, request_id, payload in frames]
    process.stdin.write(b"".join(packed))
    process.stdin.flush()


def spoken_request(request_id: int, text: str, voice: str = "en-us") -> tuple[int, int, bytes]:
    payload = wire.SPEAK_HEAD.pack(170, len(voice)) + voice.encode() + text.encode()
    return wire.SPEAK, request_id, payload


def frames_until_end(process: subprocess.Popen[bytes]) -> list[tuple[int, int, bytes]]:
    frames = [read_frame(process)]
    while frames[-1][0] not in {wire.END, wire.FAILED}:
        frames.append(read_frame(process))
    return frames


def test_the_process_drops_a_phrase_cancelled_before_its_turn(process: subprocess.Popen[bytes]) -> None:
    send(process, spoken_request(1, "One."), (wire.CANCEL, 1, b""), spoken_request(2, "Two."))
    frames = frames_until_end(process)
    assert {request_id for _, request_id, _ in frames} == {2}
    assert [kind for kind, _, _ in frames].count(wire.WORD) == 1


def test_the_process_says_what_failed_and_goes_on(process: subprocess.Popen[bytes]) -> None:
    send(process, spoken_request(1, "One.", voice="xx"), spoken_request(2, "Two."))
    assert read_frame(process) == (wire.FAILED, 1, b"espeak-ng has no voice xx")
    assert frames_until_end(process)[-1][:2] == (wire.END, 2)


def test_the_process_outlives_an_interrupt_and_not_its_server(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    send(process, spoken_request(1, "One."))
    assert frames_until_end(process)[-1][0] == wire.END
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=5) == 0


def test_the_process_ends_in_the_middle_of_a_phrase_when_nobody_listens(process: subprocess.Popen[bytes]) -> None:
    send(process, spoken_request(1, LONG_TEXT))
    read_frame(process)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=5) == 0


def test_the_process_imports_nothing_heavy() -> None:
    code = (
        "import sys, duologue.engines.tts.espeak_process;"
        "print({'numpy', 'asyncio', 'anyio', 'msgspec', 'soxr'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "set()"
