"""A sound over an answer, as long as it lasts: what is known of it, and when to ask for its words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from duologue.audio.echo import ECHO_LIKENESS
from duologue.audio.frame import ms_to_samples, samples_to_ms
from duologue.session.floor import Clock, OverlapHeard
from duologue.session.interruption import COVERED_SHARE, Overlap, Verdict, judge

# The first words are asked for when there is enough to tell "mm-hm" from "what is"; then after so much more sound.
FIRST_ASKED = ms_to_samples(160)
ASKED_AGAIN = ms_to_samples(100)
# Of a sound that was taken for none of ours, less often, and the less the longer it lasts: it may be music.
WATCHED_AGAIN, WATCHED_SELDOM = ms_to_samples(600), ms_to_samples(3_000)
# Of a sound that goes on only what came last is looked at, and is the turn if it turns out to be one: a recogniser
# takes half a second for 8 s.
LONGEST_SAMPLES = ms_to_samples(2_500)
# The echo is judged by the last so much of the microphone.
ECHO_SAMPLES = ms_to_samples(250)
# What was the answer's echo and is so no more, twice in a row or by far, is a voice of its own, perhaps over it.
ECHO_LOST, LOST_SAMPLES, ECHO_GONE = 0.6, ms_to_samples(150), 0.4


@dataclass(slots=True)
class Contest:
    """``suspected``: the sample at which there may have been a voice; ``began``: its first window of speech;
    ``loud_until``: its last so far. ``verdict``: the last that was not open."""

    suspected: int
    began: int
    is_audible: bool
    has_echo: bool = False
    loud_until: int = 0
    now: int = 0
    has_ended: bool = False
    verdict: Verdict | None = None
    _asked_until: int = 0
    _is_asked: bool = False
    _was_echo: bool = False
    _lost_since: int = 0
    _known: Overlap = field(default_factory=lambda: Overlap(0.0, 0.0))

    def __post_init__(self) -> None:
        self.loud_until = self.now = self._lost_since = self.began

    def tick(self, clock: Clock) -> None:
        """It is later."""
        self.now = max(self.now, clock.now)
        self._known = replace(self._known, left_ms=clock.left_ms)
        if self.has_ended:
            return
        self.loud_until = max(self.loud_until, min(clock.loud_until, clock.now))
        self._known = replace(self._known, echo=clock.echo)
        self._was_echo |= clock.echo >= ECHO_LIKENESS
        if clock.echo >= ECHO_LOST:
            self._lost_since = clock.now
        is_lost = clock.echo < ECHO_GONE or clock.now - self._lost_since >= LOST_SAMPLES
        if self.verdict is Verdict.ECHO and self._was_echo and is_lost:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """There is a voice over the echo, or behind it, from somewhere in the last window that was judged."""
        self.verdict, self.suspected, self._was_echo = None, self.now, False
        self.began = max(self.began, self.now - ECHO_SAMPLES)
        self._asked_until, self._is_asked = 0, False
        self._known = Overlap(0.0, 0.0, left_ms=self._known.left_ms)

    def end(self, at: int) -> None:
        self.has_ended, self.loud_until = True, max(at, self.began)

    def go_on(self) -> None:
        """It was only a gap: "mm-hm" has one."""
        self.has_ended = False

    def hear(self, heard: OverlapHeard) -> None:
        """The words of its sound up to a moment, if they could be had. Those of an earlier sound may come late."""
        if heard.began != self.began:
            return
        self._is_asked = False
        if heard.text is not None:
            words_ms = samples_to_ms(heard.until - self.began)
            known = replace(self._known, words=heard.text, words_ms=words_ms, said_share=heard.said_share)
            self._known = replace(known, echo=max(known.echo, heard.echo))

    def judge(self) -> Verdict:
        verdict = judge(
            replace(
                self._known,
                suspected_ms=samples_to_ms(self.now - self.suspected),
                lasted_ms=self.lasted_ms,
                has_ended=self.has_ended,
                is_audible=self.is_audible,
                has_echo=self.has_echo or self._was_echo,
            )
        )
        self.verdict = self.verdict if verdict.is_open else verdict
        return verdict

    @property
    def lasted_ms(self) -> float:
        return samples_to_ms(self.loud_until - self.began)

    @property
    def turn_began(self) -> int:
        """Where the user's turn begins, if it is one: not with the music, or the echo, that went before."""
        ours = self._lost_since - ECHO_SAMPLES if self._was_echo else self.began
        return max(self.began, ours, self.loud_until - LONGEST_SAMPLES)

    @property
    def words(self) -> str:
        return self._known.words or ""

    def ask(self) -> int | None:
        """Up to which sample the words are wanted now; None while they are not."""
        if self._is_asked or not self.is_audible:
            return None
        until = self.loud_until if self.has_ended else self.now
        if not self._is_due(until):
            return None
        self._is_asked, self._asked_until = True, until
        return until

    def _is_due(self, until: int) -> bool:
        if self.has_ended:
            asked_ms = samples_to_ms(self._asked_until - self.began) if self._asked_until else 0.0
            return asked_ms < COVERED_SHARE * self.lasted_ms
        if not self._asked_until:
            return until - self.began >= FIRST_ASKED
        if self.verdict is None:
            return until - self._asked_until >= ASKED_AGAIN
        return until - self._asked_until >= min(WATCHED_AGAIN + (until - self.began) // 8, WATCHED_SELDOM)
