"""Models are loaded onto a GPU one at a time, and onto a CPU side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from duologue.engines.torch_device import loading, torch_device
from duologue.errors import ConfigError


def test_a_second_model_waits_for_the_gpu_and_none_for_the_cpu() -> None:
    is_loading, may_end = Event(), Event()

    def load_first() -> None:
        with loading("cuda:0"):
            is_loading.set()
            may_end.wait(10)

    def load(device: str) -> str:
        with loading(device):
            return device

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(load_first)
        assert is_loading.wait(10)
        second, beside = pool.submit(load, "cuda:0"), pool.submit(load, "cpu")
        assert beside.result(10) == "cpu"
        assert not second.done()
        may_end.set()
        first.result(10)
        assert second.result(10) == "cuda:0"


def test_a_gpu_that_is_not_there_is_refused() -> None:
    torch = pytest.importorskip("torch", reason="needs torch: pip install -e .[gpu]")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert torch_device("auto") == torch_device("cpu") == "cpu"
    with pytest.raises(ConfigError, match="finds no GPU"):
        torch_device("cuda")
