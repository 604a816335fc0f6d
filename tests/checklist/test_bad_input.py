"""What no client should send: each leads to a clear ``error``, and the session goes on as if it had not been."""

from __future__ import annotations

import base64
import json
from typing import Any

import anyio
import numpy as np
import pytest

from duologue.engines.base import TranscribeRequest
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber
from tests.checklist.refusals import lives, refused
from tests.server.caller import calling, silence, voice
from tests.server.serving import Serving, engines, serving

pytestmark = pytest.mark.anyio

APPEND = "input_audio_buffer.append"
DEEP = 10_000
LONG = " ".join(f"word{number}" for number in range(24)) + "."
CANCEL = '"type":"response.cancel"'


MALFORMED = {
    "nothing": "",
    "blanks": "  \n ",
    "a word": "hello",
    "half an object": '{"type":"response.cancel"',
    "two objects": "{" + CANCEL + "}{" + CANCEL + "}",
    "a trailing comma": "{" + CANCEL + ",}",
    "single quotes": "{'type':'response.cancel'}",
    "a comment": "{" + CANCEL + "/* now */}",
    "a byte order mark": "\ufeff{" + CANCEL + "}",
    "a control character in a string": '{"type":"response.cancel","event_id":"a\x01b"}',
    "NaN": '{"type":"conversation.item.truncate","item_id":"a","content_index":0,"audio_end_ms":NaN}',
    "Infinity": '{"type":"session.update","session":{"type":"realtime","max_output_tokens":Infinity}}',
    "minus Infinity": '{"type":"session.update","session":{"type":"realtime","temperature":-Infinity}}',
    "an escaped lone surrogate": r'{"type":"conversation.item.delete","item_id":"\ud800"}',
    "an escaped lone surrogate in a text": r'{"type":"conversation.item.create","item":{"type":"message",'
    r'"role":"user","content":[{"type":"input_text","text":"a \udfff b"}]}}',
    "an escaped lone surrogate in free form": r'{"type":"session.update","session":{"type":"realtime",'
    r'"instructions":"\udc00"}}',
    "open brackets": "[" * DEEP,
    "an open string": '"response.cancel',
    "a number that is none": "0x10",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
async def test_bad_json(server: Serving, text: str) -> None:
    async with calling(server.ws) as caller:
        assert (await refused(caller, text))["code"] == "invalid_json"
        await lives(caller)


@pytest.mark.parametrize("text", ["[]", "null", "5", '"response.cancel"', "true", "[" + "{" + CANCEL + "}]"])
async def test_json_that_is_no_event(server: Serving, text: str) -> None:
    async with calling(server.ws) as caller:
        assert (await refused(caller, text))["code"] in ("invalid_json", "invalid_value", "invalid_type")
        await lives(caller)


async def test_binary_frames(server: Serving) -> None:
    """Also one that holds an event: events are text."""
    async with calling(server.ws) as caller:
        for data in (b"", b"\x00", bytes(range(256)), b"{" + CANCEL.encode() + b"}", voice(0.2)):
            assert "text frames" in (await refused(caller, data))["message"]
        assert caller.errors()[0] == "invalid_json"
        await lives(caller)


UNKNOWN = [
    "no.such.event",
    "",
    "RESPONSE.CANCEL",
    "response.cancel ",
    "response.done",
    "session.created",
    "transcription_session.update",
    "conversation.item.created",
    "session.input_audio.append",
    "\u0000",
]


async def test_unknown_types(server: Serving) -> None:
    async with calling(server.ws) as caller:
        for number, kind in enumerate(UNKNOWN):
            text = json.dumps({"type": kind, "event_id": f"evt_{number}", "session": {}, "audio": "AAAA"})
            error = await refused(caller, text)
            assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", f"evt_{number}")
            assert "response.cancel" in error["message"], "it says what there is"
        missing = await refused(caller, '{"event_id":"evt_none"}')
        assert (missing["code"], missing["param"]) == ("missing_required_parameter", "type")
        assert missing["event_id"] == "evt_none"
        await lives(caller)


NOT_BASE64 = {
    "not of the alphabet": "@@@@",
    "the alphabet of URLs": "__--",
    "beyond ASCII": "AAA\u00e9",
    "a zero": "AA\x00A",
    "no padding": "AAA",
    "half a padding": "AA=",
    "too much padding": "AAAA====",
    "padding of nothing": "====",
    "padding in front": "=AAA",
    "padding in the middle": "AA==AA==",
    "one letter": "A",
    "a blank": "AAAA AAA",
    "a blank at the end": "AAAA ",
    "a line's end": "AAAA\nAAAA",
    "a line's end at the end": "AAAA\n",
    "a data URI": "data:audio/pcm;base64,AAAA",
    "hexadecimal with odd length": "0x00f",
}


@pytest.mark.parametrize("where", ["append", "item", "input"])
async def test_invalid_base64(server: Serving, where: str) -> None:
    """Nothing of it is heard, not even what stands before the fault."""
    async with calling(server.ws) as caller:
        await caller.detect(None)
        for name, audio in NOT_BASE64.items():
            text = json.dumps({**_carrying(audio, where), "event_id": f"evt {name}"})
            error = await refused(caller, text)
            assert error["code"] == "invalid_value", name
            assert "audio" in error["param"] or where == "input", name
            assert error["event_id"] == f"evt {name}"
        good = base64.b64encode(voice(5)).decode()
        await refused(caller, json.dumps(_carrying(good + "A", where)))
        assert caller.count("conversation.item.added") == caller.count("response.created") == 0
        await caller.send("input_audio_buffer.commit")
        error = (await caller.wait("error", caller.count("error") + 1))["error"]
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert "only has 0.00ms" in error["message"]
        await caller.detect({"type": "server_vad", "silence_duration_ms": 200})
        await lives(caller)


def _carrying(audio: str, where: str) -> dict[str, Any]:
    if where == "append":
        return {"type": APPEND, "audio": audio}
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
    if where == "item":
        return {"type": "conversation.item.create", "item": item}
    return {"type": "response.create", "response": {"conversation": "none", "input": [item]}}


def _pitch(request: TranscribeRequest) -> str:
    """Hear which tone it is."""
    spectrum = np.abs(np.fft.rfft(request.audio)) if len(request.audio) else np.zeros(1)
    return f"{np.argmax(spectrum) * 16_000 / max(1, len(request.audio)):.0f} hertz"


async def test_an_odd_number_of_bytes_is_half_a_sample_for_later() -> None:
    """No error, nothing lost and nothing shifted: the tone is heard as it is."""
    async with (
        serving(engines(asr=ScriptedTranscriber(hear=_pitch))) as server,
        calling(server.ws) as caller,
    ):
        await caller.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        pcm = voice(0.6) + silence(0.6)
        for start in range(0, len(pcm), 4_801):
            await caller.send(APPEND, audio=base64.b64encode(pcm[start : start + 4_801]).decode())
        heard = await caller.wait("conversation.item.input_audio_transcription.completed")
        assert float(heard["transcript"].split()[0]) == pytest.approx(220, abs=5)
        await caller.wait("response.done")
        assert caller.errors() == []


@pytest.mark.parametrize("size", [1, 3, 24_001])
async def test_an_item_of_an_odd_number_of_bytes_leaves_the_session_alive(server: Serving, size: int) -> None:
    async with calling(server.ws) as caller:
        audio = base64.b64encode(voice(1.0)[:size]).decode()
        await caller.send(**_sent(_carrying(audio, "item")))
        await caller.settled()
        assert caller.count("conversation.item.done") + len(caller.errors()) == 2, "it is taken, or refused"
        await lives(caller)


def _sent(event: dict[str, Any]) -> dict[str, Any]:
    return {"kind" if key == "type" else key: value for key, value in event.items()}


async def test_base64_that_json_writes_otherwise_is_the_same_sound() -> None:
    """Serializers of .NET and PHP escape what need not be: + as \\u002B, / as \\/."""
    async with (
        serving(engines(asr=ScriptedTranscriber(hear=_pitch))) as server,
        calling(server.ws) as caller,
    ):
        await caller.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        audio = base64.b64encode(voice(0.6) + silence(0.6)).decode()
        assert "+" in audio
        assert "/" in audio
        escaped = audio.replace("+", r"\u002B").replace("/", r"\/")
        await caller.socket.send(f'{{"type":"{APPEND}","audio":"{escaped}"}}')
        heard = await caller.wait("conversation.item.input_audio_transcription.completed")
        assert float(heard["transcript"].split()[0]) == pytest.approx(220, abs=5)
        await caller.wait("response.done")
        assert caller.errors() == []


def _deep(inner: str) -> dict[str, str]:
    """Places for something deep."""
    message = '{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]'
    update = '{"type":"session.update","event_id":"e","session":'
    return {
        "type": f'{{"type":{inner}}}',
        "event_id": f'{{"type":"response.cancel","event_id":{inner}}}',
        "session": f"{update}{inner}}}",
        "session.tools": update + '{"type":"realtime","tools":'
        f'[{{"type":"function","name":"f","parameters":{{"a":{inner}}}}}]}}}}',
        "session.tracing": f'{update}{{"type":"realtime","tracing":{inner}}}}}',
        "session.something": f'{update}{{"type":"realtime","new":{inner}}}}}',
        "response": f'{{"type":"response.create","event_id":"e","response":{inner}}}',
        "response.metadata": f'{{"type":"response.create","event_id":"e","response":{{"metadata":{inner}}}}}',
        "response.input": f'{{"type":"response.create","event_id":"e","response":{{"input":{inner}}}}}',
        "item": f'{{"type":"conversation.item.create","event_id":"e","item":{inner}}}',
        "item.content": '{"type":"conversation.item.create","event_id":"e","item":{"type":"message","role":"user",'
        f'"content":{inner}}}}}',
        "item.something": f'{{"type":"conversation.item.create","event_id":"e","item":{message},"new":{inner}}}}}',
        "something": f'{{"type":"response.cancel","event_id":"e","new":{inner}}}',
    }


@pytest.mark.parametrize(
    "inner", ["[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP], ids=["lists", "objects"]
)
async def test_ten_thousand_levels_deep(server: Serving, inner: str) -> None:
    async with calling(server.ws) as caller:
        for place, text in _deep(inner).items():
            error = await refused(caller, text)
            assert error["code"] in ("invalid_json", "invalid_value", "invalid_type"), place
        assert caller.count("session.updated") == caller.count("conversation.item.added") == 0
        await lives(caller)


TRUNCATE = '{"type":"conversation.item.truncate","event_id":"e","item_id":"a","content_index":%s,"audio_end_ms":%s}'
NUMBERS = ["1e400", "-1e400", "9" * 400, "9" * 5_000, "1" + "0" * 30, "-1", "1e308"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number[:8]}_of_{len(number)}")
async def test_numbers_beyond_measure(server: Serving, number: str) -> None:
    update = '{"type":"session.update","event_id":"e","session":{"type":"realtime",'
    detection = update + '"audio":{"input":{"turn_detection":'
    texts = [
        TRUNCATE % ("0", number),
        detection + f'{{"type":"server_vad","silence_duration_ms":{number}}}}}}}}}}}',
        detection + f'{{"type":"server_vad","prefix_padding_ms":{number}}}}}}}}}}}',
        detection + f'{{"type":"server_vad","threshold":{number}}}}}}}}}}}',
        detection + f'{{"type":"server_vad","idle_timeout_ms":{number}}}}}}}}}}}',
        update + f'"audio":{{"output":{{"speed":{number}}}}}}}}}',
        update + f'"max_output_tokens":{number}}}}}',
        f'{{"type":"response.create","event_id":"e","response":{{"max_output_tokens":{number}}}}}',
    ]
    async with calling(server.ws) as caller:
        for text in texts:
            error = await refused(caller, text)
            assert error["code"] in ("invalid_json", "invalid_value", "invalid_type"), text[:300]
        assert caller.count("session.updated") == caller.count("response.created") == 0
        await lives(caller)


DUPLICATES = [
    '{"type":"response.cancel","type":"input_audio_buffer.clear"}',
    '{"type":"input_audio_buffer.clear","type":"response.cancel"}',
    '{"type":"response.cancel","event_id":"a","event_id":"b"}',
    '{"type":"session.update","session":5,"session":{"type":"realtime"}}',
    '{"type":"session.update","session":{"type":"realtime","type":"transcription"}}',
    '{"type":"input_audio_buffer.append","audio":"@","audio":"AAAA"}',
    '{"type":"conversation.item.retrieve","item_id":"a","item_id":"b"}',
]


async def test_duplicate_keys_are_read_one_way_or_refused(server: Serving) -> None:
    """JSON leaves it open which of them counts. Each frame has one answer at most."""
    async with calling(server.ws) as caller:
        for text in DUPLICATES:
            before = len(caller.frames)
            await caller.socket.send(text)
            await caller.settled()
            answers = [frame["type"] for frame in caller.frames[before:-1]]
            assert len(answers) <= 1, (text, answers)
            assert set(answers) <= {"error", "session.updated", "input_audio_buffer.cleared"}
        await lives(caller)


async def test_text_that_is_no_utf_8_closes_only_its_own_connection(server: Serving) -> None:
    """As the WebSocket protocol has it (RFC 6455, 8.1): 1007."""
    async with calling(server.ws) as neighbour:
        async with calling(server.ws) as caller:
            await caller.socket.send(b'{"type":"\xff\xfe"}', text=True)
            assert await caller.closed() == 1007
        await lives(neighbour)


async def test_bad_frames_disturb_neither_a_turn_nor_its_answer() -> None:
    """Thrown in between all the sound of a turn and while the answer is given."""
    client = engines(chat=ScriptedChat(LONG), tts=ScriptedSynthesizer(word_s=0.1))
    bad: list[str | bytes] = [
        "{",
        "[]",
        '{"type":"no"}',
        json.dumps({"type": APPEND, "audio": "AAA"}),
        b"\x00",
        '{"type":"session.update"}',
    ]
    async with serving(client) as server, calling(server.ws) as caller:
        pcm = voice(0.6) + silence(0.6)
        for start in range(0, len(pcm), 4_800):
            await caller.append(pcm[start : start + 4_800])
            await caller.socket.send(bad[start // 4_800 % len(bad)])
        await caller.wait("response.created")
        while not caller.count("response.done"):
            for data in bad:
                await caller.socket.send(data)
            await anyio.sleep(0.02)
        response = caller.of("response.done")[0]["response"]
        assert response["status"] == "completed"
        assert response["output"][0]["content"][0]["transcript"] == LONG
        sound = sum(len(base64.b64decode(frame["delta"])) for frame in caller.of("response.output_audio.delta"))
        assert sound == len(LONG.split()) * 4_800
        assert caller.count("input_audio_buffer.committed") == 1
        assert caller.count("error") > 10
        caller.checker.rest()
