"""The whole Kokoro network in torch, cut where its work changes shape.

``read`` works on phonemes, ``lay_out`` stretches them to frames, ``sound`` does the rest with fixed shapes: nearly
all of the arithmetic, and what a CUDA graph can record. Between the first two the durations come to the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from duologue.engines.tts.kokoro_config import KokoroConfig
from duologue.engines.tts.kokoro_decoder import HARMONICS, Decoder
from duologue.engines.tts.kokoro_layers import run_lstm, span_of
from duologue.engines.tts.kokoro_prosody import Albert, Predictor, TextEncoder


class Reading(NamedTuple):
    """``durations`` [b, l] frames at normal speed, not whole; ``states`` [b, l, c] and ``text`` [b, l, hidden]."""

    durations: Tensor
    states: Tensor
    text: Tensor


class FrameInputs(NamedTuple):
    """What ``sound`` takes. ``text``, ``prosody`` [b, hidden, t]; ``style`` [b, 256]; ``noise`` [b, samples, 9];
    ``frames`` int [b], true lengths, None where every row is full."""

    text: Tensor
    prosody: Tensor
    style: Tensor
    noise: Tensor
    frames: Tensor | None


class Network(nn.Module):
    """Kokoro. A style's first half is for the decoder, its second for the prosody."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Albert(config.plbert, config.n_token)
        self.bert_encoder = nn.Linear(config.plbert.hidden_size, config.hidden_dim)
        self.predictor = Predictor(config)
        self.text_encoder = TextEncoder(config)
        self.decoder = Decoder(config)

    @property
    def frame_samples(self) -> int:
        """Samples a frame: 600 with the published sizes."""
        return 2 * self.config.samples_per_pitch

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and of what goes in."""
        return self.bert_encoder.weight.dtype

    def read(self, ids: Tensor, style: Tensor, counts: Sequence[int]) -> Reading:
        """ids int [b, l], each row with its pads and filled up with 0; ``counts``: true lengths."""
        total = ids.shape[1]
        span = None
        if any(count < total for count in counts):
            span = span_of(torch.tensor(counts, device=ids.device), total)
        inside = None if span is None else span.inside[:, 0] > 0
        encoded = self.bert_encoder(self.bert(ids, inside))
        states = self.predictor.text_encoder(encoded, style[:, self.config.style_dim :], counts, inside)
        return Reading(
            durations=self.predictor.durations(states, counts),
            states=states,
            text=self.text_encoder(ids, counts, span),
        )

    def lay_out(self, reading: Reading, ends: Tensor, totals: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Each phoneme repeated for its frames. ``ends`` int [b, l]: the frame after each phoneme's last;
        ``totals``: its last column on the host. -> text and prosody, each [b, hidden, max(totals)]."""
        longest = max(totals)
        moments = torch.arange(longest, device=ends.device)
        at = (ends[:, :, None] <= moments).sum(1).clamp(max=ends.shape[1] - 1)
        kept = (moments < ends[:, -1:])[:, :, None].float()
        states, text = (
            torch.gather(part, 1, at[:, :, None].expand(-1, -1, part.shape[-1])) * kept
            for part in (reading.states, reading.text)
        )
        prosody = run_lstm(self.predictor.shared, states, totals)
        return text.transpose(1, 2), prosody.transpose(1, 2)

    def sound(self, inputs: FrameInputs) -> Tensor:
        """-> sound [b, frames * frame_samples]; beyond each row's end it means nothing."""
        timbre, manner = inputs.style.chunk(2, dim=1)
        curves = self.predictor.curves(inputs.prosody, manner, inputs.frames)
        sound: Tensor = self.decoder(inputs.text, curves, timbre, inputs.noise, inputs.frames)
        return sound


def noise_shape(network: Network, frames: int) -> tuple[int, int]:
    """What ``FrameInputs.noise`` holds for one row of this many frames."""
    return frames * network.frame_samples, HARMONICS
