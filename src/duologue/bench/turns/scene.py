"""What one simulated caller does in the benchmark of conversation: one act after the other, and what came of each.

An act is a sound over a long answer, or into a silence, or just listening with the own loudspeaker in the microphone.
Pure, as `bench.person` is: no clock, no socket; each ``yield`` lets 20 ms pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from duologue.audio.frame import Int16, to_float, to_int16
from duologue.bench.ears import Change
from duologue.bench.person import LONG_ANSWER_WISH
from duologue.bench.talker import Captured, Talker
from duologue.bench.timeline import CANCELLED_GRACE_S, Answer
from duologue.bench.turns.heard import Said
from duologue.bench.turns.listener import CutOffAt, Listener, Verdict
from duologue.bench.turns.room import Echo, Room
from duologue.bench.turns.sounds import Sound

ANSWER_WITHIN_S = 10.0
# Of an answer that ends sooner after the sound than this nobody can say whether it was stopped.
LEAST_LEFT_S = 1.0
# An answer that was cut off for nothing may be taken up again so much later.
TAKEN_UP_WITHIN_S = 4.0
# What the server still has to say to an interruption is not waited for longer than this.
SETTLES_WITHIN_S = 6.0
QUIET_S = 0.6
# A server that thinks for ever that somebody speaks is not waited for for ever.
GIVES_UP_AFTER_S = 20.0
MOST_WISHES = 3
REMEMBERS_WITHIN_S = 3.0
SAME_WORDS = 4

Account = Literal["truncate", "reports", "clock"]
Outcome = Literal["ignored", "lowered", "held", "cut", "stopped", "answer ended", "no answer"]


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """``sound`` None: only listen, for ``listen_s``. ``place``: over a long answer, from ``wait_s`` after the answer
    became audible or the act before it was over; or alone, while nobody speaks. ``echo``: of the own loudspeaker.

    ``remembers``: ask the server afterwards what it remembers of an answer that was cut off.
    """

    part: str
    place: Literal["over", "alone"] = "over"
    sound: Sound | None = None
    wait_s: float = 1.0
    listen_s: float = 0.0
    echo: Echo | None = None
    remembers: bool = False


class Seen(msgspec.Struct, kw_only=True):
    """What came of one act, in the caller's seconds. ``onset_at`` and ``end_at``: of the sound as it was made, not as
    it was sent. ``cut`` and ``said``: of the item that was cut off; ``remembered``: its words by the server;
    ``taken_up_at``: when it was heard to go on after all."""

    act: Act
    account: Account = "truncate"
    onset_at: float = math.nan
    end_at: float = math.nan
    until: float = math.nan
    outcome: Outcome = "no answer"
    changes: list[Change] = []
    verdicts: list[Verdict] = []
    onsets: int = 0
    commits: int = 0
    answers: int = 0
    heard_words: str = ""
    taken_up_at: float | None = None
    cut: CutOffAt | None = None
    said: Said | None = None
    remembered: str | None = None


class Guest(Talker):
    """Plays ``acts``; ``seen`` fills up.

    ``account``: how the server learns what was heard of an answer that is cut off: by ``truncate``, as browsers do; by
    playback ``reports``, of one who obeys (see `ears`); or not at all, so that its own ``clock`` has to do.
    """

    def __init__(
        self,
        acts: Sequence[Act],
        *,
        account: Account = "truncate",
        room: Int16 | None = None,
        seed: int = 0,
        on_act: Callable[[], None] = lambda: None,
    ) -> None:
        self.listener = Listener(keeps_audio=any(act.echo is not None for act in acts))
        self.listener.truncates = account == "truncate"
        super().__init__(self.listener, room=room, reports=account == "reports")
        self._acts = acts
        self._account = account
        self._seed = seed
        self._on_act = on_act
        self._way_back: Room | None = None
        self._frame_at = 0.0
        self.seen: list[Seen] = []

    @property
    def is_in_silence(self) -> bool:
        return super().is_in_silence and not any(act.echo is not None for act in self._acts)

    def capture(self, starts_at: float) -> tuple[Captured, list[dict[str, object]]]:
        self._frame_at = starts_at
        return super().capture(starts_at)

    def sound(self, captured: Captured) -> Int16:
        """With what comes back of the own loudspeaker: int16 [480]."""
        frame = super().sound(captured)
        if self._way_back is None:
            return frame
        return to_int16(to_float(frame) + self._way_back.heard(self.listener.speaker, self._frame_at))

    # --- the script ---------------------------------------------------------------------------------------------------

    def _converse(self) -> Iterator[None]:
        yield from self._pause_until(self._began_at + QUIET_S)
        for act in self._acts:
            seen = Seen(act=act, account=self._account)
            self._way_back = Room(act.echo, self._seed) if act.echo is not None else None
            if act.place == "alone":
                yield from self._alone(seen)
            else:
                yield from self._over(seen)
            self.seen.append(seen)
            self._on_act()

    def _alone(self, seen: Seen) -> Iterator[None]:
        """Make the sound while nobody speaks."""
        yield from self._fall_quiet()
        yield from self._pause_until(self._now + seen.act.wait_s)
        yield from self._sound_out(seen)
        yield from self._pause_until(seen.end_at + CANCELLED_GRACE_S)
        self._note(seen)
        seen.outcome = "stopped" if seen.commits else "ignored"

    def _over(self, seen: Seen) -> Iterator[None]:
        """Make the sound over a long answer."""
        yield from self._have_answer(seen.act)
        answer = self.listener.long_answer
        if answer is None or not self._goes_on(answer, LEAST_LEFT_S):
            return
        yield from self._sound_out(seen)
        yield from self._pause_until(seen.end_at + CANCELLED_GRACE_S)
        yield from self._await_outcome(answer, seen)
        if seen.cut is not None and seen.act.remembers:
            yield from self._ask_memory(seen)
        self._note(seen)
        seen.outcome = self._outcome(answer, seen)

    def _have_answer(self, act: Act) -> Iterator[None]:
        """A long answer is being heard, and has been for ``act.wait_s``, with time left for the sound."""
        length_s = act.sound.clip.speech_end_s if act.sound is not None else 0.0
        needs_s = act.wait_s + LEAST_LEFT_S + min(length_s, LEAST_LEFT_S)
        for _ in range(MOST_WISHES):
            answer = self.listener.long_answer
            if answer is None or not self._goes_on(answer, needs_s):
                # A server that answers its own echo never falls quiet while it hears it.
                way_back, self._way_back = self._way_back, None
                yield from self._fall_quiet()
                self._way_back = way_back
                yield from self._ask_for_answer()
                answer = self.listener.long_answer
            if answer is not None and answer.audible_at is not None:
                yield from self._pause_until(self._now + act.wait_s)
                if self._goes_on(answer, LEAST_LEFT_S):
                    return

    def _ask_for_answer(self) -> Iterator[None]:
        self._wish(LONG_ANSWER_WISH)
        self.listener.expect_long_answer()
        deadline = self._now + ANSWER_WITHIN_S
        while self._now < deadline:
            answer = self.listener.long_answer
            if answer is not None and answer.audible_at is not None and answer.audible_at <= self._now:
                return
            yield

    def _fall_quiet(self) -> Iterator[None]:
        """Until nobody says anything any more; what is said too long is cancelled."""
        deadline, quiet_since = self._now + SETTLES_WITHIN_S, self._now
        gives_up_at = self._now + GIVES_UP_AFTER_S
        while self._now < quiet_since + QUIET_S:
            is_over = self._now >= deadline
            if is_over and self.listener.is_answering:
                self._outbox.append({"type": "response.cancel"})
            if is_over:
                self.listener.speaker.flush(self._now)
                deadline = self._now + SETTLES_WITHIN_S
            heard = self.listener
            if heard.is_taken_for_speaking or heard.is_answering or heard.speaker.is_playing(self._now):
                quiet_since = self._now
            if self._now >= gives_up_at:
                return
            yield

    def _sound_out(self, seen: Seen) -> Iterator[None]:
        """Make the act's sound, or only listen."""
        sound = seen.act.sound
        seen.onset_at, seen.end_at = self._now, self._now + seen.act.listen_s
        if sound is not None:
            seen.onset_at, seen.end_at = self._utter(sound.clip)
        yield from self._pause_until(seen.end_at)
        while self._saying is not None:
            yield

    def _await_outcome(self, answer: Answer, seen: Seen) -> Iterator[None]:
        """An answer that is held is resumed or stopped; one that was cut off is taken up again, or is not."""
        deadline = self._now + TAKEN_UP_WITHIN_S
        while self._now < deadline and self.listener.speaker.is_held:
            yield
        cuts = [cut for cut in self.listener.cuts if cut.at >= seen.onset_at]
        if not cuts:
            return
        seen.cut = cuts[0]
        seen.said = self.listener.said.get(seen.cut.item_id)
        while self._now < deadline and not self._words_since(seen):
            if (taken_up := self._taken_up(seen)) is not None:
                self.listener.long_answer, seen.taken_up_at = taken_up, taken_up.audible_at
                return
            yield

    def _ask_memory(self, seen: Seen) -> Iterator[None]:
        """What does the server remember of the answer that was cut off?"""
        assert seen.cut is not None
        item_id = seen.cut.item_id
        yield from self._pause_until(self._now + QUIET_S)
        self._outbox.append({"type": "conversation.item.retrieve", "item_id": item_id})
        self.listener.remembered.pop(item_id, None)
        deadline = self._now + REMEMBERS_WITHIN_S
        while self._now < deadline and item_id not in self.listener.remembered:
            yield
        seen.remembered = self.listener.remembered.get(item_id)

    # --- what came of it ----------------------------------------------------------------------------------------------

    def _goes_on(self, answer: Answer, least_s: float) -> bool:
        """True where the answer is still heard, and as far as is known will be for ``least_s``."""
        if answer.audible_at is None or answer.play_ends_at is None or answer.status in {"cancelled", "failed"}:
            return False
        return answer.play_ends_at > self._now + (least_s if answer.done_at is not None else 0.0)

    def _taken_up(self, seen: Seen) -> Answer | None:
        """The answer that was begun after the cut, is heard, and goes on where the other was cut off, or comes without
        anything having been said."""
        assert seen.cut is not None
        for answer in self.listener.answers:
            if answer.created_at < seen.cut.at or answer.audible_at is None:
                continue
            rest = self.listener.said.get(self.listener.item_of(answer))
            goes_on = seen.said and rest and continues(seen.said, rest.text, seen.cut.heard_ms)
            if goes_on or not self._words_since(seen):
                return answer
        return None

    def _words_since(self, seen: Seen) -> str:
        """What the server wrote down since the sound began."""
        return " ".join(text for at, text in self.listener.transcripts if at >= seen.onset_at and text.strip())

    def _note(self, seen: Seen) -> None:
        """Take what belongs to the act out of what was heard."""
        heard, since = self.listener, seen.onset_at
        seen.until = self._now
        seen.changes = [change for change in heard.changes if change.at >= since]
        seen.verdicts = [verdict for verdict in heard.verdicts if verdict.at >= since]
        seen.onsets = sum(at >= since for at in heard.onsets)
        seen.commits = sum(at >= since for at in heard.commits)
        seen.answers = sum(answer.created_at >= since for answer in heard.answers)
        seen.heard_words = self._words_since(seen)

    def _outcome(self, answer: Answer, seen: Seen) -> Outcome:
        done = {change.what for change in seen.changes}
        if seen.cut is not None:
            return "stopped" if self._taken_up(seen) is None else "cut"
        if answer.status == "cancelled" or (self.listener.speaker.is_held and "held" in done):
            return "stopped"
        if "held" in done:
            return "held"
        if "lowered" in done:
            return "lowered"
        left_s = (answer.play_ends_at or seen.onset_at) - seen.onset_at
        return "answer ended" if answer.done_at is not None and left_s < LEAST_LEFT_S else "ignored"


def continues(begun: Said, rest: str, heard_ms: float) -> bool:
    """True where ``rest`` begins with words of ``begun`` that are near or behind the place where it was cut off, at
    ``heard_ms``: the rest of it, said after all. Of the words that are known, at least two have to agree."""
    words, more = begun.text.split(), rest.split()
    heard = int(len(words) * heard_ms / begun.sent_ms) if begun.sent_ms else 0
    for place in range(max(0, heard - SAME_WORDS), len(words) - 1):
        count = min(len(words) - place, len(more), SAME_WORDS)
        if count > 1 and words[place : place + count] == more[:count]:
            return True
    return False
