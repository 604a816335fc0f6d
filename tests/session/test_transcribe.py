"""A turn's words: once for good, and the ones that will not change while it goes on."""

from __future__ import annotations

import anyio
import numpy as np
import pytest

from duologue.engines.base import ChatMessage, TranscribeRequest
from duologue.engines.scripted import ScriptedTranscriber
from duologue.errors import EngineError, EngineLost, Overloaded
from duologue.session.asking import Asking
from duologue.session.transcribe import LONGEST_PARTIAL_S, PARTIAL_EVERY_S, PATIENCE_S, Partials, Transcription
from duologue.session.writing import Writing
from tests.conversations.talk import engines
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio
SECOND = np.zeros(16_000, np.float32)


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


async def test_words_are_known_once() -> None:
    transcription = Transcription(engines(asr=ScriptedTranscriber(" hello you \n")), SECOND, None)
    await transcription.run()
    assert transcription.known.is_set()
    assert (transcription.text, transcription.failure, transcription.audio_s) == ("hello you", None, 1.0)


@pytest.mark.parametrize("error", [EngineError("no"), EngineLost("gone"), Overloaded("late")])
async def test_a_failure_is_known_too(error: EngineError) -> None:
    def fail(_request: TranscribeRequest) -> str:
        raise error

    transcription = Transcription(engines(asr=ScriptedTranscriber(hear=fail)), SECOND, None)
    await transcription.run()
    assert transcription.known.is_set()
    assert (transcription.text, transcription.failure) == (None, error)


async def test_a_transcriber_that_hangs_is_taken_for_lost() -> None:
    transcription = Transcription(engines(delays_s={"asr": 3_600}), SECOND, None)
    await transcription.run()
    assert isinstance(transcription.failure, EngineLost)
    assert anyio.current_time() == pytest.approx(PATIENCE_S, abs=0.01)


async def _is_transcribed(transcription: Transcription) -> bool:
    with anyio.move_on_after(5):
        await transcription.run()
    return transcription.known.is_set()


async def test_fed_words_are_transcribed_only_where_nobody_tells_them() -> None:
    fed = [Transcription(engines(asr=ScriptedTranscriber("transcribed")), SECOND, None, is_fed=True) for _ in range(3)]
    for transcription in fed:
        transcription.feed_begins()
        transcription.feed_begins()
        transcription.feed_ended()
    assert not await _is_transcribed(fed[0]), "another may tell them yet"
    fed[1].hear(" heard \n")
    fed[2].feed_ended()
    assert await _is_transcribed(fed[1])
    assert await _is_transcribed(fed[2])
    assert [transcription.text for transcription in fed] == [None, "heard", "transcribed"]


async def test_words_heard_while_they_are_transcribed_stay() -> None:
    client = engines(asr=ScriptedTranscriber("transcribed"), delays_s={"asr": 1.0})
    transcription = Transcription(client, SECOND, None, is_fed=True)
    transcription.feed_begins()
    transcription.feed_ended()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transcription.run)
        await anyio.sleep(0.5)
        transcription.hear("heard")
    assert transcription.text == "heard"


async def test_an_answer_dropped_before_it_is_asked_for_leaves_the_words_to_the_transcriber() -> None:
    """It waited for an earlier answer to end."""

    async def ask() -> tuple[ChatMessage, ...]:
        await anyio.sleep_forever()
        return ()

    client = engines(asr=ScriptedTranscriber("transcribed"))
    transcription = Transcription(client, SECOND, None, is_fed=True)
    writing = Writing(Asking(client, ask, None, turn=transcription), is_spoken=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(transcription.run)
        tasks.start_soon(writing.run)
        await anyio.sleep(0.1)
        writing.scope.cancel()
    assert transcription.text == "transcribed"


async def _settled(hypotheses: list[str], seconds: float = 60.0, sound_s: float = 1.0) -> list[str]:
    """What is said of a turn that is heard, one after the other, as ``hypotheses``."""
    left = iter(hypotheses)

    def hear(_request: TranscribeRequest) -> str:
        return next(left, hypotheses[-1])

    said: list[str] = []

    def so_far(at: int) -> np.ndarray:
        return np.zeros(int(16_000 * sound_s) + int(100 * anyio.current_time()) - at, np.float32)

    client = engines(asr=ScriptedTranscriber(hear=hear))
    partials = Partials(client, so_far, None, "", said.append)
    with anyio.move_on_after(seconds):
        await partials.run()
    return said


@pytest.mark.parametrize(
    ("hypotheses", "said"),
    [
        (["I", "I want", "I want it"], ["I", " want", " it"]),
        (["I want a cat", "I want a cap", "I want a cap now"], ["I want a", " cap", " now"]),
        (["so.", "So I", "so, I"], ["So", " I"]),
        (["one two three", "one", "one two three"], ["one", " two three"]),
        (["", "", "hello"], ["hello"]),
        (["a", "b", "c"], ["c"]),
    ],
)
async def test_words_settle_when_two_transcripts_agree(hypotheses: list[str], said: list[str]) -> None:
    assert await _settled(hypotheses) == said


async def test_one_transcript_settles_nothing() -> None:
    assert await _settled(["hello there"], seconds=1.5 * PARTIAL_EVERY_S) == []


async def test_a_failing_transcriber_says_nothing_and_is_asked_again() -> None:
    asked = 0

    def hear(_request: TranscribeRequest) -> str:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise Overloaded("busy")
        return "hello"

    said: list[str] = []
    partials = Partials(
        engines(asr=ScriptedTranscriber(hear=hear)),
        lambda at: np.zeros(16_000 + int(100 * anyio.current_time()) - at, np.float32),
        None,
        "",
        said.append,
    )
    with anyio.move_on_after(10):
        await partials.run()
    assert said == ["hello"]


async def test_words_go_on_where_nobody_draws_breath() -> None:
    """A word a second, each as loud as its number; quiet between the 8th and the 9th."""
    length_s = LONGEST_PARTIAL_S + 3
    sound = np.repeat(np.arange(1, int(length_s) + 1, dtype=np.float32), 16_000)
    sound[8 * 16_000 - 1_600 : 8 * 16_000] = 0

    def hear(request: TranscribeRequest) -> str:
        return " ".join(str(n) for n in dict.fromkeys(request.audio.astype(int).tolist()) if n)

    said: list[str] = []
    started_s = anyio.current_time()

    def so_far(at: int) -> np.ndarray:
        return sound[at : int((anyio.current_time() - started_s) * 16_000)]

    partials = Partials(engines(asr=ScriptedTranscriber(hear=hear)), so_far, None, "", said.append)
    with anyio.move_on_after(length_s + 5):
        await partials.run()
    assert "".join(said).split() == [str(n) for n in range(1, 15)]


async def test_a_long_turn_goes_on_behind_its_last_pause() -> None:
    heard: list[tuple[int, str]] = []

    def hear(request: TranscribeRequest) -> str:
        heard.append((len(request.audio), request.stream))
        return "and on"

    said: list[str] = []
    length = int(16_000 * (LONGEST_PARTIAL_S + 2))
    pause = length - 32_000

    def so_far(at: int) -> np.ndarray:
        return np.zeros(length + int(anyio.current_time()) - at, np.float32)

    partials = Partials(engines(asr=ScriptedTranscriber(hear=hear)), so_far, None, "item", said.append)
    partials.settle("one two three.", pause)
    with anyio.move_on_after(5):
        await partials.run()
    assert said == ["one two three.", " and on"]
    # What an engine follows it follows from its beginning; this is another piece of sound.
    assert {(length // 16_000, stream) for length, stream in heard} == {(2, "")}
