"""What an installation brings: pinned, from no named index, and without torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PINS = sorted((Path(__file__).parent.parent / "requirements").glob("*.txt"))


@pytest.mark.parametrize("page", PINS, ids=lambda page: page.name)
def test_every_line_is_a_pin(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").split("\n")
    assert [
        line for line in lines if line and not re.fullmatch(r"[a-z0-9._\[\]-]+==[\w.+!-]+( ; .+)?", line, re.I)
    ] == []


def test_the_server_needs_no_torch() -> None:
    pins = (PINS[0].parent / "run.txt").read_text(encoding="utf-8")
    assert not re.search(r"^(torch|nvidia|triton)", pins, re.MULTILINE)


def test_loading_the_embedded_engines_imports_no_torch_and_no_package_that_only_carries_weights() -> None:
    code = """
import sys
from duologue.config import load_profile
from duologue.engines import registry
names = load_profile("embedded").engines
for engine in (registry.make("vad", names.vad), registry.make_turn(names.turn), registry.make("asr", names.asr)):
    engine.load()
carriers = ("torch", "faster_whisper", "pipecat", "moonshine_voice", "ctranslate2")
print([name for name in carriers if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
