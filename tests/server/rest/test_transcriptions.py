"""``/v1/audio/transcriptions`` from a client's side: forms, formats, streaming, and all that is refused."""

from __future__ import annotations

import base64
import functools
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
from blockbuster import BlockBuster
from httpx2 import AsyncClient

from duologue.engines.base import TimedWord, TranscribeRequest, TranscribeResult
from duologue.engines.scripted import TRANSCRIPT, ScriptedTranscriber
from duologue.errors import EngineLost
from duologue.server.rest import transcriptions
from tests.server.rest.house import as_file, engines, events, house, hum, hush, wav

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_blocked_rest")]

PATH = "/audio/transcriptions"
# Two stretches: 2 s of pause between them.
TWO = wav(hum(2.0), hush(2.5), hum(1.5))


def _by_length() -> ScriptedTranscriber:
    """Hears how long each stretch is, in tenths of a second."""
    return ScriptedTranscriber(hear=lambda request: f"length {round(len(request.audio) / 1600)}")


async def _error(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    more = {"progress"} if error["code"] == "warming_up" else set()
    assert set(error) == {"type", "code", "message", "param"} | more
    return error


async def test_json(http: AsyncClient) -> None:
    found = (await http.post(PATH, files=as_file(wav()), data={"model": "whisper-1"})).json()
    assert found == {"text": TRANSCRIPT, "usage": {"type": "duration", "seconds": 1.0}}


@pytest.mark.parametrize(
    ("kind", "type_", "body"),
    [
        ("text", "text/plain", "one two\n"),
        ("srt", "application/x-subrip", "1\n00:00:00,000 --> 00:00:01,000\none two\n\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\none two\n\n"),
    ],
)
async def test_as_a_file_of_text(kind: str, type_: str, body: str) -> None:
    async with house(engines(asr=ScriptedTranscriber("one two"))) as http:
        found = await http.post(PATH, files=as_file(wav()), data={"response_format": kind})
    assert found.headers["content-type"].startswith(type_)
    assert found.text == body


async def test_verbose_json_has_segments_unless_words_are_asked_for() -> None:
    async with house(engines(asr=ScriptedTranscriber("one two"))) as http:
        form = {"response_format": "verbose_json", "language": "en-GB"}
        plain = (await http.post(PATH, files=as_file(TWO), data=form)).json()
        words = (await http.post(PATH, files=as_file(TWO), data=form | {"timestamp_granularities[]": "word"})).json()
        both = form | {"timestamp_granularities[]": ["word", "segment"]}
        all_of_it = (await http.post(PATH, files=as_file(TWO), data=both)).json()
    assert {key: plain[key] for key in ("task", "language", "duration", "text")} == {
        "task": "transcribe", "language": "en", "duration": 6.0, "text": "one two one two",
    }  # fmt: skip
    assert [(s["id"], s["start"], s["end"], s["text"]) for s in plain["segments"]] == [
        (0, 0.0, 2.016, "one two"), (1, 4.48, 6.0, "one two"),
    ]  # fmt: skip
    assert "words" not in plain
    assert "segments" not in words
    assert words["words"] == all_of_it["words"]
    assert words["words"][0] == {"word": "one", "start": 0.0, "end": 0.672}
    assert words["words"][3]["end"] == 6.0


class _Timing(ScriptedTranscriber):
    """Hears when the word is said, in the sound that it is shown."""

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        return [TranscribeResult("said", "fr", (TimedWord("said", 0.5, 0.75),)) for _ in requests]


async def test_words_that_the_engine_times_are_those_of_the_recording() -> None:
    async with house(engines(asr=_Timing())) as http:
        form = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
        found = (await http.post(PATH, files=as_file(TWO), data=form)).json()
    assert found["language"] == "fr"
    # The second stretch begins 0.3 s before its voice.
    assert [(word["start"], word["end"]) for word in found["words"]] == [(0.5, 0.75), (4.68, 4.93)]


async def test_events_join_to_the_text() -> None:
    async with house(engines(asr=_by_length())) as http:
        response = await http.post(PATH, files=as_file(TWO), data={"stream": "true"})
    assert response.headers["content-type"].startswith("text/event-stream")
    *deltas, done = events(response.text)
    assert [event["type"] for event in deltas] == ["transcript.text.delta"] * 2
    assert "".join(event["delta"] for event in deltas) == done["text"] == "length 23 length 18"
    assert done["type"] == "transcript.text.done"
    assert done["usage"] == {"type": "duration", "seconds": 6.0}


@pytest.mark.parametrize("sound", [hush(3.0), hush(0.0), hum(0.01)])
async def test_where_nothing_is_said_there_is_no_text(sound: Any) -> None:
    def hear(_request: TranscribeRequest) -> str:
        raise AssertionError("silence is not shown to the transcriber")

    async with house(engines(asr=ScriptedTranscriber(hear=hear))) as http:
        assert (await http.post(PATH, files=as_file(wav(sound)))).json()["text"] == ""
        streamed = await http.post(PATH, files=as_file(wav(sound)), data={"stream": "true"})
        (done,) = events(streamed.text)
        assert (done["type"], done["text"]) == ("transcript.text.done", "")
        assert (await http.post(PATH, files=as_file(wav(sound)), data={"response_format": "srt"})).text == ""


async def test_a_long_file_is_cut_and_none_of_it_lost() -> None:
    sound = np.concatenate([part for _ in range(12) for part in (hum(9.0), hush(1.0))])
    async with house(engines(asr=_by_length())) as http:
        found = (await http.post(PATH, files=as_file(wav(sound)), data={"response_format": "verbose_json"})).json()
    assert found["duration"] == 120.0
    assert len(found["segments"]) == 12
    assert [round(s["start"]) for s in found["segments"]] == list(range(0, 120, 10))


async def test_sound_in_json(http: AsyncClient) -> None:
    coded = base64.b64encode(wav()).decode()
    for audio in (coded, f"data:audio/wav;base64,{coded}"):
        assert (await http.post(PATH, json={"audio": audio})).json()["text"] == TRANSCRIPT


async def test_a_list_without_its_brackets(http: AsyncClient) -> None:
    form = {"response_format": "verbose_json", "timestamp_granularities": "word"}
    found = (await http.post(PATH, files=as_file(wav()), data=form)).json()
    assert [word["word"] for word in found["words"]] == TRANSCRIPT.split()


async def test_all_that_programs_send_is_accepted(http: AsyncClient) -> None:
    form = {
        "model": "gpt-4o-transcribe", "prompt": "names", "temperature": "0.2", "include[]": "logprobs",
        "chunking_strategy": "auto", "languages[]": ["en", "fr"], "keywords[]": "x", "stream": "false",
        "language": "", "something_new": "1",
    }  # fmt: skip
    assert (await http.post(PATH, files=as_file(wav()), data=form)).json()["text"] == TRANSCRIPT


# --- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "param", "said"),
    [
        ({"response_format": "diarized_json"}, "response_format", "not told apart"),
        ({"response_format": "xml"}, "response_format", "none of json, text"),
        ({"response_format": "srt", "stream": "true"}, "stream", "not streamed"),
        ({"stream": "perhaps"}, "stream", "bool"),
        ({"language": "../../etc"}, "language", "no language"),
        ({"language": "x" * 5000}, "language", "no language"),
        ({"timestamp_granularities[]": "sentence"}, "timestamp_granularities", "sentence"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities", "verbose_json only"),
        ({"url": "https://example.com/a.wav"}, "url", "give one of file and url"),
        ({"audio": "AAAA"}, "audio", "give one of file and audio"),
    ],
)
async def test_fields_that_do_not_fit(form: dict[str, Any], param: str, said: str, http: AsyncClient) -> None:
    error = await _error(await http.post(PATH, files=as_file(wav()), data=form), 400)
    assert error["param"] == param
    assert said in error["message"]
    assert len(error["message"]) < 300


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"RIFF",
        b"not a sound at all",
        b"RIFF\x00\x00\x00\x00WAVEnothing",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"ID3" + bytes(3000),
        b"OggS" + bytes(range(256)) * 20,
        b"fLaC" + bytes(range(256)) * 20,
        b"\x00\x00\x00\x18ftypM4A " + bytes(range(256)) * 20,
        b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 20,
        b"\xff\xfb" + bytes(range(256)) * 20,
        b"\xff\xf1" + bytes(range(256)) * 20,
    ],
)
async def test_what_is_no_sound(data: bytes, http: AsyncClient) -> None:
    error = await _error(await http.post(PATH, files=as_file(data, "speech.mp3")), 400)
    assert (await http.post(PATH, files=as_file(wav()))).status_code == 200
    assert "send WAV, FLAC" in error["message"] or not data


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 400),
        (b"", {"content-type": "multipart/form-data"}, 400),
        (b"", {"content-type": "multipart/form-data; boundary=x"}, 400),
        (b"--x\r\nrubbish", {"content-type": "multipart/form-data; boundary=x"}, 400),
        (
            b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
            {"content-type": "multipart/form-data; boundary=x"},
            400,
        ),
        (b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 400),
        (wav(), {"content-type": "audio/wav"}, 400),
        (wav(), {"content-type": "\xff/;=;"}, 400),
        (b"", {"content-type": "application/json"}, 400),
        (b"[]", {"content-type": "application/json"}, 400),
        (b"null", {"content-type": "application/json"}, 400),
        (b"{", {"content-type": "application/json"}, 400),
        (b"\xff\xfe", {"content-type": "application/json"}, 400),
        (b"[" * 200_000, {"content-type": "application/json"}, 400),
        (b'{"x":' + b"[" * 200_000, {"content-type": "application/json"}, 400),
        (b'{"audio": 7}', {"content-type": "application/json"}, 400),
        (b'{"audio": "a*b"}', {"content-type": "application/json"}, 400),
        (b'{"audio": ""}', {"content-type": "application/json"}, 400),
        (b'{"audio": "AAAA", "url": "https://example.com"}', {"content-type": "application/json"}, 400),
        (b'{"response_format": ["json"], "audio": "AAAA"}', {"content-type": "application/json"}, 400),
        (b'{"audio": "/etc/passwd"}', {"content-type": "application/json"}, 400),
        (b'{"audio": "file:///etc/passwd"}', {"content-type": "application/json"}, 400),
    ],
)  # fmt: skip
async def test_bodies_that_are_none(content: bytes, headers: dict[str, str], status: int, http: AsyncClient) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await _error(await http.post(PATH, content=content, headers=raw), status)


