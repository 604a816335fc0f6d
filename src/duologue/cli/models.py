"""``duologue models``: the models that Duologue knows by name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from duologue.engines.catalogue import Model


def models(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List the models that have a short name, and which of them are on this machine."""
    from duologue.engines.catalogue import CATALOGUE

    if as_json:
        import json

        typer.echo(json.dumps([_as_record(model) for model in CATALOGUE], indent=2))
    else:
        _show(CATALOGUE)


def _as_record(model: Model) -> dict[str, object]:
    from duologue.engines.catalogue import is_pinned
    from duologue.engines.weights import cached_folder

    folder = cached_folder(model)
    return {
        "name": model.name,
        "what": model.what,
        "repo": model.repo,
        "revision": model.revision,
        "is_pinned": is_pinned(model),
        "size_mb": model.size_mb,
        "licence": model.licence,
        "is_gated": model.is_gated,
        "folder": None if folder is None else str(folder),
    }


def _show(catalogue: tuple[Model, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from duologue.engines.catalogue import is_pinned
    from duologue.engines.hub_cache import as_size
    from duologue.engines.weights import cached_folder

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "what", "size", "licence", "here", ""):
        table.add_column(heading, justify="right" if heading == "size" else "left", overflow="fold")
    for model in catalogue:
        here = "[green]yes[/]" if cached_folder(model) is not None else "[dim]no[/]"
        notes = [*(["gated"] if model.is_gated else []), *([] if is_pinned(model) else ["not pinned"])]
        table.add_row(model.name, model.what, as_size(model.size_mb * 1e6), model.licence, here, ", ".join(notes))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print("\nFetch one: duologue pull NAME. Any other repository works, too: duologue pull org/name@revision")
