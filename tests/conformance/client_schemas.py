"""Holds recorded server events, one JSON object a line, against the types of both Python SDKs.

    python client_schemas.py frames.jsonl

Run by the SDKs' own environment. Exit status 1, with the events and what is wrong, when one does not fit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.realtime.openai_realtime import get_server_event_type_adapter
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError

ORACLES: dict[str, TypeAdapter[Any]] = {
    "openai": TypeAdapter(RealtimeServerEvent),
    "openai-agents": get_server_event_type_adapter(),
}


def problems_of(raw: str) -> Iterator[str]:
    kind = json.loads(raw)["type"]
    name = "".join(part.capitalize() for part in kind.replace(".", "_").split("_"))
    for sdk, types in ORACLES.items():
        try:
            event = types.validate_json(raw)
        except ValidationError as error:
            wrong = [p for p in error.errors() if str(p["loc"][0]).startswith(name)] or error.errors()[:3]
            yield f"{sdk}, {kind}: " + "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in wrong)
            continue
        if event.type != kind:
            yield f"{sdk}, {kind}: taken for {event.type}"


def main(path: Path) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [f"{problem}\n  {line[:1_000]}" for line in lines for problem in problems_of(line)]
    kinds = {json.loads(line)["type"] for line in lines}
    print(f"{len(lines)} events of {len(kinds)} kinds, {len(found)} that do not fit")
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
