"""``duologue doctor``: what is installed, what can run here, what is missing and how to get it."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Look at this machine and say what can run on it."""
    from duologue.cli.checkup import run_checks

    if not run_checks():
        raise typer.Exit(1)