async def test_a_file_in_the_wrong_field_and_two_files(http: AsyncClient) -> None:
    wrong = await _error(await http.post(PATH, files={"sound": ("a.wav", io.BytesIO(wav()))}), 400)
    assert "field 'file'" in wrong["message"]
    twice = [("file", ("a.wav", io.BytesIO(wav()))), ("file", ("b.wav", io.BytesIO(wav())))]
    await _error(await http.post(PATH, files=twice), 400)
    text = await _error(await http.post(PATH, data={"file": "hello"}), 400)
    assert "send it as a file" in text["message"]


async def test_what_is_missing_is_named(http: AsyncClient) -> None:
    for body in ({"data": {"model": "whisper-1"}}, {"json": {"model": "whisper-1"}}):
        error = await _error(await http.post(PATH, **body), 400)
        assert (error["code"], error["param"]) == ("missing_required_parameter", "file")
    empty = await _error(await http.post(PATH, files=as_file(b"")), 400)
    assert empty["message"] == "the file is empty"


async def test_no_field_is_held_without_bound(http: AsyncClient) -> None:
    for how in ({"files": as_file(wav())}, {}):
        await _error(await http.post(PATH, data={"prompt": "x" * 100_000}, **how), 400)
        await _error(await http.post(PATH, data={f"x{n}": "1" for n in range(60)}, **how), 400)


