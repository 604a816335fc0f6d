"""A model in pure Python, and a small vocabulary of Voxtral's kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engines.speech.row_model import HashModel

from duologue.engines.speech.layout import Layout
from duologue.engines.weights import packaged_file

_SPECIALS = 100
_VOCABULARY = 4096
_NAMED = {0: "<unk>", 1: "<s>", 2: "</s>", 3: "[INST]", 4: "[/INST]", 5: "[AVAILABLE_TOOLS]", 6: "[/AVAILABLE_TOOLS]",
          7: "[TOOL_RESULTS]", 8: "[/TOOL_RESULTS]", 9: "[TOOL_CALLS]", 11: "<pad>", 14: "[PREFIX]", 15: "[MIDDLE]",
          16: "[SUFFIX]", 17: "[SYSTEM_PROMPT]", 18: "[/SYSTEM_PROMPT]", 19: "[TOOL_CONTENT]", 24: "[AUDIO]",
          25: "[BEGIN_AUDIO]", 34: "[TRANSCRIBE]"}  # fmt: skip


@pytest.fixture(scope="session")
def tokens_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ``tekken.json``: mistral-common's own words, with Voxtral's special tokens."""
    pytest.importorskip("mistral_common")
    data = json.loads(packaged_file("mistral_common", "data/tekken_240911.json").read_text(encoding="utf-8"))
    data.pop("image", None)
    data.pop("multimodal", None)
    data["vocab"] = data["vocab"][: _VOCABULARY - _SPECIALS]
    data["config"] |= {"version": "v7", "default_vocab_size": _VOCABULARY, "default_num_special_tokens": _SPECIALS}
    data["special_tokens"] = [
        {"rank": rank, "token_str": _NAMED.get(rank, f"<SPECIAL_{rank}>"), "is_control": True}
        for rank in range(_SPECIALS)
    ]
    spectrogram = {"num_mel_bins": 128, "hop_length": 160, "window_size": 400}
    data["audio"] = {"sampling_rate": 16_000, "frame_rate": 12.5, "chunk_length_s": 30.0,
                     "audio_encoding_config": spectrogram}  # fmt: skip
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "tekken.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def layout(tokens_folder: Path) -> Layout:
    return Layout(tokens_folder, HashModel.row_tokens)
