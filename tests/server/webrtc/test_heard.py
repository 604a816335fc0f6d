"""What was not heard was not said: interruptions on every transport, and the prompt that the chat model gets next."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from duologue.engines.base import ChatRequest
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer
from tests.server.caller import Caller, calling
from tests.server.caller import voice as pcm
from tests.server.serving import Serving, engines, serving, until
from tests.server.webrtc.phone import Phone, voice
from tests.server.webrtc.talking import on_the_phone, say

pytestmark = pytest.mark.anyio

WORD_MS = 200
# Of these the session sends all at once: it runs 2 s ahead of the listener.
SHORT = [f"word{i}" for i in range(9)]
# Sentences, so that the first is heard while others are still to be written.
LONG = [f"word{i}." if i % 6 == 5 else f"word{i}" for i in range(60)]
STARTED, DONE = "input_audio_buffer.speech_started", "response.done"
CLEARED, TRUNCATED = "output_audio_buffer.cleared", "conversation.item.truncated"
CUT = {STARTED, DONE, CLEARED, TRUNCATED}


@dataclass
class Model:
    """A chat model that keeps what it is asked. It answers with ``words``, and says little after that."""

    words: list[str]
    word_s: float = 0.0
    asked: list[ChatRequest] = field(default_factory=list)

    def answer(self, request: ChatRequest) -> str:
        self.asked.append(request)
        return " ".join(self.words) if len(self.asked) == 1 else "fine"

    def remembered(self) -> list[str]:
        """The words of its first answer, as it was last told of them."""
        said = [message for message in self.asked[-1].messages if message.role == "assistant"]
        assert len(said) <= 1
        return said[0].content.removesuffix("...").split() if said else []

    async def asked_again(self) -> None:
        await until(lambda: len(self.asked) > 1)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Serving]:
        chat = ScriptedChat(answer=self.answer, word_s=self.word_s)
        async with serving(engines(chat=chat, tts=ScriptedSynthesizer(word_s=WORD_MS / 1000))) as server:
            yield server


def heard_by(ms: float, words: list[str]) -> list[str]:
    """A word counts as heard from its middle on."""
    return [word for i, word in enumerate(words) if (i + 0.5) * WORD_MS <= ms]


def cut_of(talk: Phone | Caller) -> list[str]:
    """How the last interruption went, in order."""
    kinds = [frame["type"] for frame in talk.frames]
    last = len(kinds) - 1 - kinds[::-1].index(STARTED)
    return [kind for kind in kinds[last:] if kind in CUT]


async def silent_after(phone: Phone, event: str) -> None:
    """No more than 200 ms of sound come after ``event``. Counted in packets: this machine may have other work."""
    await phone.wait(event)
    before = len(phone.ear.loud_s())
    await anyio.sleep(0.4)
    assert (len(phone.ear.loud_s()) - before) * 20 <= 200


async def heard_for(phone: Phone, seconds: float) -> None:
    await until(lambda: len(phone.ear.loud_s()) * 0.02 >= seconds)


async def _at_once(walk: Callable[..., Awaitable[None]], *variants: tuple[bool, ...]) -> None:
    """Each has a server of its own, and mostly waits."""
    async with anyio.create_task_group() as tg:
        for variant in variants:
            tg.start_soon(walk, *variant, name=f"{walk.__name__}{variant}")


# --- over WebRTC ------------------------------------------------------------------------------------------------------


async def test_speech_over_a_call_cuts_the_answer() -> None:
    """While it is being made, and when it is made but not heard."""
    await _at_once(_speak_over_a_call, (False,), (True,))


async def _speak_over_a_call(is_done: bool) -> None:
    model = Model(SHORT) if is_done else Model(LONG, word_s=0.05)
    async with model.served() as server, on_the_phone(server) as phone:
        await say(phone)
        await heard_for(phone, 0.7)
        assert phone.count(DONE) == is_done
        phone.voice.say(voice(0.8))
        await silent_after(phone, CLEARED)
        done, truncated = phone.of(DONE)[0]["response"], await phone.wait(TRUNCATED)
        if is_done:
            assert cut_of(phone) == [STARTED, CLEARED, TRUNCATED]
            assert done["status"] == "completed"
        else:
            assert cut_of(phone) == [STARTED, DONE, CLEARED, TRUNCATED]
            assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
        assert phone.of(CLEARED)[0]["response_id"] == done["id"]
        assert (truncated["item_id"], truncated["content_index"]) == (done["output"][0]["id"], 0)
        # The account is of what sounded at the other end: within a word of it, network and coder in between.
        sounded_ms = len(phone.ear.loud_s()) * 20
        assert truncated["audio_end_ms"] == pytest.approx(sounded_ms, abs=WORD_MS)
        await model.asked_again()
        assert model.remembered() == heard_by(truncated["audio_end_ms"], model.words) != []


async def test_a_client_clears_the_buffer_of_its_call() -> None:
    """With a response that is active, alone or cancelled before, and without one."""
    await _at_once(_clear, (False,), (True,), (False, True))


async def _clear(is_done: bool, cancels: bool = False) -> None:
    model = Model(SHORT) if is_done else Model(LONG, word_s=0.05)
    async with model.served() as server, on_the_phone(server) as phone:
        await say(phone)
        await heard_for(phone, 0.5)
        assert phone.count(DONE) == is_done
        if cancels:
            phone.send("response.cancel")
        phone.send("output_audio_buffer.clear")
        await silent_after(phone, CLEARED)
        truncated = await phone.wait(TRUNCATED)
        done = phone.of(DONE)[0]["response"]
        assert done["status"] == ("completed" if is_done else "cancelled")
        assert is_done or done["status_details"]["reason"] == "client_cancelled"
        assert phone.count("output_audio_buffer.stopped") == 0
        await say(phone)
        await model.asked_again()
        assert model.remembered() == heard_by(truncated["audio_end_ms"], model.words) != []
        await phone.wait("output_audio_buffer.stopped")
        assert phone.count("error") == 0


async def test_clearing_an_empty_buffer_is_no_fault(server: Serving) -> None:
    async with on_the_phone(server) as phone:
        phone.send("output_audio_buffer.clear")
        await phone.update(instructions="still there")
        assert phone.types() == ["session.created", "session.updated"]


async def test_answers_in_the_buffer_are_played_one_by_one() -> None:
    """Each is made at once; the checker knows that one is played at a time."""
    model = Model(SHORT[:3])
    async with model.served() as server, on_the_phone(server, Phone(listens_only=True)) as phone:
        for turn in range(2):
            phone.send("response.create")
            await phone.wait(DONE, turn + 1)
        assert phone.count("output_audio_buffer.stopped") == 0
        await phone.wait("output_audio_buffer.stopped", 2)
        played = [(f["type"].rsplit(".")[-1], f["response_id"]) for f in phone.frames if "output_audio_b" in f["type"]]
        ids = [f["response"]["id"] for f in phone.of(DONE)]
        assert played == [(kind, reply_id) for reply_id in ids for kind in ("started", "stopped")]


async def test_speech_cuts_all_answers_in_the_buffer() -> None:
    model = Model(SHORT[:5])
    async with model.served() as server, on_the_phone(server) as phone:
        for turn in range(2):
            phone.send("response.create")
            await phone.wait(DONE, turn + 1)
        await heard_for(phone, 0.3)
        phone.voice.say(voice(0.8))
        await silent_after(phone, CLEARED)
        await until(lambda: len(model.asked) == 3)
        (said,) = [message for message in model.asked[-1].messages if message.role == "assistant"]
        assert said.content.removesuffix("...").split() == heard_by(phone.of(TRUNCATED)[0]["audio_end_ms"], model.words)


# --- over a WebSocket -------------------------------------------------------------------------------------------------


async def test_speech_over_a_websocket_cuts_the_answer() -> None:
    """While it is being made, and when it is made but not heard; with the client's own account of it, and without."""
    await _at_once(_speak_over_a_websocket, *itertools.product((False, True), repeat=2))


