"""Write the pages of ``docs/reference`` that are made from the code: ``python docs/generate.py``.

A test runs it with ``--check`` and fails when a page is not what the code says.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from typer.testing import CliRunner

from duologue import telemetry
from duologue.cli.main import app
from duologue.config import ENV_PREFIX, ProfileEngines, Settings, load_profile, profile_names, table_names
from duologue.engines.registry import names
from duologue.session.turn import TRANSITIONS, State

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- Made by docs/generate.py; do not edit. -->"


def cli_page() -> str:
    """Every command with its options."""
    page = ["# Commands", "", MADE, ""]
    for name in (
        "serve",
        "talk",
        "pull",
        "models",
        "doctor",
        "bench",
        "bench conversations",
        "bench turns",
        "bench overload",
        "bench fairness",
        "bench engines",
        "bench wire",
    ):
        shown = CliRunner().invoke(app, [*name.split(), "--help"], prog_name="duologue", env={"COLUMNS": "100"})
        page += [f"## duologue {name}", "", "```", shown.output.strip(), "```", ""]
    return "\n".join(page)


def settings_page() -> str:
    """Every setting, and every profile."""
    lines = [
        "# Settings",
        "",
        MADE,
        "",
        "A flag of `duologue serve` comes before a variable of the environment, that before `duologue.toml` in the",
        "working directory, and that before the default. A name that is not in this table is an error.",
        "",
        "| in `duologue.toml` | in the environment | default | |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        if name not in table_names():
            default = field.default if name != "instructions" else "a friendly voice assistant"
            lines.append(f"| `{name}` | `{ENV_PREFIX}{name.upper()}` | `{default}` | {field.description} |")
    lines += [
        "",
        "## Engines",
        "",
        "| stage | names |",
        "|---|---|",
        *(
            f"| `{stage}` | {', '.join(f'`{name}`' for name in names(stage))} |"
            for stage in ProfileEngines.model_fields
        ),
        "",
        "## Options of the engines",
        "",
        "A table each in `duologue.toml`; `whisper.model` is `DUOLOGUE_WHISPER__MODEL` in the environment and",
        "`--set whisper.model=...` on the command line.",
    ]
    for table in table_names():
        options = type(Settings.model_fields[table].default)
        lines += [
            "",
            f"### `[{table}]`",
            "",
            (options.__doc__ or "").strip(),
            "",
            "| option | default | |",
            "|---|---|---|",
        ]
        for name, field in options.model_fields.items():
            lines.append(f"| `{name}` | `{field.default!r}` | {field.description} |")
    lines += ["", "## Profiles", "", "| name | what it is | engines |", "|---|---|---|"]
    for name in profile_names():
        profile = load_profile(name)
        engines = ", ".join(f"{stage}: {engine}" for stage, engine in profile.engines)
        lines.append(f"| `{name}` | {profile.description} | {engines} |")
    return "\n".join([*lines, ""])


def turn_page() -> str:
    """The turn machine's states and its table, drawn."""
    lines = ["# The turn machine", "", MADE, "", "| state | |", "|---|---|"]
    lines += [f"| {state.name} | {text} |" for state, text in zip(State, _attribute_docs("State"), strict=True)]
    lines += ["", "```mermaid", "stateDiagram-v2", "    [*] --> IDLE"]
    for state, row in TRANSITIONS.items():
        for event, (_, targets) in row.items():
            lines += [f"    {state.name} --> {t.name}: {event.__name__}" for t in targets if t is not state]
    return "\n".join([*lines, "```", ""])


def _attribute_docs(name: str) -> list[str]:
    source = Path(sys.modules[State.__module__].__file__ or "").read_text(encoding="utf-8")
    body = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == name).body
    return [n.value.value for n in body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]  # type: ignore[misc]


def logs_page() -> str:
    """Every log event."""
    lines = ["# Log events", "", MADE, "", (telemetry.__doc__ or "").strip(), "", "| event | |", "|---|---|"]
    body = ast.parse(Path(telemetry.__file__).read_text(encoding="utf-8")).body
    for assigned, text in pairwise(body):
        if isinstance(assigned, ast.Assign) and isinstance(text, ast.Expr):
            lines.append(f"| `{ast.literal_eval(assigned.value)}` | {ast.literal_eval(text.value)} |")
    return "\n".join([*lines, ""])


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "settings.md": settings_page,
    "turn-machine.md": turn_page,
    "logs.md": logs_page,
}


def main() -> int:
    """Write the pages, or with ``--check`` name those that are out of date."""
    stale = [name for name, make in PAGES.items() if _read(REFERENCE / name) != make()]
    if "--check" in sys.argv:
        print("\n".join(f"docs/reference/{name} is out of date: run python docs/generate.py" for name in stale))
        return int(bool(stale))
    for name in stale:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
