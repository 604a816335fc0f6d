"""Where the sound of a conversation is cut, and what is held of it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from duologue.audio.frame import VOICE_RATE_HZ, Int16
from duologue.events import (
    AudioCleared,
    Event,
    IdleTimeout,
    ItemDeleted,
    ItemTruncated,
    PlayoutCleared,
    PlayoutStopped,
    ReplyAudio,
    ReplyItemStarted,
    SpeechStarted,
    SpeechStopped,
    TurnCommitted,
)
from duologue.items import Message
from duologue.server.clip import Clip, Piece, shortened
from duologue.server.tape import BEFORE_SAMPLES, MOST_SAMPLES, Tape

FRAME_MS = 20


@dataclass
class Talk:
    """A session's clock and what the tape made of it. Each sample is the ms that it was sent at."""

    is_by_hand: bool = False
    rate_hz: int = VOICE_RATE_HZ
    now: int = 0
    sent_ms: int = 0
    clips: list[Clip] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tape = Tape(lambda: self.now, lambda: self.is_by_hand, self.clips.append, self.cut.append)

    def send(self, ms: int) -> None:
        """So much sound, which the session takes at once."""
        per_ms = self.rate_hz // 1000
        for _ in range(ms // FRAME_MS):
            samples = np.repeat(np.arange(self.sent_ms, self.sent_ms + FRAME_MS), per_ms)
            self.tape.take(samples.astype("<i2").tobytes(), self.rate_hz)
            self.sent_ms += FRAME_MS
            self.now += FRAME_MS * 16

    def tell(self, *events: Event) -> None:
        for event in events:
            self.tape.watch(event)

    def turn(self, start_ms: int, end_ms: int, item_id: str = "u") -> None:
        self.tell(SpeechStarted(item_id=item_id, at_ms=start_ms), *ended(item_id, end_ms))

    def answer(self, item_id: str, seconds: float, reply_id: str = "r") -> None:
        self.tell(begun(item_id, reply_id))
        for _ in range(round(seconds * 10)):
            self.tell(ReplyAudio(reply_id=reply_id, item_id=item_id, pcm=bytes(2 * VOICE_RATE_HZ // 10)))


def begun(item_id: str, reply_id: str, *, in_conversation: bool = True) -> Event:
    item = Message(id=item_id, role="assistant", parts=())
    return ReplyItemStarted(reply_id=reply_id, item=item, previous_item_id=None, in_conversation=in_conversation)


def ended(item_id: str, end_ms: int) -> tuple[Event, Event]:
    return SpeechStopped(item_id=item_id, at_ms=end_ms), TurnCommitted(item_id=item_id, previous_item_id=None)


def samples(wav: bytes) -> tuple[int, Int16]:
    """The rate and the sound of a file."""
    return int.from_bytes(wav[24:28], "little"), np.frombuffer(wav, "<i2", offset=44)


def span_ms(clip: Clip) -> tuple[int, int]:
    """The first and the last sample, each the ms that it was sent at."""
    _, sound = samples(clip.wav())
    return int(sound[0]), int(sound[-1])


def test_a_turn_is_from_its_padding_to_its_end() -> None:
    talk = Talk()
    talk.send(3000)
    talk.tell(SpeechStarted(item_id="u", at_ms=2500))
    talk.send(2000)
    talk.tell(*ended("u", 4400))
    [clip] = talk.clips
    assert clip.item_id == "u"
    assert span_ms(clip) == (2500, 4399)
    rate_hz, sound = samples(clip.wav())
    assert (rate_hz, len(sound)) == (VOICE_RATE_HZ, round(1.9 * VOICE_RATE_HZ))


def test_turns_follow_each_other() -> None:
    talk = Talk()
    talk.send(2000)
    talk.turn(500, 1500, "first")
    talk.send(2000)
    talk.turn(1500, 3200, "second")
    assert [(clip.item_id, *span_ms(clip)) for clip in talk.clips] == [("first", 500, 1499), ("second", 1500, 3199)]


def test_silence_that_the_session_put_in_moves_the_clock() -> None:
    talk = Talk()
    talk.send(1000)
    talk.tell(SpeechStarted(item_id="u", at_ms=500))
    # Nothing came for half a second.
    talk.now += 8_000
    talk.send(1000)
    talk.tell(*ended("u", 2000))
    talk.send(1000)
    talk.turn(2600, 3000, "later")
    [gapped, later] = talk.clips
    _, sound = samples(gapped.wav())
    at = VOICE_RATE_HZ // 1000
    assert len(sound) == 1500 * at
    assert not sound[500 * at : 1000 * at].any()
    assert sound[1000 * at] == 1000
    assert span_ms(later) == (2100, 2499)


def test_what_is_heard_late_is_still_there() -> None:
    talk = Talk()
    talk.send(6000)
    talk.turn(100, 5000)
    assert span_ms(talk.clips[0]) == (100, 4999)


def test_while_nobody_speaks_little_is_held() -> None:
    talk = Talk()
    talk.send(20_000)
    assert talk.tape.users.held <= BEFORE_SAMPLES + 2 * FRAME_MS * 16
    talk.turn(19_000, 20_000)
    assert talk.tape.users.held == 0


def test_a_minute_is_kept_of_a_long_turn() -> None:
    talk = Talk(rate_hz=8_000)
    talk.tell(SpeechStarted(item_id="u", at_ms=0))
    talk.send(100_000)
    assert talk.tape.users.held <= MOST_SAMPLES + BEFORE_SAMPLES + 2 * FRAME_MS * 16
    talk.tell(*ended("u", 100_000))
    [clip] = talk.clips
    rate_hz, sound = samples(clip.wav())
    assert (rate_hz, len(sound)) == (8_000, 60 * 8_000)
    assert clip.size <= 2 * (60 * 8_000 + 160)


def test_what_was_taken_back_leaves_nothing() -> None:
    talk = Talk()
    talk.send(1000)
    talk.tell(SpeechStarted(item_id="u", at_ms=100))
    talk.send(1000)
    talk.tell(SpeechStopped(item_id="u", at_ms=2000), AudioCleared())
    assert talk.tape.users.held == 0
    talk.tell(IdleTimeout(item_id="i", start_ms=0, end_ms=2000), TurnCommitted(item_id="i", previous_item_id=None))
    assert talk.clips == []


def test_by_hand_all_is_kept_that_is_committed() -> None:
    talk = Talk(is_by_hand=True)
    talk.send(12_000)
    talk.tell(TurnCommitted(item_id="a", previous_item_id=None))
    talk.send(1000)
    talk.tell(AudioCleared())
    talk.send(1000)
    talk.tell(TurnCommitted(item_id="b", previous_item_id=None))
    assert [(clip.item_id, *span_ms(clip)) for clip in talk.clips] == [("a", 0, 11_999), ("b", 13_000, 13_999)]
    talk.send(30_000)
    talk.is_by_hand = False
    talk.send(FRAME_MS)
    assert talk.tape.users.held <= BEFORE_SAMPLES + 2 * FRAME_MS * 16


def test_a_committed_turn_that_the_vad_found_nothing_in() -> None:
    talk = Talk()
    talk.send(2000)
    talk.tell(TurnCommitted(item_id="u", previous_item_id=None))
    assert span_ms(talk.clips[0]) == (0, 1999)


def test_sound_at_other_rates_and_cut_anywhere() -> None:
    tone = (np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000) * 8_000).astype("<i2").tobytes()
    talk = Talk()
    talk.tape.take(tone[:4_001], 48_000)
    talk.tape.take(tone[4_001:], 48_000)
    talk.now = 16_000
    talk.turn(0, 1000)
    rate_hz, sound = samples(talk.clips[0].wav())
    # To a sample of the session's clock for each piece.
    assert rate_hz == 24_000
    assert abs(len(sound) - 24_000) <= 4
    spectrum = np.abs(np.fft.rfft(sound))
    assert int(spectrum.argmax()) == 440


def test_rates_that_change_in_the_middle() -> None:
    pieces = (Piece(0, 8_000, bytes(1_600)), Piece(1_600, 24_000, b"\x10\x27" * 2_400))
    rate_hz, sound = samples(Clip("u", pieces, 0, 3_200).wav())
    assert (rate_hz, len(sound)) == (8_000, 1_600)
    assert not sound[:700].any()
    assert abs(int(sound[1_200]) - 10_000) < 200


def test_an_answer_is_given_when_it_was_heard_or_cut_off() -> None:
    talk = Talk()
    talk.answer("a", 2.0, "r1")
    talk.answer("b", 1.0, "r1")
    talk.answer("c", 1.0, "r2")
    assert talk.clips == []
    talk.tell(PlayoutStopped(reply_id="r1"))
    assert [(clip.item_id, clip.length) for clip in talk.clips] == [("a", 32_000), ("b", 16_000)]
    talk.tell(PlayoutCleared(reply_id="r2", item_id="c", heard_ms=400))
    assert talk.clips[2].item_id == "c"
    assert len(samples(talk.clips[2].up_to(400).wav())[1]) == 9_600
    assert talk.clips[2].up_to(0).length == 0
    talk.tell(ItemTruncated(item_id="c", audio_end_ms=300))
    assert talk.cut == ["c"]


def test_a_minute_is_kept_of_a_long_answer() -> None:
    talk = Talk()
    talk.answer("a", 70.0)
    talk.tell(PlayoutStopped(reply_id="r"))
    assert talk.clips[0].size == 60 * 2 * VOICE_RATE_HZ


def test_answers_outside_the_conversation_and_deleted_ones_are_not_kept() -> None:
    talk = Talk()
    talk.tell(begun("aside", "r", in_conversation=False))
    talk.tell(ReplyAudio(reply_id="r", item_id="aside", pcm=bytes(4_800)))
    talk.answer("gone", 1.0)
    talk.tell(ItemDeleted(item_id="gone"), PlayoutStopped(reply_id="r"))
    assert talk.clips == []


def test_at_the_end_what_sounds_is_given_and_nothing_is_held() -> None:
    talk = Talk()
    talk.send(1000)
    talk.tell(SpeechStarted(item_id="u", at_ms=0))
    talk.answer("a", 1.0)
    talk.tape.end()
    assert [clip.item_id for clip in talk.clips] == ["a"]
    talk.send(1000)
    assert talk.tape.users.held == 0


def test_a_file_is_shortened() -> None:
    wav = Clip("a", (Piece(0, 24_000, b"\x01\x02" * 24_000),), 0, 16_000).wav()
    rate_hz, sound = samples(shortened(wav, 250))
    assert (rate_hz, len(sound)) == (24_000, 6_000)
    assert set(sound.tolist()) == {0x0201}
