"""Tiny checkpoints with random weights, made once for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def voxtral_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Voxtral of 0.8 million parameters, laid out as the published one."""
    torch = pytest.importorskip("torch", reason="needs torch: pip install -e .[voxtral]")
    pytest.importorskip("transformers", reason="needs transformers: pip install -e .[voxtral]")
    pytest.importorskip("mistral_common", reason="needs mistral-common: pip install -e .[voxtral]")
    from duologue.bench.engines.random_voxtral import write_voxtral

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("voxtral")
    write_voxtral(folder, "tiny")
    return folder