async def test_where_the_disk_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "away"))
    async with house() as http:
        error = await _error(await http.post(PATH, files=as_file(wav(hush(60.0)))), 507)
        assert error["code"] == "upload_not_kept"
        await _error(await http.post(PATH, json={"audio": base64.b64encode(wav()).decode()}), 507)


async def test_what_is_too_large() -> None:
    big = wav(hush(60.0))

    async def endless() -> Any:
        for _ in range(40):
            yield bytes(65_536)

    kind = {"content-type": "multipart/form-data; boundary=x"}
    async with house(max_upload_mib=1.0) as http:
        error = await _error(await http.post(PATH, files=as_file(big)), 413)
        assert "1 MiB" in error["message"]
        # Without a length it is noticed on the way.
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

        async def body() -> Any:
            yield head
            async for piece in endless():
                yield piece

        await _error(await http.post(PATH, content=body(), headers=kind), 413)


async def test_sound_that_lasts_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcriptions, "LONGEST_S", 5.0)
    async with house() as http:
        assert (
            "longer than 5 s" in (await _error(await http.post(PATH, files=as_file(wav(hush(11.0)))), 413))["message"]
        )


@pytest.mark.parametrize("url", ["https://example.com/a.wav", "http://127.0.0.1/", "file:///etc/passwd"])
async def test_urls_are_not_fetched_unless_that_is_allowed(url: str, http: AsyncClient) -> None:
    for how in ({"json": {"url": url}}, {"data": {"url": url}}):
        error = await _error(await http.post(PATH, **how), 400)
        assert (error["code"], error["param"]) == ("url_fetch_disabled", "url")


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/a.wav", "https://localhost/", "https://[::1]/", "https://169.254.169.254/latest/meta-data",
     "https://10.0.0.1/", "https://[::ffff:127.0.0.1]/", "http://127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd",
     "/etc/passwd", "https://", "https://user:secret@localhost/", "data:audio/wav;base64,AAAA"],
)  # fmt: skip
async def test_nothing_inside_is_fetched_where_urls_are_allowed(url: str) -> None:
    async with house(allow_url_fetch=True) as http:
        error = await _error(await http.post(PATH, json={"url": url}), 400)
    assert error["param"] == "url"


