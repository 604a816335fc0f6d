"""The language model's logits, beside transformers' own, and steps in fixed shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e .[voxtral]")
pytest.importorskip("transformers", reason="needs transformers: pip install -e .[voxtral]")
pytest.importorskip("mistral_common", reason="needs mistral-common: pip install -e .[voxtral]")

import torch

from duologue.engines.speech.attention import SPLIT_KEYS, Expanded, Grouped
from duologue.engines.speech.decoder import Decoder, Piece
from duologue.engines.speech.graphs import FixedSteps, sizes_up_to, views_up_to
from duologue.engines.speech.rows import Step
from duologue.engines.speech.voxtral_weights import VoxtralWeights, load_weights

from .voxtral_reference import AUDIO_TOKEN, Reference, noise

ROW_TOKENS = 1024


@pytest.fixture(scope="module")
def reference(voxtral_folder: Path) -> Reference:
    return Reference(voxtral_folder)


@pytest.fixture(scope="module")
def weights(voxtral_folder: Path) -> VoxtralWeights:
    return load_weights(voxtral_folder, "cpu", torch.float32, ROW_TOKENS)


def theirs(reference: Reference, seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A prompt's embeddings [t, hidden] and the logits after each of its positions [t, vocabulary]."""
    inputs = reference.reply_prompt(noise(seconds, seed=9))
    with torch.inference_mode():
        embedded = reference.net.get_input_embeddings()(inputs.input_ids)[0]
        heard = reference.net.get_audio_features(inputs.input_features).pooler_output
        embedded[inputs.input_ids[0] == AUDIO_TOKEN] = heard
        return embedded, reference.net(**inputs).logits[0]


@pytest.mark.parametrize("is_grouped", [True, False])
@torch.inference_mode()
def test_logits_equal_transformers(weights: VoxtralWeights, reference: Reference, is_grouped: bool) -> None:
    embedded, expected = theirs(reference, 3.0)
    decoder = Decoder(weights, 2, ROW_TOKENS, is_grouped=is_grouped)
    hidden = decoder.fill(embedded, [Piece(row=1, start=0, end=len(embedded))])
    torch.testing.assert_close(decoder.logits(hidden), expected, atol=2e-5, rtol=1e-4)


