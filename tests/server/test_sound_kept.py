"""Sound that is kept with the words, where the operator asks for it, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest

from duologue.audio.frame import Int16
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber
from duologue.errors import NotKept, StoreFailed
from duologue.items import Message, Part
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.server import recorder, sound_kept
from duologue.server.clip import Clip, Piece
from duologue.server.keeping import Opened
from duologue.server.live import Live
from duologue.server.metrics import Metrics
from duologue.server.sound_kept import Clips
from duologue.session.history import History
from duologue.store.records import Record
from duologue.store.sqlite import SqliteStore
from tests.server.caller import RATE_HZ, Caller, calling, silence, voice
from tests.server.serving import Serving, engines, serving, until

pytestmark = pytest.mark.anyio

ANYONE = "anyone"
LONG = " ".join(f"word{i}" for i in range(40))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "talk.sqlite")
    yield store
    await store.aclose()


def at(server: Serving, conversation: str = "new") -> str:
    return f"{server.ws}&x_conversation={conversation}"


def name_of(caller: Caller) -> str:
    [frame] = caller.of("duologue.conversation.opened")
    return str(frame["conversation_id"])


async def over(server: Serving) -> None:
    await until(lambda: server.state.slots.taken == 0)


async def sound_of(server: Serving, name: str, item_id: str) -> Int16:
    """As a program has it."""
    async with httpx.AsyncClient(base_url=server.http) as client:
        answer = await client.get(f"/v1/conversations/{name}/items/{item_id}/sound")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert int.from_bytes(answer.content[24:28], "little") == RATE_HZ
    return np.frombuffer(answer.content, "<i2", offset=44)


async def said_by(store: SqliteStore, name: str, role: str) -> list[Record]:
    records = await store.load(ANYONE, name)
    return [each for each in records if isinstance(each.item, Message) and each.item.role == role]


async def test_both_sides_are_kept_as_they_were_heard(store: SqliteStore) -> None:
    client = engines(chat=ScriptedChat(LONG), tts=ScriptedSynthesizer(word_s=0.2))
    async with serving(client, store=store, store_sound=True) as server:
        async with calling(at(server), takes_own=True) as caller:
            await caller.append(silence(1.0))
            await caller.say()
            await caller.wait("response.output_audio.delta", 3)
            # Somebody speaks over it.
            await caller.append(voice(0.5, level=4_000))
            await caller.wait("response.done")
            await caller.append(silence(0.6))
            await caller.wait("response.created", 2)
        await over(server)
        name = name_of(caller)
        first, second = await said_by(store, name, "user")
        answer = (await said_by(store, name, "assistant"))[0]
        assert first.has_sound
        assert second.has_sound
        assert answer.has_sound
        heard = await sound_of(server, name, first.item.id)
        # What was said, the padding before it, and a window of what comes after.
        assert 0.6 <= len(heard) / RATE_HZ <= 1.1
        assert int(np.count_nonzero(np.abs(heard) > 100)) > 0.55 * RATE_HZ
        assert abs(int(heard.max()) - 8_000) < 10
        assert abs(int((await sound_of(server, name, second.item.id)).max()) - 4_000) < 10
        assert answer.heard_ms is not None
        spoken = await sound_of(server, name, answer.item.id)
        assert len(spoken) / RATE_HZ * 1000 == pytest.approx(answer.heard_ms, abs=2)
        assert len(spoken) / RATE_HZ < 4.0
        assert spoken.any()


async def test_what_the_client_did_not_play_is_cut_off_later(store: SqliteStore) -> None:
    client = engines(chat=ScriptedChat("One two three four five."), tts=ScriptedSynthesizer(word_s=0.1))
    async with serving(client, store=store, store_sound=True) as server:
        async with calling(at(server), takes_own=True) as caller:
            await caller.say()
            done = await caller.wait("response.done")
            item_id, name = done["response"]["output"][0]["id"], name_of(caller)
            await _until_kept(store, name, item_id)
            assert len(await sound_of(server, name, item_id)) == RATE_HZ // 2
            await caller.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=250)
            await caller.wait("conversation.item.truncated")
        await over(server)
        assert len(await sound_of(server, name, item_id)) == RATE_HZ // 4


async def _until_kept(store: SqliteStore, name: str, item_id: str) -> bytes:
    with anyio.fail_after(5):
        while True:
            with suppress(NotKept):
                if (wav := await store.sound(ANYONE, name, item_id)) is not None:
                    return wav
            await anyio.sleep(0.02)


async def test_by_hand_and_on_a_transport_of_its_own(store: SqliteStore) -> None:
    opened = Opened("conv_1", is_told=True)
    opened.recorder = recorder.Recorder(store, ANYONE, opened.id, Metrics())
    async with serving(store=store, store_sound=True) as server:
        live = Live(server.state, RealtimeProtocol("m", server.state.defaults, now_s=0), opened=opened)
        async with anyio.create_task_group() as tg:
            tg.start_soon(live.run)
            # What WebRTC gives: 48 kHz.
            tone = np.repeat(np.frombuffer(voice(0.6) + silence(0.6), "<i2"), 2).tobytes()
            for start in range(0, len(tone), 1_920):
                await live.take_sound(tone[start : start + 1_920], 48_000)
            await _until_items(store, opened.id, 1)
            live.take('{"type": "session.update", "session": {"type": "realtime", "audio": {"input": '
                      '{"turn_detection": null}}}}', lambda: None)  # fmt: skip
            await _until_handled(live)
            for _ in range(10):
                await live.take_sound(bytes(1_920), 48_000)
            live.take('{"type": "input_audio_buffer.commit"}', lambda: None)
            await _until_handled(live)
            live.end()
        first, second = await said_by(store, opened.id, "user")
        assert 0.6 <= len(await sound_of(server, opened.id, first.item.id)) / RATE_HZ <= 1.1
        # Since the end of the turn before: 0.6 s of silence, less a window, and 0.2 s.
        assert 0.6 <= len(await sound_of(server, opened.id, second.item.id)) / RATE_HZ <= 0.9


async def _until_items(store: SqliteStore, name: str, count: int) -> None:
    with anyio.fail_after(5):
        while name not in [each.id for each in (await store.list(ANYONE, query="", after=None, limit=9))[0]]:
            await anyio.sleep(0.02)
        while len(await store.load(ANYONE, name)) < count:
            await anyio.sleep(0.02)


async def _until_handled(live: Live) -> None:
    reached = anyio.Event()
    live.ask(reached.set)
    await reached.wait()


async def test_a_turn_without_words_leaves_no_sound(store: SqliteStore) -> None:
    async with serving(engines(asr=ScriptedTranscriber("")), store=store, store_sound=True) as server:
        async with calling(at(server), takes_own=True) as caller:
            await caller.say()
            await caller.wait("conversation.item.done")
            await caller.append(voice(0.4))
            await caller.wait("input_audio_buffer.speech_started", 2)
            await caller.send("input_audio_buffer.clear")
            await caller.wait("input_audio_buffer.cleared")
        await over(server)
        assert not any(each.has_sound for each in await store.load(ANYONE, name_of(caller)))


async def test_with_an_item_or_a_conversation_its_sound_is_deleted(store: SqliteStore, tmp_path: Path) -> None:
    async with serving(store=store, store_sound=True) as server:
        async with calling(at(server), takes_own=True) as caller:
            name = name_of(caller)
            await caller.say()
            await caller.wait("response.done")
            user, answer = [each.item.id for each in await _spoken(store, name)]
            traces = [_trace(await _until_kept(store, name, each)) for each in (user, answer)]
            assert _in_files(tmp_path, traces) == [True, True]
            await caller.send("conversation.item.delete", item_id=user)
            await caller.wait("conversation.item.deleted")
            await until_sounds(store, name, {answer})
            await store.purge()
            assert _in_files(tmp_path, traces) == [False, True]
            server.state.keeping.forget(name)
            assert await store.delete(ANYONE, [name]) == 1
            assert _in_files(tmp_path, traces) == [False, False]
            await caller.say()
            await caller.wait("response.done", 2)
        await over(server)
        assert await store.list(ANYONE, query="", after=None, limit=9) == ([], False)
        assert _in_files(tmp_path, traces) == [False, False]


async def _spoken(store: SqliteStore, name: str) -> list[Record]:
    await _until_items(store, name, 2)
    return await store.load(ANYONE, name)


async def until_sounds(store: SqliteStore, name: str, items: set[str]) -> None:
    with anyio.fail_after(5):
        while {each.item.id for each in await store.load(ANYONE, name)} != items:
            await anyio.sleep(0.02)


def _trace(wav: bytes) -> bytes:
    """A little of it that is in nothing else."""
    return wav[len(wav) // 2 :][:64]


def _in_files(folder: Path, traces: list[bytes]) -> list[bool]:
    everything = b"".join(each.read_bytes() for each in folder.iterdir())
    return [trace in everything for trace in traces]


@pytest.mark.parametrize("query", ["new", "none"])
async def test_where_it_is_not_asked_for_there_is_none(
    store: SqliteStore, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_given: object) -> None:
        raise AssertionError("something is made that holds sound")

    for what in ("Tape", "Clips"):
        monkeypatch.setattr(recorder, what, refuse)
    # Only one that is kept, too, has its sound kept.
    async with serving(store=store, store_sound=query == "none") as server:
        async with calling(at(server, query), takes_own=True) as caller:
            await caller.say()
            await caller.wait("response.done")
        await over(server)
        kept = await store.load(ANYONE, name_of(caller)) if query == "new" else []
        assert [each.has_sound for each in kept] == [False] * len(kept)


# --- the writing ----------------------------------------------------------------------------------------------------


class Disk:
    """As much of a store as sound needs. ``fails``: so often."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.wavs: dict[str, bytes] = {}

    async def save_sound(self, _conversation_id: str, item_id: str, wav: bytes) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreFailed("The disk is full.")
        self.wavs[item_id] = wav


