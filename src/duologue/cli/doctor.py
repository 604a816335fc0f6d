"""``duologue doctor``: what is installed, what can run here, what is missing and how to get it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from duologue.cli.checkup import Finding


def doctor() -> None:
    """Look at this machine and say what can run on it. Exit code 1 if the embedded profile cannot."""
    from duologue.cli.checkup import run_checks

    if not run_checks(_show):
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "", "found", "to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        mark = "[green]ok[/]" if finding.is_ok else "[red]missing[/]" if finding.is_needed else "[yellow]note[/]"
        table.add_row(mark, finding.what, escape(finding.found), "" if finding.is_ok else escape(finding.remedy))
    # Into a file or a pipe, so that commands to copy stay whole.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    if all(f.is_ok for f in findings if f.is_needed):
        console.print("\nDuologue can start: duologue serve")
    else:
        console.print("\n[red]The embedded profile cannot start.[/]")
