"""Voxtral's language model over preallocated key-value rows.

Positions go through the layers side by side, [positions, hidden], whatever row they belong to; only attention
knows rows. So rows of different lengths fill together without padding, and a step is one position of many rows.
The arithmetic is that of a Llama layer (Touvron et al. 2023; rotary positions: Su et al. 2021, halves apart).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from duologue.engines.speech.attention import Expanded, Grouped

if TYPE_CHECKING:
    from torch import Tensor

    from duologue.engines.speech.attention import Attention
    from duologue.engines.speech.voxtral_weights import VoxtralWeights

# (a layer's keys and values, queries [t, heads, d], keys and values [t, shared, d]) -> [t, heads * d]
_Attend = Callable[["Tensor", "Tensor", "Tensor", "Tensor"], "Tensor"]


@dataclass(frozen=True)
class Piece:
    """Some positions of one row: ``start`` up to ``end``, ``end`` not among them."""

    row: int
    start: int
    end: int


class Decoder:
    """``rows`` of ``row_tokens`` positions, and one more for steps that stand for nobody (``spare_row``)."""

    def __init__(self, weights: VoxtralWeights, rows: int, row_tokens: int, *, is_grouped: bool) -> None:
        self.spare_row = rows
        self._weights = weights
        self._sizes = weights.sizes
        self._attention: Attention = Grouped() if is_grouped else Expanded()
        # Zeros, since what is masked out is still multiplied by nought, and memory as found may hold NaN.
        shape = (2, rows + 1, self._sizes.shared_heads, row_tokens, self._sizes.head_width)
        self._held = [torch.zeros(shape, dtype=weights.head.dtype, device=weights.head.device) for _ in weights.layers]

    def fill(self, embeddings: Tensor, pieces: Sequence[Piece]) -> Tensor:
        """Write ``embeddings`` [t, hidden], the pieces one after another -> [t, hidden], before the head."""
        device, groups = embeddings.device, self._sizes.heads // self._sizes.shared_heads
        positions = torch.cat([torch.arange(piece.start, piece.end) for piece in pieces]).to(device)
        masks = [self._attention.fill_mask(self._causal(piece), groups) for piece in pieces]
        counts = [piece.end - piece.start for piece in pieces]

        def attend(held: Tensor, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            found = []
            parts = [torch.split(all_rows, counts) for all_rows in (queries, keys, values)]
            for piece, mask, query, key, value in zip(pieces, masks, *parts, strict=True):
                row = held[:, piece.row]
                row[0, :, piece.start : piece.end] = key.transpose(0, 1)
                row[1, :, piece.start : piece.end] = value.transpose(0, 1)
                seen = row[:, :, : piece.end]
                found.append(self._attention.fill(query.transpose(0, 1), seen[0], seen[1], mask))
            return torch.cat(found)

        return self._through(embeddings, positions, attend)

    def step(self, tokens: Tensor, rows: Tensor, lengths: Tensor, view: int) -> Tensor:
        """Write ``tokens`` [b] at ``lengths`` [b] of ``rows`` [b] -> logits [b, vocabulary].

        ``view``: positions looked at, above every length. Shapes depend on b and ``view`` alone, and nothing waits
        for the host, so that the call can be recorded.
        """
        seen = torch.arange(view, device=lengths.device) <= lengths[:, None]
        mask = torch.zeros(seen.shape, dtype=self._weights.head.dtype, device=lengths.device)
        mask = mask.masked_fill(~seen, -torch.inf)[:, None, None]

        def attend(held: Tensor, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            held[0][rows, :, lengths] = keys
            held[1][rows, :, lengths] = values
            stepped = held[:, :, :, :view].index_select(1, rows)
            return self._attention.step(queries, stepped[0], stepped[1], mask)

        hidden = self._through(self._weights.embeddings[tokens], lengths, attend)
        return self.logits(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """[t, hidden] -> [t, vocabulary]."""
        return functional.linear(hidden, self._weights.head)

    def _through(self, hidden: Tensor, positions: Tensor, attend: _Attend) -> Tensor:
        sizes, width = self._sizes, self._sizes.head_width
        cosines, sines = self._weights.cosines[positions][:, None], self._weights.sines[positions][:, None]
        turned_heads = sizes.heads + sizes.shared_heads
        for layer, held in zip(self._weights.layers, self._held, strict=True):
            read = self._normed(hidden, layer.before_attention)
            mixed = functional.linear(read, layer.query_key_value).view(len(hidden), -1, width)
            # A head's halves change places and are turned against each other by the angle of their position.
            turned, values = mixed[:, :turned_heads], mixed[:, turned_heads:]
            turned = torch.addcmul(turned * cosines, turned.roll(width // 2, -1), sines)
            found = attend(held, turned[:, : sizes.heads], turned[:, sizes.heads :], values)
            hidden = torch.addmm(hidden, found, layer.attention_out.T)
            gate, up = functional.linear(self._normed(hidden, layer.before_mlp), layer.gate_up).chunk(2, -1)
            hidden = torch.addmm(hidden, functional.silu(gate) * up, layer.down.T)
        return self._normed(hidden, self._weights.last_norm)

    def _normed(self, hidden: Tensor, weight: Tensor) -> Tensor:
        return functional.rms_norm(hidden, weight.shape, weight, self._weights.norm_epsilon)

    def _causal(self, piece: Piece) -> Tensor:
        """[n, end]: each position looks at itself and what is before it."""
        device, kind = self._weights.head.device, self._weights.head.dtype
        mask = torch.full((piece.end - piece.start, piece.end), -torch.inf, dtype=kind, device=device)
        return mask.triu_(piece.start + 1)