async def _speak_over_a_websocket(is_done: bool, truncates: bool) -> None:
    model = Model(SHORT) if is_done else Model(LONG, word_s=0.05)
    async with model.served() as server, calling(server.ws) as caller:
        await caller.say()
        await caller.wait("response.output_audio.delta")
        begun_s = anyio.current_time()
        await anyio.sleep(0.9)
        assert caller.count(DONE) == is_done
        least_ms = (anyio.current_time() - begun_s) * 1000
        await caller.append(pcm(0.4))
        await caller.wait(STARTED, 2)
        most_ms = (anyio.current_time() - begun_s) * 1000
        item = (await caller.wait(DONE))["response"]["output"][0]
        assert cut_of(caller) == ([STARTED] if is_done else [STARTED, DONE])
        if truncates:
            await caller.send(TRUNCATED.removesuffix("d"), item_id=item["id"], content_index=0, audio_end_ms=450)
            await caller.wait(TRUNCATED)
        await caller.append(bytes(2 * 24_000 // 2))
        await model.asked_again()
        if truncates:
            assert model.remembered() == SHORT[:2]
        else:
            slack_ms = WORD_MS / 2
            few, many = (heard_by(ms, model.words) for ms in (least_ms - slack_ms, most_ms + slack_ms))
            assert len(few) <= len(model.remembered()) <= len(many)
            assert model.remembered() == model.words[: len(model.remembered())]
