"""``duologue doctor``: what is installed, what can run here, what is missing and how to get it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from duologue.cli.checkup import Finding
    from duologue.cli.suits import Suit
    from duologue.engines.machine import Machine


def doctor() -> None:
    """Look at this machine: what runs, which profile suits it and what each would need.

    Exit code 1 if the embedded profile cannot run.
    """
    from duologue.cli.checkup import run_checks
    from duologue.cli.suits import best_profile, suits
    from duologue.engines.machine import look

    is_able = run_checks(_show)
    machine = look()
    _show_profiles(suits(machine), best_profile(machine))
    _show_own(machine)
    if not is_able:
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "", "found", "to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        mark = "[green]ok[/]" if finding.is_ok else "[red]missing[/]" if finding.is_needed else "[yellow]note[/]"
        table.add_row(mark, finding.what, escape(finding.found), "" if finding.is_ok else escape(finding.remedy))
    _console().print(table)
    if all(f.is_ok for f in findings if f.is_needed):
        _console().print("\nThe embedded profile can start: duologue serve")
    else:
        _console().print("\n[red]The embedded profile cannot start.[/]")


def _show_profiles(suits: list[Suit], best: str) -> None:
    """A paragraph each, since commands to copy must not be broken by a column."""
    from rich.markup import escape

    console = _console()
    console.print("\n[bold]Profiles[/]")
    for suit in suits:
        wants_server = any(need.server for need in suit.needs)
        mark = "[yellow]needs [/]" if not suit.is_ready else "server" if wants_server else "[green]ready [/]"
        name = f"{suit.profile} *" if suit.profile == best else suit.profile
        console.print(f"{mark} [bold]{name}[/]: {escape(suit.description)}", soft_wrap=True, highlight=False)
        for step in suit.steps:
            console.print(f"         - {escape(step)}", soft_wrap=True, highlight=False)
    console.print(f"\n* suits this machine best: duologue serve --profile {best}", highlight=False)


def _show_own(machine: Machine) -> None:
    """What duologue.toml and the environment set, where that is not the default."""
    from rich.markup import escape

    from duologue.config import load_settings, setup_of
    from duologue.engines.fit import needs_of, problems_of

    setup = setup_of(load_settings({}))
    if setup.profile == "embedded" and not needs_of(setup, machine):
        return
    fatal = [problem.told for problem in problems_of(needs_of(setup, machine), machine) if problem.is_fatal]
    verdict = "[red]cannot start:[/] " + escape(" ".join(fatal)) if fatal else "has what it needs."
    _console().print(f"\nYour settings (duologue.toml, DUOLOGUE_*) choose the profile {setup.profile}: {verdict}")


def _console() -> Console:
    from rich.console import Console

    # Into a file or a pipe, so that commands to copy stay whole.
    return Console(width=None if sys.stdout.isatty() else 160)
