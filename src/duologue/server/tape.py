"""What a conversation sounds like, cut into its turns and answers while it is held. Where no sound is kept there is
none of this.

What the client sends is held on the session's input clock: as much as the beginning of a turn may still be found in,
and from then on the turn. What the session says tells where to cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from duologue.audio.codec import Pcm16Decoder
from duologue.audio.frame import SESSION_RATE_HZ, VOICE_RATE_HZ, ms_to_samples
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
from duologue.server.clip import Clip, Piece

# Of each item so much is kept: 2.9 MB.
MOST_SAMPLES = 60 * SESSION_RATE_HZ
# So late may a session say that somebody has begun to speak: 3.5 s over an answer, where it is weighed whether that is
# an interruption, and 4 s while its sound waits to be looked at.
BEFORE_SAMPLES = ms_to_samples(7_500)


class UsersSound:
    """What the client sends. ``start``: of the open turn; None: there is none."""

    def __init__(self) -> None:
        self.start: int | None = None
        self._turn: list[Piece] = []
        self._recent: deque[Piece] = deque()
        self._decoder = Pcm16Decoder()
        self._end = 0

    @property
    def held(self) -> int:
        """How much of it there is, in samples of 16 kHz."""
        return sum(piece.end - piece.start for piece in chain(self._turn, self._recent))

    def take(self, pcm: bytes, rate_hz: int, now: int) -> None:
        """``now``: what the session's clock says before it has this. It is behind where sound waits to be looked at,
        and ahead where it took silence for what did not come."""
        pcm = self._decoder.whole(pcm)
        if not pcm:
            return
        piece = Piece(max(self._end, now), rate_hz, pcm)
        self._end = piece.end
        self._recent.append(piece)
        while self._recent[0].end <= now - BEFORE_SAMPLES:
            self._let_go(self._recent.popleft())

    def _let_go(self, piece: Piece) -> None:
        """Only what is the open turn's stays."""
        if self.start is not None and piece.end > self.start and piece.start < self.start + MOST_SAMPLES:
            self._turn.append(piece)

    def cut(self, item_id: str, start: int, until: int) -> Clip:
        """The turn is over."""
        stop = min(until, start + MOST_SAMPLES)
        pieces = tuple(each for each in chain(self._turn, self._recent) if each.end > start and each.start < stop)
        self.forget(until)
        return Clip(item_id, pieces, max(start, pieces[0].start) if pieces else start, stop)

    def forget(self, until: int) -> None:
        """There is no open turn, and what came before ``until`` will be in none."""
        self.start = None
        self._turn.clear()
        while self._recent and self._recent[0].end <= until:
            self._recent.popleft()


@dataclass(slots=True)
class _Spoken:
    """An answer's sound so far."""

    reply_id: str
    pieces: list[Piece]
    samples: int = 0

    def add(self, pcm: bytes) -> None:
        start = self.samples * SESSION_RATE_HZ // VOICE_RATE_HZ
        if start < MOST_SAMPLES:
            self.pieces.append(Piece(start, VOICE_RATE_HZ, pcm))
        self.samples += len(pcm) >> 1


