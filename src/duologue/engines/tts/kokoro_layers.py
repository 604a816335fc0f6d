"""The layers that Kokoro's two halves share, for batches of unequal length.

A batch must sound as its utterances do alone. So nothing may come in from beyond an utterance's end: what enters
a convolution is zero there, as the convolution's own padding is; statistics are taken over the true length; an
LSTM runs on packed sequences, because its backward half starts at the true end. A ``Span`` of None says that
every row is full, and then no work goes into any of that.

Adaptive instance normalisation after Huang and Belongie (2017), as StyleTTS 2 uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

_EPSILON = 1e-5
_SLOPE = 0.2


class Span(NamedTuple):
    """How far each row is true. ``inside``: [b, 1, t], 1.0 inside and 0.0 beyond; ``length``: [b, 1, 1]."""

    inside: Tensor
    length: Tensor


def span_of(counts: Tensor, total: int) -> Span:
    """``counts``: int [b], true lengths within ``total``."""
    inside = torch.arange(total, device=counts.device)[None] < counts[:, None]
    return Span(inside[:, None].float(), counts[:, None, None].float())


def keep(x: Tensor, span: Span | None) -> Tensor:
    """x [b, c, t] with zeros beyond each row's end."""
    return x if span is None else x * span.inside


def run_lstm(lstm: nn.LSTM, x: Tensor, counts: Sequence[int]) -> Tensor:
    """x [b, t, c] -> [b, t, 2 * hidden], each row on its own true length; zeros beyond."""
    total = x.shape[1]
    if all(count == total for count in counts):
        out: Tensor = lstm(x)[0]
        return out
    packed = pack_padded_sequence(x, torch.tensor(counts), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=total)[0]


def bidirectional(inputs: int, outputs: int) -> nn.LSTM:
    """One layer, half of ``outputs`` from each direction."""
    return nn.LSTM(inputs, outputs // 2, batch_first=True, bidirectional=True)


class AdaptiveNorm(nn.Module):
    """Instance normalisation whose scale and shift come from the style."""

    one: Tensor
    zero: Tensor

    def __init__(self, style_dim: int, channels: int) -> None:
        super().__init__()
        # A scale and a shift that do nothing: torch's ONNX exporter learns the number of channels from them.
        self.register_buffer("one", torch.ones(channels, device="cpu"), persistent=False)
        self.register_buffer("zero", torch.zeros(channels, device="cpu"), persistent=False)
        self.fc = nn.Linear(style_dim, 2 * channels)

    def forward(self, x: Tensor, style: Tensor, span: Span | None) -> Tensor:
        """x [b, c, t], zero beyond each row's end -> the same shape, not zero there."""
        scale, shift = self.fc(style)[:, :, None].chunk(2, dim=1)
        if span is None:
            return torch.addcmul(
                shift, 1 + scale, functional.instance_norm(x, weight=self.one, bias=self.zero, eps=_EPSILON)
            )
        centred = (x - x.sum(-1, keepdim=True) / span.length) * span.inside
        variance = centred.square().sum(-1, keepdim=True) / span.length
        return torch.addcmul(shift, centred, (1 + scale) * torch.rsqrt(variance + _EPSILON))


class AdaptiveLayerNorm(nn.Module):
    """Layer normalisation whose scale and shift come from the style."""

    def __init__(self, style_dim: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.fc = nn.Linear(style_dim, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x [b, t, c] -> the same shape."""
        scale, shift = self.fc(style)[:, None].chunk(2, dim=-1)
        return torch.addcmul(shift, 1 + scale, functional.layer_norm(x, (self.channels,), eps=_EPSILON))


class AdaptiveBlock(nn.Module):
    """Two convolutions with adaptive norms and a shortcut; ``doubles`` the time where it is told to."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, *, doubles: bool = False) -> None:
        super().__init__()
        self.norm1 = AdaptiveNorm(style_dim, inputs)
        self.norm2 = AdaptiveNorm(style_dim, outputs)
        self.conv1 = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, padding=1)
        self.conv1x1 = nn.Conv1d(inputs, outputs, 1, bias=False) if inputs != outputs else None
        self.pool = (
            nn.ConvTranspose1d(inputs, inputs, 3, stride=2, padding=1, output_padding=1, groups=inputs)
            if doubles
            else None
        )

    def forward(self, x: Tensor, style: Tensor, span: Span | None, out_span: Span | None) -> Tensor:
        """x [b, c, t], zero beyond each row's end as the result is. ``out_span``: of 2 t where time is doubled."""
        inner = keep(functional.leaky_relu(self.norm1(x, style, span), _SLOPE), span)
        if self.pool is not None:
            inner = keep(self.pool(inner), out_span)
            x = x.repeat_interleave(2, dim=-1)
        inner = keep(self.conv1(inner), out_span)
        inner = keep(functional.leaky_relu(self.norm2(inner, style, out_span), _SLOPE), out_span)
        shortcut = x if self.conv1x1 is None else self.conv1x1(x)
        return keep((self.conv2(inner) + shortcut) * 0.5**0.5, out_span)
