"""A person and a client who do anything at any time, and what must hold all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer, ScriptedVad
from duologue.events import (
    AppendAudio,
    CancelReply,
    ClearAudio,
    ClearPlayout,
    CommitAudio,
    Configure,
    CreateItem,
    CreateReply,
    DeleteItem,
    Event,
    PlayoutReached,
    ReplyAudio,
    ReplyDone,
    ReplyItemStarted,
    ReplyStarted,
    TruncateItem,
)
from duologue.items import Message, Part, ReplyOptions, SessionConfig, TurnDetection, new_id
from duologue.session.replies import Ways
from duologue.session.session import Session
from duologue.session.states import State
from tests.conversations.checker import ASIDE, check
from tests.conversations.talk import (
    COUGH_S,
    MURMUR,
    NOISE,
    SILENCE,
    VOICE,
    Person,
    UnsureVad,
    engines,
    hear_voices,
    talk,
)
from tests.virtual_time import VirtualTimeLoop

WORD_S = 0.2
SLACK_WORDS = 1.5
# By name, so that what failed can be read.
SOUNDS = {"voice": VOICE, "murmur": MURMUR, "noise": NOISE, "silence": SILENCE}
sounds = st.sampled_from(sorted(SOUNDS))
moments = st.integers(1, 100).map(lambda n: n * 0.02)
detections = st.one_of(
    st.none(),
    st.builds(
        TurnDetection,
        silence_ms=st.sampled_from([None, 400]),
        create_reply=st.booleans(),
        interrupt_reply=st.booleans(),
        prefix_padding_ms=st.sampled_from([0, 300]),
    ),
)


def _chat(words: int, first_s: float) -> ScriptedChat:
    text = " ".join(f"w{n}." if n % 7 == 6 else f"w{n}" for n in range(words)) + "."
    return ScriptedChat(text, first_s=first_s, word_s=0.02)


class Talk(RuleBasedStateMachine):
    """One session on a virtual clock; each rule takes some of its time."""

    @initialize(
        words=st.sampled_from([2, 12, 40]),
        first_s=st.sampled_from([0.0, 1.0]),
        asr_s=st.sampled_from([0.0, 0.1, 1.0]),
        is_unsure=st.booleans(),
        holds_sound=st.booleans(),
    )
    def begin(self, words: int, first_s: float, asr_s: float, is_unsure: bool, holds_sound: bool) -> None:
        client = engines(
            vad=UnsureVad() if is_unsure else ScriptedVad(),
            chat=_chat(words, first_s),
            asr=hear_voices("Some words.", "Mm-hm."),
            tts=ScriptedSynthesizer(word_s=WORD_S, first_s=0.05),
            delays_s={"asr": asr_s, "turn": 0.03},
        )
        self.loop = VirtualTimeLoop()
        self.is_over = asyncio.Event()
        self.truncated: set[str] = set()
        self.person: Person
        self.session: Session
        self.task = self.loop.create_task(self._live(client, Ways(holds_sound=holds_sound)))
        self._do(asyncio.sleep(0.1))

    async def _live(self, client: Any, ways: Ways) -> None:
        async with talk(client, SessionConfig(show_transcript=True), ways=ways) as (self.person, self.session):
            await self.is_over.wait()

    def _do(self, act: Coroutine[Any, Any, Any]) -> None:
        self.loop.run_until_complete(act)
        assert not self.task.done(), self.task.exception()

    def _events(self, kind: type[Event]) -> list[Any]:
        return self.person.heard(kind)

    @rule(seconds=moments)
    def the_person_speaks(self, seconds: float) -> None:
        self._do(self.person.speak(seconds))

    @rule(seconds=moments)
    def nobody_speaks(self, seconds: float) -> None:
        self._do(anyio.sleep(seconds))

    @rule(seconds=moments)
    def the_person_speaks_and_waits(self, seconds: float) -> None:
        self._do(self.person.speak(0.6))
        self._do(anyio.sleep(0.5 + seconds))

    @rule(seconds=st.sampled_from([0.1, 0.3, 0.8]))
    def the_person_listens_aloud(self, seconds: float) -> None:
        self._do(self.person.murmur(seconds))

    @rule(sound=sounds, seconds=st.sampled_from([0.06, 0.2, 0.4]))
    def a_sound_begins_and_goes_on(self, sound: str, seconds: float) -> None:
        """Whatever comes next comes in the middle of it."""
        self.person.voice = SOUNDS[sound]
        self._do(anyio.sleep(seconds))

    @rule(seconds=st.sampled_from([COUGH_S, 0.3, 0.8]))
    def there_is_a_noise(self, seconds: float) -> None:
        self._do(self.person.make_noise(seconds))

    @rule(seconds=moments)
    def the_microphone_is_off(self, seconds: float) -> None:
        self.person.is_sending = False
        self._do(anyio.sleep(seconds))
        self.person.is_sending = True

    @rule(pattern=st.lists(st.tuples(sounds, st.integers(1, 75)), max_size=4))
    def a_recording_comes_at_once(self, pattern: list[tuple[str, int]]) -> None:
        pcm = b"".join(SOUNDS[sound] * count for sound, count in pattern)
        # A frame and a half byte: nothing in the session may count on whole ones.
        self._do(self.person.tell(AppendAudio(pcm=pcm[: len(pcm) // 2 | 1])))
        self._do(self.person.tell(AppendAudio(pcm=pcm[len(pcm) // 2 | 1 :])))

    @rule(event=st.sampled_from([CommitAudio(), ClearAudio(), ClearPlayout(), CancelReply(), CreateReply()]))
    def the_client_asks(self, event: Any) -> None:
        self._do(self.person.tell(event))

    @rule()
    def the_client_asks_aside(self) -> None:
        options = ReplyOptions(in_conversation=False, metadata=ASIDE, modality="text", items=(self._text(),))
        self._do(self.person.tell(CreateReply(options=options)))

    def _text(self) -> Message:
        return Message(id=new_id("item"), role="user", parts=(Part(kind="input_text", text="Written words."),))

    @rule(after=st.sampled_from([None, "root", "ghost"]))
    def the_client_writes(self, after: str | None) -> None:
        self._do(self.person.tell(CreateItem(item=self._text(), after=after)))

    @rule(ms=st.sampled_from([-5, 0, 350, 100_000]))
    def the_client_truncates(self, ms: int) -> None:
        items = self._events(ReplyItemStarted)
        item_id = items[-1].item.id if items else "ghost"
        self.truncated.add(item_id)
        self._do(self.person.tell(TruncateItem(item_id=item_id, audio_end_ms=ms)))

    @rule(off_ms=st.sampled_from([-1_000, 0, 1_000]))
    def the_client_tells_what_it_played(self, off_ms: int) -> None:
        items = self._events(ReplyItemStarted)
        item_id = items[-1].item.id if items else "ghost"
        heard_ms = int(self.person.played_ms(item_id, self.loop.time()))
        self._do(self.person.tell(PlayoutReached(item_id=item_id, heard_ms=max(0, heard_ms + off_ms))))

    @rule()
    def the_client_deletes(self) -> None:
        items = self._events(ReplyItemStarted)
        self._do(self.person.tell(DeleteItem(item_id=items[-1].item.id if items else "ghost")))

    @rule(detection=detections, modality=st.sampled_from(["audio", "audio", "text"]))
    def the_client_configures(self, detection: TurnDetection | None, modality: Any) -> None:
        config = SessionConfig(turn_detection=detection, modality=modality, show_transcript=True)
        self._do(self.person.tell(Configure(config=config)))

    @invariant()
    def the_log_is_in_order(self) -> None:
        if hasattr(self, "person"):
            check(self.person.log)

    @invariant()
    def nothing_is_remembered_that_was_not_heard(self) -> None:
        if not hasattr(self, "person"):
            return
        cut_short = {done.reply_id for done in self._events(ReplyDone) if done.status == "cancelled"}
        for started in self._events(ReplyItemStarted):
            entry = self.session._conversation.history.find(started.item.id)
            spoken = any(audio.item_id == started.item.id for audio in self._events(ReplyAudio))
            if entry and spoken and started.reply_id in cut_short and started.item.id not in self.truncated:
                heard_ms = self.person.played_ms(started.item.id, self.loop.time())
                words = len(entry.heard_text.split())
                assert words * WORD_S <= heard_ms / 1000 + SLACK_WORDS * WORD_S, f"{words} words, {heard_ms:.0f} ms"

    def teardown(self) -> None:
        """Whatever has happened: after some quiet, a turn is answered."""
        if not hasattr(self, "person"):
            return
        try:
            self._do(self.person.tell(Configure(config=SessionConfig(show_transcript=True))))
            self.person.voice = SILENCE
            self._do(anyio.sleep(3))
            # A microphone that is off is quiet too, and takes no time to test.
            self.person.is_sending = False
            self._do(anyio.sleep(120))
            assert self.session._turns._machine.state is State.IDLE, "the floor was never given back"
            self.person.is_sending = True
            replies = len(self._events(ReplyStarted))
            assert len(self._events(ReplyDone)) == replies, "a reply never ended"
            assert self.person.loudness() in ("over", None), "an answer is left lowered or held"
            self._do(self.person.speak(0.8))
            self._do(self.person.until(ReplyDone, replies + 1, 20))
            self.is_over.set()
            self.loop.run_until_complete(self.task)
        finally:
            self.task.cancel()
            self.loop.run_until_complete(asyncio.gather(self.task, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()


Talk.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTalk = Talk.TestCase