class Tape:
    """Both sides. ``take`` what the client sends, ``watch`` what the session says.

    ``give`` is given each turn when it is committed, each answer when it has been heard or cut off; ``cut`` is told of
    an answer of which less was heard than was thought. ``now``: of the session's clock; ``is_by_hand``: the client
    says when a turn is over.
    """

    def __init__(
        self,
        now: Callable[[], int],
        is_by_hand: Callable[[], bool],
        give: Callable[[Clip], None],
        cut: Callable[[str], None],
    ) -> None:
        self._now, self._is_by_hand = now, is_by_hand
        self._give, self._cut = give, cut
        self.users = UsersSound()
        self._turn_id: str | None = None
        self._until: int | None = None
        self._uncommitted = 0
        self._spoken: dict[str, _Spoken] = {}
        self._is_over = False

    def take(self, pcm: bytes, rate_hz: int) -> None:
        """s16le mono, before the session is told of it."""
        if self._is_over:
            return
        if self._turn_id is None:
            self._follow_hand()
        self.users.take(pcm, rate_hz, self._now())

    def _follow_hand(self) -> None:
        """Where the client commits by hand all that it has not committed is a turn."""
        if self._is_by_hand():
            if self.users.start is None:
                self.users.start = self._uncommitted
        elif self.users.start is not None:
            self._uncommitted = self._now()
            self.users.forget(self._uncommitted)

    def watch(self, event: Event) -> None:
        take = self._TAKES.get(type(event))
        if take is not None and not self._is_over:
            take(self, event)

    def end(self) -> None:
        """The conversation is over: what was heard of the answers is given, and nothing is held any more."""
        for reply_id in {spoken.reply_id for spoken in self._spoken.values()}:
            self._heard_out(reply_id)
        self.forget()

    def forget(self) -> None:
        """Nothing more is wanted."""
        self._is_over = True
        self.users = UsersSound()
        self._spoken.clear()

    # --- the user's turns -----------------------------------------------------------------------------------------

    def _started(self, event: SpeechStarted) -> None:
        self._turn_id, self._until = event.item_id, None
        self.users.forget(self._uncommitted)
        self.users.start = ms_to_samples(event.at_ms)

    def _stopped(self, event: SpeechStopped) -> None:
        self._until = ms_to_samples(event.at_ms)

    def _committed(self, event: TurnCommitted) -> None:
        until = self._now() if self._until is None or self._is_by_hand() else self._until
        start = self._uncommitted if self.users.start is None else self.users.start
        clip = self.users.cut(event.item_id, start, until)
        self._begin_anew(until)
        if clip.length:
            self._give(clip)

    def _cleared(self, _event: AudioCleared) -> None:
        self._begin_anew(self._now())

    def _passed(self, event: IdleTimeout) -> None:
        """The user's turn that follows is an empty one."""
        self._begin_anew(max(ms_to_samples(event.end_ms), self._now()))

    def _begin_anew(self, at: int) -> None:
        self._turn_id, self._until, self._uncommitted = None, None, at
        self.users.forget(at)

    # --- the answers ----------------------------------------------------------------------------------------------

    def _begun(self, event: ReplyItemStarted) -> None:
        if event.in_conversation and isinstance(event.item, Message):
            self._spoken[event.item.id] = _Spoken(event.reply_id, [])

    def _sounded(self, event: ReplyAudio) -> None:
        spoken = self._spoken.get(event.item_id)
        if spoken is not None:
            spoken.add(event.pcm)

    def _ended(self, event: PlayoutStopped | PlayoutCleared) -> None:
        self._heard_out(event.reply_id)

    def _heard_out(self, reply_id: str) -> None:
        """How much of it was heard, the history tells."""
        for item_id in [name for name, spoken in self._spoken.items() if spoken.reply_id == reply_id]:
            clip = Clip(item_id, tuple(self._spoken.pop(item_id).pieces), 0, MOST_SAMPLES)
            if clip.length:
                self._give(clip)

    def _truncated(self, event: ItemTruncated) -> None:
        self._cut(event.item_id)

    def _deleted(self, event: ItemDeleted) -> None:
        self._spoken.pop(event.item_id, None)

    _TAKES: ClassVar[Mapping[type[Event], Callable[[Any, Any], None]]] = {
        SpeechStarted: _started,
        SpeechStopped: _stopped,
        TurnCommitted: _committed,
        AudioCleared: _cleared,
        IdleTimeout: _passed,
        ReplyItemStarted: _begun,
        ReplyAudio: _sounded,
        PlayoutStopped: _ended,
        PlayoutCleared: _ended,
        ItemTruncated: _truncated,
        ItemDeleted: _deleted,
    }
