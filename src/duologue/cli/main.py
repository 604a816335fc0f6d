"""The ``duologue`` command. Each subcommand imports what it needs when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import sys

import typer

from duologue.cli.bench import bench
from duologue.cli.doctor import doctor
from duologue.cli.serve import serve
from duologue.cli.talk import talk
from duologue.errors import DuologueError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A server that people talk with.",
)
for command in (serve, talk, doctor, bench):
    app.command()(command)


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
