"""What is done to find out what a sound over an answer is: its words, and whether it is the answer's own echo."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from duologue.audio.echo import ECHO_LIKENESS, LONGEST_DELAY_MS, MOST_EARLY_MS, EchoPath
from duologue.audio.frame import SESSION_RATE_HZ, ms_to_samples
from duologue.engines.base import TranscribeRequest
from duologue.engines.client import ASR, EngineClient
from duologue.errors import CapacityError, EngineError
from duologue.session.answers import Answers
from duologue.session.contest import ECHO_SAMPLES, LONGEST_SAMPLES
from duologue.session.floor import AskOverlap, OverlapHeard
from duologue.session.hearing import Found, Hearing
from duologue.session.likeness import said_share
from duologue.session.vad import Onset, Pause, Suspected

# The VAD is late for soft consonants; a recogniser needs the first sound of a word.
BEFORE_SAMPLES = ms_to_samples(200)
# Somebody waits for it, and hears a lowered answer meanwhile; or nobody does.
WORDS_DUE_S, WATCHED_DUE_S = 0.05, 0.5
# Words that come later have been decided without.
PATIENCE_S = 2.0
# The end of an answer that comes back by itself is no longer than this.
TAIL_S = 1.0
# The echo is judged again after so much more sound.
ECHO_AGAIN, ECHO_WATCHED = ms_to_samples(100), ms_to_samples(200)


class Overlaps:
    """``hearing``: the user's sound; ``answers``: the assistant's; ``post``: to the session's inbox."""

    def __init__(
        self,
        engines: EngineClient,
        hearing: Hearing,
        answers: Answers,
        language: Callable[[], str | None],
        post: Callable[[object], None],
    ) -> None:
        self._engines = engines
        self._hearing = hearing
        self._answers = answers
        self._language = language
        self._post = post
        self._path = EchoPath()
        self._judged_at = -ECHO_AGAIN
        self._echo = 0.0
        # Where sound ended that was an answer coming back.
        self._echo_until: int | None = None

    def echo(self, *, is_watched: bool = False) -> float:
        """How much of the microphone's last sound the answer explains, in [0, 1]. Now and then anew, which takes 3 ms:
        less often where the sound is merely watched."""
        now = self._hearing.now
        if now - self._judged_at >= (ECHO_WATCHED if is_watched else ECHO_AGAIN):
            self._judged_at, self._echo = now, self._judge_echo()
        return self._echo

    def explains(self, found: Found, *, is_quiet: bool) -> bool:
        """Whether nobody need hear of it, since it is an answer coming back: a suspicion over that answer, or an onset
        that is not weighed, behind it or since nobody may interrupt (``is_quiet``)."""
        if isinstance(found, Pause):
            self._echo_until = found.at if self._is_tail(found.at) else None
        if isinstance(found, Suspected):
            return self.echo() >= ECHO_LIKENESS
        is_tail = isinstance(found, Onset) and is_quiet and self._is_tail()
        if is_tail:
            # Not deaf: a voice that goes on behind the echo begins anew with the next windows.
            self._hearing.reset()
        return is_tail

    def was_echo(self, began: int, until: int) -> bool:
        """Whether the sound between two samples was an answer coming back."""
        return until == self._echo_until and until - began <= TAIL_S * SESSION_RATE_HZ

    def _is_tail(self, until: int | None = None) -> bool:
        """Whether the microphone's sound up to ``until``, the last where it is not given, is the end of an answer."""
        began_s = anyio.current_time() if until is None else self._hearing.moment_s(until) - TAIL_S
        return self._answers.sounded_at(began_s - LONGEST_DELAY_MS / 1000) and self._judge_echo(until) >= ECHO_LIKENESS

    def _judge_echo(self, until: int | None = None) -> float:
        heard, until = self._hearing.latest(ECHO_SAMPLES, until)
        if len(heard) < ECHO_SAMPLES:
            return 0.0
        until_s = self._hearing.moment_s(until)
        from_s = until_s - ECHO_SAMPLES / SESSION_RATE_HZ - LONGEST_DELAY_MS / 1000
        played = self._answers.between(from_s, until_s + MOST_EARLY_MS / 1000)
        return self._path.judge(heard, played).likeness

    def ask(self, tasks: TaskGroup, command: AskOverlap) -> None:
        """Find out the words, beside all else."""
        start = max(command.began - BEFORE_SAMPLES, command.until - LONGEST_SAMPLES)
        sound = self._hearing.sound(start, command.until)
        tasks.start_soon(self._transcribe, TranscribeRequest(sound, self._language()), command)

    async def _transcribe(self, request: TranscribeRequest, command: AskOverlap) -> None:
        """Without words the sound's length decides, so a failure is no matter."""
        text: str | None = None
        due_s = anyio.current_time() + (WORDS_DUE_S if command.is_urgent else WATCHED_DUE_S)
        with anyio.move_on_after(PATIENCE_S), suppress(EngineError, CapacityError):
            # What is merely watched may be music, and waits for everybody else.
            is_spare = not command.is_urgent
            result = await self._engines.call(ASR, request, deadline_s=due_s, best_effort=is_spare)
            text = result.text.strip()
        share = said_share(text, self._answers.said()) if text else 0.0
        # Words come at their own time, and may be the answer's: that is looked at anew.
        echo = self._judge_echo() if text else 0.0
        self._post(OverlapHeard(command.began, command.until, text, share, echo))