def clips_on(disk: Disk) -> Clips:
    return Clips(disk, ANYONE, "conv_1", Metrics(), set())  # type: ignore[arg-type]


def clip(item_id: str, size: int) -> Clip:
    return Clip(item_id, (Piece(0, 24_000, bytes(size)),), 0, 10**9)


def history_of(*item_ids: str) -> History:
    history = History()
    for item_id in item_ids:
        history.add(Message(id=item_id, role="user", parts=(Part(kind="input_audio", text="Hello."),)))
    return history


async def test_more_than_fits_is_not_kept_and_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    disk = Disk()
    clips = clips_on(disk)
    for n in range(10):
        clips.put(clip(f"item_{n}", 4 << 20))
    assert clips.waiting_bytes == sound_kept.MOST_WAITING_BYTES
    clips.note([f"item_{n}" for n in range(10)], is_last=True)
    await clips.run(history_of(*(f"item_{n}" for n in range(10))))
    assert list(disk.wavs) == [f"item_{n}" for n in range(5)]
    assert capsys.readouterr().out.count("conversation_unsaved") == 1


async def test_what_could_not_be_written_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_kept, "AGAIN_S", 0.01)
    disk = Disk(fails=3)
    clips = clips_on(disk)
    clips.end_by(anyio.current_time() + 10)
    async with anyio.create_task_group() as tg:
        tg.start_soon(clips.run, history_of("item_1"))
        clips.put(clip("item_1", 4_800))
        clips.note(["item_1"])
        with anyio.fail_after(5):
            while not disk.wavs:
                await anyio.sleep(0.01)
        clips.note(["item_1"], is_last=True)
    assert len(disk.wavs["item_1"]) == 44 + 4_800
    assert clips.waiting_bytes == 0
