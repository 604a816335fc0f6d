"""What the pages weigh: they are for any network."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

import duologue.server

STATIC = Path(duologue.server.__file__).parent / "static"
# The talk's page loads this much on its first visit, compressed, at most; the operator's page less.
MOST_BYTES = {"index.html": 150_000, "ops/index.html": 50_000}

pytestmark = pytest.mark.skipif(
    not (STATIC / "index.html").is_file(), reason="the page was not built: python hatch_build.py"
)


def _loaded(page: Path) -> set[Path]:
    """The page, and every file that it or one of those names: what is loaded later counts, too."""
    found, rest = {page}, [page]
    while rest:
        file = rest.pop()
        if file.suffix not in {".html", ".js", ".css"}:
            continue
        text = file.read_text(encoding="utf-8")
        # Pages and styles name files from their folder, scripts by the name alone.
        named = [
            file.parent / path
            for path in re.findall(r'(?:src|href)="([^"]+)"|url\(([^)]+)\)', text)
            for path in path
            if path
        ]
        named += [STATIC / "assets" / name for name in re.findall(r"[\w.-]+-[\w-]{8}\.(?:js|css|svg)", text)]
        for path in named:
            real = path.resolve()
            if real.is_file() and real not in found:
                found.add(real)
                rest.append(real)
    return found


@pytest.mark.parametrize("page", MOST_BYTES)
def test_what_a_visitor_loads_stays_small(page: str) -> None:
    files = _loaded(STATIC / page)
    assert {".js", ".css", ".svg"} <= {file.suffix for file in files}
    assert sum(len(gzip.compress(file.read_bytes(), 6)) for file in files) < MOST_BYTES[page]
