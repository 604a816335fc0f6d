"""``duologue pull``: fetch a model, once; nothing is fetched at any other time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from duologue.engines.catalogue import Model
    from duologue.engines.hub import Hub
    from duologue.engines.hub_cache import Plan


def pull(
    name: Annotated[str, typer.Argument(help="A name of `duologue models`, or org/name, or org/name@revision.")],
    revision: Annotated[str | None, typer.Option(help="Another commit, branch or tag.", metavar="R")] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="Only these files: a name or a pattern; may be repeated.", metavar="NAME")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the download.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Only look on this machine, as HF_HUB_OFFLINE=1.")] = False,
    token: Annotated[str | None, typer.Option(help="For gated models; better: HF_TOKEN.", metavar="T")] = None,
) -> None:
    """Download a model into the Hugging Face cache. Run it again to go on after a break.

    Exit code 0: the model is here. 1: it is not, or you said no. 130: stopped by Ctrl-C; what has arrived is kept.
    """
    from duologue.engines.catalogue import at_revision, find, is_pinned
    from duologue.engines.hub import Hub, is_offline
    from duologue.engines.weights import cached_folder, model_storage
    from duologue.errors import EngineUnavailable

    model = find(name) if revision is None else at_revision(find(name), revision)
    here = cached_folder(model)
    if here is not None and not file and (offline or is_offline() or is_pinned(model)):
        _say_where(model, here)
        return
    if offline or is_offline():
        cache = model_storage(model).parent
        raise EngineUnavailable(f"{model.name} is not in {cache}, and offline mode forbids fetching it.")
    hub = Hub(token=token)
    plan = hub.plan(model, file or ())
    _show(plan)
    hub.check_access(plan)
    _fetch(hub, plan, yes=yes)


def _show(plan: Plan) -> None:
    """What it is, before anything is fetched."""
    from rich.console import Console
    from rich.table import Table

    from duologue.engines.catalogue import is_pinned
    from duologue.engines.hub_cache import as_size

    left = plan.missing_bytes
    here = "" if left == plan.size_bytes else f", {as_size(left)} of it to fetch" if left else ", all of it here"
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("model", plan.model.name + (f": {plan.model.what}" if plan.model.what else ""))
    table.add_row("from", f"{plan.model.repo}{', gated' if plan.is_gated else ''}")
    branch = "" if is_pinned(plan.model) else f", today's {plan.model.revision}: not pinned"
    table.add_row("commit", plan.commit + branch)
    table.add_row("licence", plan.licence or "none named")
    count = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    table.add_row("size", f"{as_size(plan.size_bytes)} in {count}{here}")
    table.add_row("to", str(plan.storage))
    if plan.refused:
        table.add_row("left out", _left_out(plan.refused))
    Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def _left_out(refused: dict[str, str]) -> str:
    """One line for each reason, with a few of its files."""
    lines = []
    for why in dict.fromkeys(refused.values()):
        paths = [path for path, reason in refused.items() if reason == why]
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        lines.append(f"{', '.join(paths[:3])}{more}: {why}")
    return "\n".join(lines)


def _fetch(hub: Hub, plan: Plan, *, yes: bool) -> None:
    from duologue.engines.hub_cache import check_room

    check_room(plan)
    if plan.missing_bytes and not yes and sys.stdin.isatty() and not typer.confirm("Download it?", default=True):
        typer.echo("Nothing was downloaded.", err=True)
        raise typer.Exit(1)
    try:
        folder = _with_progress(hub, plan)
    except KeyboardInterrupt:
        typer.echo("\nStopped. What has arrived is kept: run the same command again.", err=True)
        raise typer.Exit(130) from None
    _say_where(plan.model, folder)


def _with_progress(hub: Hub, plan: Plan) -> Path:
    """A bar on a terminal, else a line for every tenth, so that a log shows that it moves."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return hub.fetch(plan, _Tenths(plan.size_bytes, plan.missing_bytes))
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}", markup=False), *columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=plan.size_bytes, completed=plan.size_bytes - plan.missing_bytes)
        return hub.fetch(plan, lambda path, done: bar.update(task, description=Path(path).name, completed=done))


class _Tenths:
    """Progress as lines."""

    def __init__(self, size_bytes: int, missing_bytes: int) -> None:
        self._size_bytes = max(size_bytes, 1)
        self._said = 10 * (size_bytes - missing_bytes) // self._size_bytes

    def __call__(self, path: str, done_bytes: int) -> None:
        tenths = 10 * done_bytes // self._size_bytes
        if tenths > self._said:
            self._said = tenths
            typer.echo(f"{10 * tenths} %", err=True)


def _say_where(model: Model, folder: Path) -> None:
    typer.echo(f"{model.name} is here: {folder}")