async def test_methods_and_other_endpoints(http: AsyncClient) -> None:
    response = await http.get(PATH)
    assert (await _error(response, 405))["code"] == "method_not_supported"
    assert response.headers["allow"] == "POST"
    for method in ("GET", "POST", "DELETE"):
        assert (await _error(await http.request(method, "/nonesuch"), 404))["code"] == "unknown_url"
    error = await _error(await http.post("/audio/translations", files=as_file(wav())), 501)
    assert error["code"] == "not_implemented"


# --- sharing the engines --------------------------------------------------------------------------------------


async def test_while_the_models_are_being_loaded() -> None:
    async with house(is_ready=False) as http:
        response = await http.post(PATH, files=as_file(wav()))
        assert (await _error(response, 503))["code"] == "warming_up"
        assert int(response.headers["retry-after"]) > 0


class _Waiting(ScriptedTranscriber):
    """A stream engine that hears when it is let; counts who is in it, and who was cancelled."""

    name = "waiting"
    step = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.may_hear = anyio.Event()
        self.inside = self.cancelled = 0

    def stream(self, request: TranscribeRequest) -> Any:
        return _Hearing(self)


class _Hearing:
    def __init__(self, engine: _Waiting) -> None:
        self._engine = engine

    async def __aenter__(self) -> Any:
        return self._results()

    async def __aexit__(self, *_: object) -> None:
        return

    async def _results(self) -> Any:
        self._engine.inside += 1
        try:
            await self._engine.may_hear.wait()
        except BaseException:
            self._engine.cancelled += 1
            raise
        finally:
            self._engine.inside -= 1
        yield TranscribeResult("heard")


