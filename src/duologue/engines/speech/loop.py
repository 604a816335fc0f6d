"""One loop that serves all conversations: sounds are encoded, rows filled, and one step is taken for all rows.

The whole of it is ``step``. It computes the same tokens for a conversation as if that were alone: a row holds one
conversation, what it has in common with the next prompt stays, the rest is written over. So a turn fills only what
is new, a guess that was wrong leaves no trace, and an answer nobody wants any more costs nothing from the next step
on. The transcript of a turn is a second row with the same encoded sound: filled once the answer's first clause is
out, then stepped together with the answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Literal

from duologue.engines.base import SpeechRequest
from duologue.engines.speech.arrivals import Arrivals
from duologue.engines.speech.kept_rows import KeptRows, Row, shared
from duologue.engines.speech.layout import Layout
from duologue.engines.speech.rows import Fill, RowModel, Step
from duologue.engines.speech.work import Deliver, Job, LoopStats, Run, plan
from duologue.errors import DuologueError, EngineError, Overloaded

# Positions filled in one step. Beside running answers it is one turn of 379, which every listener waits for: 4 ms on
# an H100, 60 ms on an A10G. With nobody running it is still bounded: a cancelled fill goes on to its step's end.
_FILLED_BESIDE = 512
_FILLED_ALONE = 2048
# A transcript begins when the answer has its first clause.
_CLAUSE_TOKENS = 12


class SpeechLoop:
    """The scheduler over ``model``. ``submit`` and ``cancel`` may be called from any thread, all else from one."""

    def __init__(self, model: RowModel, layout: Layout) -> None:
        self._model = model
        self._layout = layout
        self._rows = KeptRows(model.rows)
        self._arrivals = Arrivals(layout)
        self._inbox: deque[Job] = deque()
        self._waiting: list[Run] = []
        self._filling: list[Run] = []
        self._running: list[Run] = []
        self._in_step: list[Job] = []
        self.stats = LoopStats()

    @property
    def has_work(self) -> bool:
        """Is there anything for ``step`` to do?"""
        return bool(self._inbox or self._arrivals.jobs or any(self._runs()))

    def submit(self, request: SpeechRequest, deliver: Deliver) -> Job:
        """Queue ``request``. ``deliver`` gets each delta, then None or why it failed, in the loop's thread."""
        job = Job(request, deliver)
        self._inbox.append(job)
        return job

    def cancel(self, job: Job) -> None:
        """Nothing more is delivered of ``job``; from the next step on nothing is done for it."""
        job.is_over = True

    def step(self) -> None:
        """All that is due, once. What the model raises comes through; call ``fail`` with it and go on."""
        self._take_in()
        self._encode()
        self._seat()
        self._fill()
        self._decode()

    def fail(self, failure: BaseException) -> None:
        """The last step raised: the requests in it fail, their rows are forgotten, all others go on."""
        hit = self._in_step or [*self._arrivals.jobs, *(run.job for run in self._runs())]
        self._in_step = []
        self.stats.failures += 1
        for run in self._runs():
            if run.job in hit and run.row is not None:
                run.row.atoms = []
        error = failure if isinstance(failure, DuologueError) else EngineError("Voxtral failed on this request.")
        for job in hit:
            job.end(error)

    def forget(self) -> None:
        """Forget every conversation and sound, and count from nothing again. Nothing may be running."""
        self._rows = KeptRows(self._model.rows)
        self._arrivals = Arrivals(self._layout)
        self.stats = LoopStats()

    def close(self, error: DuologueError) -> None:
        """End every request with ``error`` and close the model."""
        for job in [*self._inbox, *self._arrivals.jobs, *(run.job for run in self._runs())]:
            job.end(error)
        self._take_in()
        self._arrivals = Arrivals(self._layout)  # its sounds are on the model's device
        self._model.close()

    # --- the parts of a step, in order ------------------------------------------------------------------------

    def _take_in(self) -> None:
        """What is over leaves first: its row may be wanted by what has just come."""
        while self._inbox:
            self._arrivals.add(self._inbox.popleft())
        self._arrivals.drop_over()
        for run in [run for run in self._runs() if run.job.is_over]:
            self._let_go(run)

    def _encode(self) -> None:
        """The sounds that new requests bring, each once. A request whose sounds are all there gets its prompt."""
        wanted = self._arrivals.unheard()
        if wanted:
            self._in_step = self._arrivals.waiting_for(wanted)
            sounds = self._model.encode(list(wanted.values()))
            self._in_step = []
            self.stats.sounds += len(sounds)
            self._arrivals.hear(dict(zip(wanted, sounds, strict=True)))
        for job in self._arrivals.ready():
            self._in_step = [job]
            self._plan(job)
        self._in_step = []

    def _plan(self, job: Job) -> None:
        try:
            self._waiting.append(plan(job, self._layout))
        except EngineError as error:
            job.end(error)
        self._arrivals.jobs.remove(job)

    def _seat(self) -> None:
        """A row for each that waits. An answer that finds none is refused; transcripts and the like go on waiting."""
        for run in sorted(self._waiting, key=lambda run: run.order):
            row = self._row_for(run)
            if row is not None:
                self._sit(run, row)
            elif run.kind == "answer":
                self._waiting.remove(run)
                run.job.end(Overloaded("Every row of the model is busy: try again, or raise 'conversations'."))
        self.stats.evicted = self._rows.evicted

    def _row_for(self, run: Run) -> Row | None:
        own = self._rows.of(run.conversation)
        if run.kind == "answer":
            for ready in [other for other in self._filling if other.kind == "nothing" and other.row is own]:
                self._end(ready, "stop")  # what it was for is here; as far as it came, it is used
            return self._rows.take(run.conversation, run.goal) or self._row_of_a_transcript(run)
        if run.kind == "heard":
            return self._rows.take_spare(run.goal)
        return None if own is not None and own.is_busy else self._rows.take(run.conversation, run.goal)

    def _row_of_a_transcript(self, run: Run) -> Row | None:
        """Where all rows are busy the transcript with the fewest words waits and begins again later."""
        heard = [other for other in chain(self._filling, self._running) if other.kind == "heard"]
        if not heard:
            return None
        shortest = min(heard, key=lambda other: len(other.tokens))
        self._let_go(shortest)
        shortest.goal = shortest.goal[: shortest.prompt_tokens] + shortest.tokens
        self._waiting.append(shortest)
        return self._rows.take(run.conversation, run.goal)

    def _sit(self, run: Run, row: Row) -> None:
        """Take ``row`` back to where ``run``'s prompt leaves it; the last atom is filled anew for its token."""
        self._waiting.remove(run)
        run.row = row
        kept = shared(row.atoms, run.goal)
        if kept == len(run.goal) and run.kind != "nothing":
            kept -= 1
        run.cached_tokens = kept
        self.stats.reused_tokens += kept
        if kept == len(run.goal):
            return self._end(run, "stop")
        del row.atoms[kept:]
        self._filling.append(run)

    def _fill(self) -> None:
        """As much of the prompts as a step may take, the most urgent first; only the first may be cut."""
        room = _FILLED_BESIDE if self._running else _FILLED_ALONE
        batch: list[tuple[Run, Row, list[int]]] = []
        for run in sorted(self._filling, key=lambda run: run.order):
            assert run.row is not None
            rest = run.goal[len(run.row.atoms) :]
            if batch and len(rest) > room:
                break
            batch.append((run, run.row, rest[:room]))
            room -= len(rest[:room])
        if not batch:
            return
        self._in_step = [run.job for run, _, _ in batch]
        fills = [Fill(row.index, len(row.atoms), atoms, run.job.sounds_of(atoms)) for run, row, atoms in batch]
        tokens = self._model.fill(fills)
        self._in_step = []
        self.stats.fills += 1
        for (run, row, atoms), token in zip(batch, tokens, strict=True):
            self.stats.filled_tokens += len(atoms)
            row.atoms += atoms
            if len(row.atoms) == len(run.goal):
                self._filling.remove(run)
                self._running.append(run)
                self._take_token(run, token)

    def _decode(self) -> None:
        """One more token for everyone, in one run of the model."""
        if not self._running:
            return
        runs = list(self._running)
        rows = [run.row for run in runs if run.row is not None]
        self._in_step = [run.job for run in runs]
        steps = [Step(row.index, len(row.atoms), run.tokens[-1]) for run, row in zip(runs, rows, strict=True)]
        tokens = self._model.step(steps)
        self._in_step = []
        self.stats.steps += 1
        self.stats.batches[len(steps)] = self.stats.batches.get(len(steps), 0) + 1
        for run, row, token in zip(runs, rows, tokens, strict=True):
            row.atoms.append(run.tokens[-1])
            self._take_token(run, token)

    # --- what becomes of a run --------------------------------------------------------------------------------

    def _take_token(self, run: Run, token: int) -> None:
        if run.kind == "nothing" or token in self._model.end_tokens:
            return self._end(run, "stop")
        run.tokens.append(token)
        run.say(token)
        if len(run.tokens) >= run.most_tokens:
            self._end(run, "length")
        elif len(run.tokens) == _CLAUSE_TOKENS:
            self._begin_later(run.job)

    def _end(self, run: Run, how: Literal["stop", "length"]) -> None:
        self._let_go(run)
        self._begin_later(run.job)
        run.finish(how)
        run.job.open_runs -= 1
        if not run.job.open_runs:
            run.job.end()

    def _begin_later(self, job: Job) -> None:
        if job.later is not None:
            self._waiting.append(job.later)
            job.later = None

    def _let_go(self, run: Run) -> None:
        for runs in (self._waiting, self._filling, self._running):
            if run in runs:
                runs.remove(run)
        if run.row is not None:
            self._rows.leave(run.row)
            run.row = None

    def _runs(self) -> Iterator[Run]:
        return chain(self._waiting, self._filling, self._running)
