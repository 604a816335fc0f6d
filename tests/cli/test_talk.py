"""``duologue talk`` end to end: files against a stand-in server, and a make-believe sound card."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
import pytest
import typer
from anyio.from_thread import start_blocking_portal
from typer.testing import CliRunner, Result
from websockets.asyncio.server import ServerConnection, serve

from duologue.audio.frame import Int16
from duologue.bench.clock import WallClock
from duologue.bench.sound_card import FADE_SAMPLES
from duologue.cli.talk import DEFAULT_URL, FAST, talk
from duologue.config import DEFAULT_PORT
from tests.bench.standin import Script, StandIn, silence, standing_in, tone

app = typer.Typer()
app.command()(talk)


@contextmanager
def a_server(script: Script, *, speed: float = FAST) -> Iterator[StandIn]:
    """A stand-in on a thread of its own, for a command that runs its own loop."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(standing_in(script, WallClock(speed))) as standin,
    ):
        yield standin


@pytest.fixture
def question(tmp_path: Path) -> Path:
    path = tmp_path / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(np.concatenate((silence(0.1), tone(0.4), silence(0.1))).tobytes())
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def samples_of(path: Path) -> Int16:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)


def test_a_question_in_a_file_is_answered_in_a_file(question: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.wav"
    with a_server(Script(answer_s=0.6, transcript="What [now]?")) as standin:
        done = run(standin.url, "--in", question, "--out", out, "--fast", "--voice", "ash")
    assert done.exit_code == 0, done.output
    assert "you: What [now]?" in done.output
    assert "answer: Good morning." in done.output
    assert samples_of(out).tolist() == tone(0.6).tolist()
    [update] = standin.of_type("session.update")
    assert update["session"]["audio"]["output"]["voice"] == "ash"


def test_several_files_are_several_turns(question: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.wav"
    with a_server(Script(answer_s=0.2)) as standin:
        done = run(standin.url, "--in", question, "--in", question, "--out", out, "--fast")
    assert done.exit_code == 0, done.output
    assert done.output.count("you: hello there") == 2
    assert len(samples_of(out)) == 2 * len(tone(0.2))


def test_real_time_takes_as_many_frames_as_the_question_lasts(question: Path) -> None:
    with a_server(Script(silence_s=0.1, reply_delay_s=0.02), speed=1.0) as standin:
        done = run(standin.url, "--in", question)
    assert done.exit_code == 0, done.output
    assert standin.frames >= (0.6 + 0.1) / 0.02


def test_no_answer_is_a_failure_in_words(question: Path) -> None:
    with a_server(Script(answers=False)) as standin:
        done = run(standin.url, "--in", question, "--fast", "--timeout", "0.2")
    assert done.exit_code == 1
    assert "1 of 1 questions had no answer" in done.output


def test_a_server_that_hangs_up_is_told(question: Path) -> None:
    with a_server(Script(answers=False, hangs_up_after=1)) as standin:
        done = run(standin.url, "--in", question, "--fast")
    assert done.exit_code == 1
    assert "the server hung up: 1012 restarting" in done.output


def test_nobody_at_home_is_one_clear_line(question: Path) -> None:
    done = run("http://127.0.0.1:1", "--in", question)
    assert done.exit_code == 2
    assert "no server answers at http://127.0.0.1:1" in done.output
    assert "Traceback" not in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_it_dials_where_the_server_listens_by_default() -> None:
    assert f"http://127.0.0.1:{DEFAULT_PORT}" == DEFAULT_URL


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    done = run("--in", tmp_path / "nothing.wav")
    assert done.exit_code == 2
    assert "there is no file" in done.output


class _Stream:
    """A card's stream: calls back every 20 ms of a fast clock, on a thread."""

    latency = 0.01

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._is_over.wait(0.02 / FAST):
            self._work()

    def __enter__(self) -> _Stream:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()


def make_believe_card(spoken: Int16, played: list[bytes]) -> ModuleType:
    """A module like sounddevice whose microphone says ``spoken`` and then hears silence."""
    frames = iter([spoken[at : at + 480].tobytes() for at in range(0, len(spoken) // 480 * 480, 480)])
    card: Any = ModuleType("sounddevice")

    def microphone(*, callback: Callable[..., None], **kind: object) -> _Stream:
        return _Stream(lambda: callback(next(frames, bytes(960)), 480, None, None))

    def loudspeaker(*, callback: Callable[..., None], **kind: object) -> _Stream:
        def fill() -> None:
            sound = bytearray(960)
            callback(sound, 480, None, None)
            played.append(bytes(sound))

        return _Stream(fill)

    card.RawInputStream, card.RawOutputStream = microphone, loudspeaker
    card.PortAudioError = type("PortAudioError", (Exception,), {})
    module: ModuleType = card
    return module


def test_microphone_and_loudspeaker_and_talking_over_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first words are answered at length; the second cut that answer, and then the server hangs up.
    spoken = np.concatenate((silence(0.1), tone(0.4), silence(2.0), tone(0.4), silence(0.1)))
    played: list[bytes] = []
    monkeypatch.setitem(sys.modules, "sounddevice", make_believe_card(spoken, played))
    with a_server(Script(answer_s=8.0, hangs_up_after=2)) as standin:
        # The stand-in answers with the very tone that it is spoken to with: a canceller would take it out.
        done = run(standin.url, "--no-echo-cancelling")
        deadline = time.monotonic() + 5
        while not standin.of_type("conversation.item.truncate") and time.monotonic() < deadline:
            time.sleep(0.01)
    assert done.exit_code == 1, done.output
    assert "you: hello there" in done.output
    assert "the server hung up: 1012 restarting" in done.output
    [truncate] = standin.of_type("conversation.item.truncate")
    assert truncate["item_id"] == "item_a1"
    heard_ms = sum(1 for sound in played if any(sound)) * 20
    assert 0 < truncate["audio_end_ms"] <= heard_ms < 8000


@contextmanager
def a_server_that_says(*events: dict[str, object]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Greets, says ``events`` one by one, each after a report of what was played has come, and hangs up; its address
    with what it was asked, and what it was told."""
    heard: list[dict[str, Any]] = []

    async def converse(socket: ServerConnection) -> None:
        assert socket.request is not None
        heard.append({"type": "path", "path": socket.request.path})
        for event in ({"type": "session.created"}, *events):
            await socket.send(json.dumps(event))
            async for message in socket:
                heard.append(json.loads(message))
                is_report = heard[-1]["type"] == "duologue.output_audio.played"
                if event["type"] == "session.created" or event["type"] == "error" or is_report:
                    break

    @asynccontextmanager
    async def serving() -> AsyncIterator[str]:
        async with serve(converse, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving()) as url:
        yield url, heard


def delta(sound: Int16) -> dict[str, object]:
    pcm = base64.b64encode(sound.tobytes()).decode()
    return {"type": "response.output_audio.delta", "item_id": "item_a", "response_id": "resp_a", "delta": pcm}


def test_an_answer_is_lowered_held_and_resumed_and_none_of_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[bytes] = []
    monkeypatch.setitem(sys.modules, "sounddevice", make_believe_card(silence(0.1), played))
    mine = "duologue.output_audio."
    sound = np.arange(-24_000, 24_000, dtype=np.int16)
    with a_server_that_says(
        delta(sound),
        {"type": f"{mine}lowered", "response_id": "resp_a", "gain": 0.25},
        {"type": f"{mine}held", "response_id": "resp_a"},
        {"type": f"{mine}resumed", "response_id": "resp_a"},
        delta(sound),
    ) as (url, heard):
        done = run(url)
    assert done.exit_code == 1, done.output
    assert heard[0]["path"] == "/v1/realtime?x_playout=1"
    reports = [event for event in heard if event["type"] == f"{mine}played"]
    assert {report["item_id"] for report in reports} == {"item_a"}
    reached = [report["audio_end_ms"] for report in reports]
    assert reached == sorted(set(reached))
    given = np.frombuffer(b"".join(played), np.int16)
    sounding = np.flatnonzero(given)
    gaps = np.flatnonzero(np.diff(sounding) > 400)
    assert len(gaps) == 1, "it was silent once"
    before, after = given[: sounding[gaps[0]] + 1], given[sounding[gaps[0] + 1] :]
    # Each sample is the one before plus one, as long as it is as loud as ever.
    assert np.any(np.diff(before) == 1)
    resumed = after[FADE_SAMPLES : FADE_SAMPLES + 4800]
    assert set(np.diff(resumed).tolist()) == {1}
    # Lowered, and faded out over 5 ms, before it went on from there.
    last_lowered = int(before[-FADE_SAMPLES - 1])
    assert abs(last_lowered * 4 + 1 - int(resumed[0])) <= 4 * 4


def test_a_server_that_wants_no_reports_is_sent_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", make_believe_card(silence(0.1), []))
    complaint = {"code": "invalid_value", "message": "Invalid value: 'duologue.output_audio.played'."}
    with a_server_that_says(delta(tone(8.0)), {"type": "error", "error": complaint}) as (url, _):
        done = run(url)
    assert done.exit_code == 1
    assert "invalid_value" not in done.output


def test_a_card_that_refuses_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    card: Any = make_believe_card(silence(0.1), [])

    def refuse(**kind: object) -> _Stream:
        raise card.PortAudioError("Error querying device -1")

    card.RawInputStream = refuse
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    done = run()
    assert done.exit_code == 2
    assert "the sound card cannot be used (Error querying device -1): use --in question.wav" in done.output
