"""Kokoro's half that works on phonemes: how each sounds, how long it lasts, and the pitch and energy on the way.

An ALBERT (Lan et al., 2020) reads the phonemes, a convolutional encoder reads them again for the decoder, and the
predictor turns the first reading and the style into durations and, stretched to frames, into two curves.
The names of the parts are those of the published weights, shortened by ``kokoro_weights``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from duologue.engines.tts.kokoro_config import AlbertSizes, KokoroConfig
from duologue.engines.tts.kokoro_layers import (
    AdaptiveBlock,
    AdaptiveLayerNorm,
    Span,
    bidirectional,
    keep,
    run_lstm,
    span_of,
)

_ALBERT_EPSILON = 1e-12
_SLOPE = 0.2
# Blocks of a curve, of which the second doubles the time: two values a frame.
_CURVE_BLOCKS = 3


class Albert(nn.Module):
    """Phoneme ids -> states, each seeing all others of its row."""

    def __init__(self, sizes: AlbertSizes, tokens: int) -> None:
        super().__init__()
        self.layers = sizes.num_hidden_layers
        self.word_embeddings = nn.Embedding(tokens, sizes.embedding_size)
        self.position_embeddings = nn.Embedding(sizes.max_position_embeddings, sizes.embedding_size)
        self.token_type_embeddings = nn.Embedding(2, sizes.embedding_size)
        self.LayerNorm = nn.LayerNorm(sizes.embedding_size, eps=_ALBERT_EPSILON)
        self.embedding_hidden_mapping_in = nn.Linear(sizes.embedding_size, sizes.hidden_size)
        self.layer = AlbertLayer(sizes)

    def forward(self, ids: Tensor, inside: Tensor | None) -> Tensor:
        """ids [b, l], inside: bool [b, l] or None for all -> [b, l, hidden]."""
        positions = torch.arange(ids.shape[1], device=ids.device)
        embedded = self.word_embeddings(ids) + self.position_embeddings(positions)
        x: Tensor = self.embedding_hidden_mapping_in(self.LayerNorm(embedded + self.token_type_embeddings.weight[0]))
        mask = None if inside is None else inside[:, None, None]
        for _ in range(self.layers):
            x = self.layer(x, mask)
        return x


class AlbertLayer(nn.Module):
    """The one layer that ALBERT has; post-norm, with the tanh form of GELU."""

    def __init__(self, sizes: AlbertSizes) -> None:
        super().__init__()
        width = sizes.hidden_size
        self.heads = sizes.num_attention_heads
        self.query, self.key, self.value, self.dense = (nn.Linear(width, width) for _ in range(4))
        self.attention_norm = nn.LayerNorm(width, eps=_ALBERT_EPSILON)
        self.ffn = nn.Linear(width, sizes.intermediate_size)
        self.ffn_output = nn.Linear(sizes.intermediate_size, width)
        self.output_norm = nn.LayerNorm(width, eps=_ALBERT_EPSILON)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        heads = [part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)]
        seen = functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=mask)
        x = self.attention_norm(x + self.dense(seen.transpose(1, 2).flatten(2)))
        y: Tensor = self.output_norm(x + self.ffn_output(functional.gelu(self.ffn(x), approximate="tanh")))
        return y


class TextEncoder(nn.Module):
    """Phoneme ids -> what the decoder is to pronounce."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, kernel = config.hidden_dim, config.text_encoder_kernel_size
        self.embedding = nn.Embedding(config.n_token, width)
        self.cnn = nn.ModuleList(
            nn.ModuleList([nn.Conv1d(width, width, kernel, padding=(kernel - 1) // 2), nn.LayerNorm(width)])
            for _ in range(config.n_layer)
        )
        self.lstm = bidirectional(width, width)

    def forward(self, ids: Tensor, counts: Sequence[int], span: Span | None) -> Tensor:
        """ids [b, l] -> [b, l, hidden], zero beyond each row's end."""
        x = keep(self.embedding(ids).transpose(1, 2), span)
        for pair in self.cnn:
            conv, norm = pair.children()
            x = norm(conv(x).transpose(1, 2)).transpose(1, 2)
            x = keep(functional.leaky_relu(x, _SLOPE), span)
        return run_lstm(self.lstm, x.transpose(1, 2), counts)


class DurationEncoder(nn.Module):
    """States -> states that know the style, which is put beside them before every LSTM and at the end."""

    def __init__(self, width: int, style_dim: int, layers: int) -> None:
        super().__init__()
        self.lstms = nn.ModuleList(
            part
            for _ in range(layers)
            for part in (bidirectional(width + style_dim, width), AdaptiveLayerNorm(style_dim, width))
        )

    def forward(self, x: Tensor, style: Tensor, counts: Sequence[int], inside: Tensor | None) -> Tensor:
        """x [b, l, width] -> [b, l, width + style], zero beyond each row's end."""
        beside = style[:, None].repeat(1, x.shape[1], 1)
        kept = None if inside is None else inside[:, :, None].float()
        x = _beside(x, beside, kept)
        for part in self.lstms:
            x = run_lstm(part, x, counts) if isinstance(part, nn.LSTM) else _beside(part(x, style), beside, kept)
        return x


class Predictor(nn.Module):
    """Durations a phoneme, and the pitch (Hz) and energy curves of the frames."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, style = config.hidden_dim, config.style_dim
        self.text_encoder = DurationEncoder(width, style, config.n_layer)
        self.lstm = bidirectional(width + style, width)
        self.duration_proj = nn.Linear(width, config.max_dur)
        self.shared = bidirectional(width + style, width)
        self.F0 = _curve(width, style)
        self.N = _curve(width, style)
        self.F0_proj = nn.Conv1d(width // 2, 1, 1)
        self.N_proj = nn.Conv1d(width // 2, 1, 1)

    def durations(self, states: Tensor, counts: Sequence[int]) -> Tensor:
        """states [b, l, width + style] -> frames a phoneme at normal speed, [b, l], not yet whole."""
        return torch.sigmoid(self.duration_proj(run_lstm(self.lstm, states, counts))).sum(-1)

    def curves(self, prosody: Tensor, style: Tensor, frames: Tensor | None) -> tuple[Tensor, Tensor]:
        """prosody [b, width, t] of the shared LSTM -> pitch and energy, each [b, 2 t], zero beyond the end."""
        total = prosody.shape[-1]
        span = None if frames is None else span_of(frames, total)
        doubled = None if frames is None else span_of(2 * frames, 2 * total)
        pitch, energy = (
            keep(last(_through(blocks, prosody, style, (span, doubled))), doubled)[:, 0]
            for blocks, last in ((self.F0, self.F0_proj), (self.N, self.N_proj))
        )
        return pitch, energy


def _curve(width: int, style_dim: int) -> nn.ModuleList:
    widths = [width, width, *(width // 2,) * (_CURVE_BLOCKS - 1)]
    return nn.ModuleList(
        AdaptiveBlock(widths[index], widths[index + 1], style_dim, doubles=index == 1) for index in range(_CURVE_BLOCKS)
    )


def _through(blocks: nn.ModuleList, x: Tensor, style: Tensor, spans: tuple[Span | None, Span | None]) -> Tensor:
    for index, block in enumerate(blocks):
        x = block(x, style, spans[index > 1], spans[index > 0])
    return x


def _beside(x: Tensor, style: Tensor, kept: Tensor | None) -> Tensor:
    both = torch.cat([x, style], dim=-1)
    return both if kept is None else both * kept
