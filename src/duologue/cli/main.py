"""The ``duologue`` command. Each subcommand imports what it needs when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from duologue.cli.bench import conversations
from duologue.cli.bench_crowds import fairness, overload
from duologue.cli.bench_engines import engines
from duologue.cli.bench_turns import turns
from duologue.cli.bench_wire import wire
from duologue.cli.doctor import doctor
from duologue.cli.models import models
from duologue.cli.pull import pull
from duologue.cli.serve import serve
from duologue.cli.talk import talk
from duologue.cli.transcribe import transcribe
from duologue.errors import DuologueError

_BENCH_HELP = (
    "Measure a server in conversations (the default: duologue bench [URL]), or the engines or the wire by themselves."
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A server that people talk with.",
)
for command in (serve, talk, transcribe, pull, models, doctor):
    app.command()(command)


class BenchGroup(TyperGroup):
    """``duologue bench URL`` is short for ``duologue bench conversations URL``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "--help"}:
            args = ["conversations", *args]
        return super().parse_args(ctx, args)


bench = typer.Typer(cls=BenchGroup, rich_markup_mode=None, help=_BENCH_HELP)
for command in (conversations, turns, overload, fairness, engines, wire):
    bench.command()(command)
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command line. An error meant for people is one line and exit code 1."""
    try:
        app()
    except DuologueError as error:
        sys.exit(f"duologue: {error.message}")
    except BaseExceptionGroup as group:
        ours = _only_ours(group)
        if ours is None:
            raise
        sys.exit(f"duologue: {ours.message}")


def _only_ours(group: BaseExceptionGroup[BaseException]) -> DuologueError | None:
    """The first of our own errors in ``group``, if it holds nothing else."""
    ours, others = group.split(DuologueError)
    if ours is None or others is not None:
        return None
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, DuologueError) else None


if __name__ == "__main__":
    main()
