from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from duologue.engines.weights import onnx_session, packaged_file
from duologue.errors import EngineUnavailable


def test_a_packaged_file_is_found_and_its_package_stays_unimported() -> None:
    code = (
        "import sys; from duologue.engines.weights import packaged_file;"
        "print(packaged_file('faster_whisper', 'assets/silero_vad_v6.onnx').stat().st_size);"
        "print([name for name in ('faster_whisper', 'onnxruntime', 'ctranslate2') if name in sys.modules])"
    )
    lines = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split("\n")
    assert int(lines[0]) > 1_000_000
    assert lines[1] == "[]"


@pytest.mark.parametrize("package", ["no_such_package_at_all", "faster_whisper"])
def test_a_missing_file_names_the_command_that_helps(package: str) -> None:
    with pytest.raises(EngineUnavailable, match=r'weights\.onnx is not installed: run: pip install "'):
        packaged_file(package, "weights.onnx")


def test_a_broken_model_is_unavailable(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(EngineUnavailable, match=r"broken\.onnx"):
        onnx_session(broken)
