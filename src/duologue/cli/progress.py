"""How far long work is: a bar on a terminal, a line for every tenth elsewhere. To standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


# Shorter sound is over in half a minute.
_LONG_S = 600.0


class Bar(Protocol):
    """One file's progress."""

    def to(self, at_s: float, of_s: float | None) -> None:
        """So many seconds of the file are done; ``of_s``: None where its length is not known."""


class Progress:
    """Lines and bars that do not write over each other."""

    def __init__(self, console: Console, bars: RichProgress | None) -> None:
        self._console, self._bars = console, bars

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def out(self, text: str) -> None:
        """The work's fruit, to standard output, whatever is on the terminal."""
        if self._bars is not None:
            self._bars.stop()
        sys.stdout.write(text)
        sys.stdout.flush()
        if self._bars is not None:
            self._bars.start()

    @contextmanager
    def file(self, name: str) -> Iterator[Bar]:
        """While this file is worked on."""
        shown = Path(name).name or name
        if self._bars is None:
            yield _Tenths(shown, self)
            return
        task = self._bars.add_task(shown, total=None)
        try:
            yield _OnTerminal(self._bars, task)
        finally:
            self._bars.remove_task(task)


class _OnTerminal:
    def __init__(self, bars: RichProgress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def to(self, at_s: float, of_s: float | None) -> None:
        self._bars.update(self._task, completed=at_s, total=None if of_s is None else max(of_s, at_s))


class _Tenths:
    """Lines, so that a log shows that it moves; none for what is over at once."""

    def __init__(self, name: str, shown: Progress) -> None:
        self._name, self._shown = name, shown
        self._said = 0

    def to(self, at_s: float, of_s: float | None) -> None:
        if of_s is None:
            step, done = int(at_s / _LONG_S), f"{at_s / 60:.0f} min"
        else:
            step = int(10 * at_s / of_s) if of_s > _LONG_S else 0
            done = f"{10 * step} %"
        if self._said < step and (of_s is None or step < 10):
            self._said = step
            self._shown.say(f"{self._name}: {done}")


@contextmanager
def progress() -> Iterator[Progress]:
    """For as long as the work takes."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Progress(console, None)
        return
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    name = TextColumn("{task.description}", markup=False)
    # Redirected, standard output would go to the console, and so not into a file.
    with RichProgress(name, *columns, console=console, transient=True, redirect_stdout=False) as bars:
        yield Progress(console, bars)