class _Streams:
    """Behind the seam a stream engine only."""

    def __init__(self, asr: _Waiting) -> None:
        self._inline = engines()
        self._asr = asr

    async def call(self, stage: Any, request: Any, **more: Any) -> Any:
        if stage.name != "asr":
            return await self._inline.call(stage, request, **more)
        async with self._asr.stream(request) as results:
            return await anext(results)

    def stats(self) -> Any:
        return self._inline.stats()


async def _until(is_so: Any) -> None:
    with anyio.fail_after(5):
        while not is_so():
            await anyio.sleep(0.01)


async def test_no_more_than_a_few_are_taken_and_the_rest_refused() -> None:
    asr = _Waiting()
    client: Any = _Streams(asr)
    statuses: list[int] = []
    async with house(client) as http:

        async def post() -> None:
            statuses.append((await http.post(PATH, files=as_file(wav()))).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(16):
                tasks.start_soon(post)
            await _until(lambda: asr.inside > 0 and http.app.state.rooms["transcriptions"].taken == 16)  # type: ignore[attr-defined]
            assert asr.inside <= transcriptions.half_the_cores()
            response = await http.post(PATH, files=as_file(wav()))
            assert (await _error(response, 429))["code"] == "rate_limit_exceeded"
            assert int(response.headers["retry-after"]) > 0
            asr.may_hear.set()
        assert statuses == [200] * 16
        assert http.app.state.rooms["transcriptions"].taken == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_client_that_hangs_up_is_not_worked_for(stream: str) -> None:
    asr = _Waiting()
    client: Any = _Streams(asr)
    async with house(client) as http:
        with anyio.move_on_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(functools.partial(http.post, PATH, files=as_file(wav()), data={"stream": stream}))
                await _until(lambda: asr.inside == 1)
                tasks.cancel_scope.cancel()
        await _until(lambda: asr.cancelled == 1)
        await _until(lambda: http.app.state.rooms["transcriptions"].taken == 0)  # type: ignore[attr-defined]


async def test_a_client_that_hangs_up_in_the_middle_of_its_upload() -> None:
    async with house() as http:
        port = http.base_url.port
        assert port is not None
        async with await anyio.connect_tcp("127.0.0.1", port) as raw:
            head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
            await raw.send(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
            await _until(lambda: getattr(http.app.state, "rooms", {}))  # type: ignore[attr-defined]
            assert http.app.state.rooms["transcriptions"].taken == 1  # type: ignore[attr-defined]
        await _until(lambda: http.app.state.rooms["transcriptions"].taken == 0)  # type: ignore[attr-defined]


class _Failing(ScriptedTranscriber):
    """Hears once, then is away."""

    def __init__(self, times: int) -> None:
        self._times = times

    def step(self, requests: Sequence[TranscribeRequest]) -> list[TranscribeResult]:
        self._times -= 1
        if self._times < 0:
            raise EngineLost("The far side has gone.")
        return [TranscribeResult("heard") for _ in requests]


async def test_an_engine_that_fails() -> None:
    async with house(engines(asr=_Failing(0))) as http:
        for stream in ("true", "false"):
            error = await _error(await http.post(PATH, files=as_file(TWO), data={"stream": stream}), 502)
            assert error["code"] == "engine_lost"


async def test_a_stream_that_cannot_be_completed_is_broken_off() -> None:
    async with house(engines(asr=_Failing(1))) as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post(PATH, files=as_file(TWO), data={"stream": "true"})
        assert http.app.state.rooms["transcriptions"].taken == 0  # type: ignore[attr-defined]


def test_the_loop_is_watched(no_blocked_rest: BlockBuster) -> None:
    assert no_blocked_rest.functions


async def test_real_recordings_of_every_kind(http: AsyncClient) -> None:
    audio = Path(__file__).parents[4] / "shared" / "audio"
    if not audio.is_dir():
        pytest.skip("no recordings beside the repository")
    files = [next(audio.rglob(pattern), None) for pattern in ("*.flac", "*.ogg", "*.mp3", "*8k.wav")]
    for path in files:
        if path is not None:
            found = await http.post(PATH, files={"file": (path.name, io.BytesIO(path.read_bytes()))})
            assert found.status_code == 200, path