@torch.inference_mode()
def test_filling_in_pieces_beside_another_row(weights: VoxtralWeights, reference: Reference) -> None:
    embedded, expected = theirs(reference, 3.0)
    decoder = Decoder(weights, 2, ROW_TOKENS, is_grouped=True)
    decoder.fill(torch.cat([embedded[:100], embedded[:30]]), [Piece(1, 0, 100), Piece(0, 0, 30)])
    hidden = decoder.fill(
        torch.cat([embedded[30:45], embedded[100:]]), [Piece(0, 30, 45), Piece(1, 100, len(embedded))]
    )
    torch.testing.assert_close(decoder.logits(hidden[15:]), expected[100:], atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(decoder.logits(hidden[:15]), expected[30:45], atol=2e-5, rtol=1e-4)


@torch.inference_mode()
def test_what_is_heard_moves_the_logits(weights: VoxtralWeights, reference: Reference) -> None:
    decoder = Decoder(weights, 1, ROW_TOKENS, is_grouped=True)
    last = []
    for seconds in (3.0, 3.1):
        embedded, _ = theirs(reference, seconds)
        last.append(decoder.logits(decoder.fill(embedded, [Piece(0, 0, len(embedded))])[-1]))
    assert float((last[0] - last[1]).abs().max()) > 0.1


@torch.inference_mode()
def test_spare_lanes_change_nothing(weights: VoxtralWeights) -> None:
    """The same three steps in lanes of their own, and with a fourth that stands for nobody."""
    tokens, rows, lengths = torch.tensor([[7, 8, 9, 0], [2, 0, 1, 3], [0, 0, 0, 0]])
    exact = Decoder(weights, 3, ROW_TOKENS, is_grouped=True).step(tokens[:3], rows[:3], lengths[:3], ROW_TOKENS)
    padded = Decoder(weights, 3, ROW_TOKENS, is_grouped=True).step(tokens, rows, lengths, ROW_TOKENS)
    torch.testing.assert_close(padded[:3], exact, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("keys", [SPLIT_KEYS, 3 * SPLIT_KEYS])
def test_grouped_attention_equals_expanded(keys: int) -> None:
    torch.manual_seed(0)
    queries, held = torch.randn(5, 8, 16), torch.randn(2, 5, 2, keys, 16)
    seen = torch.arange(keys) <= torch.tensor([0, 5, 300, 511, keys - 1])[:, None]
    mask = torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)
    stepped = [kind.step(queries, held[0], held[1], mask[:, None, None]) for kind in (Grouped(), Expanded())]
    torch.testing.assert_close(*stepped, atol=1e-5, rtol=1e-5)
    prompt = torch.randn(8, 5, 16)
    filled = [
        kind.fill(prompt, held[0, 0], held[1, 0], kind.fill_mask(mask, 4)) for kind in (Grouped(), Expanded())
    ]  # fmt: skip
    torch.testing.assert_close(*filled, atol=1e-5, rtol=1e-5)


class Recorded:
    """A step that only remembers its lanes; the logits of a lane are its token and its length."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[tuple[int, ...]], int]] = []

    def __call__(self, tokens: torch.Tensor, rows: torch.Tensor, lengths: torch.Tensor, view: int) -> torch.Tensor:
        lanes = torch.stack([tokens, rows, lengths], dim=1)
        self.calls.append(([tuple(lane) for lane in lanes.tolist()], view))
        return lanes[:, [0, 2]]


def test_steps_are_rounded_up_to_fixed_shapes() -> None:
    step = Recorded()
    fixed = FixedSteps(step, 5, 4096, spare_row=5, device="cpu")
    found = fixed([Step(row=row, length=100 * row, token=40 + row) for row in (4, 0, 2)])
    assert found.tolist() == [[44, 400], [40, 0], [42, 200]]
    fixed([Step(row=1, length=1024, token=3)])
    fixed([Step(row=row, length=2047 + row, token=3) for row in range(5)])
    spare = (0, 5, 0)
    assert step.calls[0] == ([(44, 4, 400), (40, 0, 0), (42, 2, 200), spare], 1024)
    assert step.calls[1] == ([(3, 1, 1024)], 2048)
    assert step.calls[2] == ([(3, row, 2047 + row) for row in range(5)] + [spare] * 3, 4096)
    assert fixed.most == 8


@pytest.mark.parametrize(
    ("rows", "sizes"), [(1, (1,)), (2, (1, 2)), (5, (1, 2, 4, 8)), (500, (1, 2, 4, 8, 16, 32, 64))]
)  # fmt: skip
def test_sizes(rows: int, sizes: tuple[int, ...]) -> None:
    assert sizes_up_to(rows) == sizes


@pytest.mark.parametrize(
    ("row_tokens", "views"), [(1024, (1024,)), (1536, (1024, 1536)), (4096, (1024, 2048, 4096))]
)  # fmt: skip
def test_views(row_tokens: int, views: tuple[int, ...]) -> None:
    assert views_up_to(row_tokens) == views


class Device:
    """What of ``torch.cuda`` a recording asks for: it notes what is done, and a replay runs nothing."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.is_recording = False

    def graph_pool_handle(self) -> str:
        return "pool"

    def synchronize(self) -> None:
        assert not self.is_recording, "a recording waits for nothing"
        self.done.append("wait")

    def empty_cache(self) -> None:
        assert not self.is_recording

    def CUDAGraph(self) -> Device:  # noqa: N802 (torch's name)
        return self

    def replay(self) -> None:
        self.done.append("replay")

    @contextmanager
    def graph(self, graph: Device, pool: str, capture_error_mode: str) -> Iterator[None]:
        assert graph is self
        assert (pool, capture_error_mode) == ("pool", "thread_local")
        self.is_recording = True
        yield
        self.is_recording = False
        self.done.append("recorded")


def test_every_shape_is_run_once_and_then_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    step, device = Recorded(), Device()
    fixed = FixedSteps(step, 3, 2048, spare_row=3, device="cpu")
    with monkeypatch.context() as only_here:
        only_here.setattr(torch, "cuda", device)
        fixed.record()
    assert device.done == ["wait", "recorded"] * 6
    shapes = [(4, 2048), (4, 1024), (2, 2048), (2, 1024), (1, 2048), (1, 1024)]
    assert [(len(lanes), view) for lanes, view in step.calls] == [shape for shape in shapes for _ in range(2)]
    assert {lane for lanes, _ in step.calls for lane in lanes} == {(0, 3, 0)}, "no row is touched"
    fixed([Step(row=1, length=5, token=7)])
    assert device.done[12:] == ["replay"]
    assert len(step.calls) == 12, "a recorded shape is not stepped any more"


def test_lanes_are_handed_over_in_one_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else torch copies to a GPU by way of a second, unpinned buffer."""
    handed_over: list[bool] = []
    copy = torch.Tensor.copy_

    def noting(into: torch.Tensor, source: torch.Tensor, **how: bool) -> torch.Tensor:
        handed_over.append(into.is_contiguous() and source.is_contiguous())
        return copy(into, source, **how)

    fixed = FixedSteps(Recorded(), 8, 1024, spare_row=8, device="cpu")
    with monkeypatch.context() as only_here:
        only_here.setattr(torch.Tensor, "copy_", noting)
        fixed([Step(row=row, length=row, token=1) for row in range(3)])
    assert handed_over == [True]
