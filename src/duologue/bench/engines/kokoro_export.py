"""Kokoro as an ONNX graph, with the inputs and outputs of the published export.

``input_ids`` int64 [1, n] with its pads, ``style`` float32 [1, 256], ``speed`` float32 [1] -> ``waveform`` float32
[1, samples] and ``durations`` float32 [1, n], frames that are not yet whole. One phrase a run; the noise is drawn
inside, as in the published graph, so two runs differ.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from duologue.engines.tts.kokoro_decoder import HARMONICS
from duologue.engines.tts.kokoro_network import FrameInputs, Network

_OPSET = 17


class Exported(nn.Module):
    """The network for one utterance, with no lengths on the host.

    With torch 2.13 negative indices come out of a trace of this size as other numbers: none are used.
    """

    def __init__(self, network: Network, *, timed: bool) -> None:
        super().__init__()
        self.network = network
        self.timed = timed

    def forward(self, input_ids: Tensor, style: Tensor, speed: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        network = self.network
        reading = network.read(input_ids, style, [input_ids.shape[1]])
        durations = reading.durations / speed
        ends = torch.cumsum(torch.round(durations).clamp(min=1).long(), dim=1)
        moments = torch.arange(ends.max())  # type: ignore[call-overload]  # a number that varies
        at = (ends[0, :, None] <= moments).sum(0)
        prosody = network.predictor.shared(reading.states[:, at])[0].transpose(1, 2)
        text = reading.text[:, at].transpose(1, 2)
        # As many zeros as samples, each with nine harmonics; their shape is all that is used.
        blank = text[:, :1].repeat_interleave(network.frame_samples, dim=2).transpose(1, 2).repeat(1, 1, HARMONICS)
        sound = network.sound(FrameInputs(text, prosody, style, torch.randn_like(blank), None))
        return (sound, durations) if self.timed else sound


def export(network: Network, path: Path, *, timed: bool = True) -> None:
    """Write the graph. Needs the package onnx."""
    arguments = (torch.tensor([[0, *range(43, 63), 0]]), torch.zeros(1, 256), torch.ones(1))
    axes = {"input_ids": {1: "tokens"}, "waveform": {1: "samples"}}
    outputs = ["waveform"]
    if timed:
        outputs.append("durations")
        axes["durations"] = {1: "tokens"}
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of every shape that it takes for a constant; all that vary are named in axes, and
        # the graph is compared with the network in the tests.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Exported(network, timed=timed),
            arguments,
            str(path),
            input_names=["input_ids", "style", "speed"],
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
