"""Attention over key-value rows where several query heads share one key-value head.

``Grouped`` puts the queries of one shared head under each other, so that two reshapes do what is otherwise done by
copying every key and value (four times over for Voxtral). ``Expanded`` is torch's own way; both give the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from torch import Tensor

# Rows and views are multiples of it: keys that one product of a step takes. There is one product for each of 8
# shared heads; left whole they would keep 8 of a GPU's 132 multiprocessors busy with the values.
SPLIT_KEYS = 512


class Attention(Protocol):
    """``mask`` is added to the scores: 0 where a query may look, minus infinity elsewhere."""

    def fill_mask(self, mask: Tensor, groups: int) -> Tensor:
        """``mask`` [n, k] as ``fill`` wants it; made once for all layers."""

    def fill(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """n positions of one row: queries [heads, n, d]; keys and values [shared, k, d] -> [n, heads * d]."""

    def step(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """One position of b rows: queries [b, heads, d]; keys and values [b, shared, k, d]; mask [b, 1, 1, k]
        -> [b, heads * d]."""


class Grouped:
    """Without copies of the shared heads."""

    def fill_mask(self, mask: Tensor, groups: int) -> Tensor:
        return mask.repeat(groups, 1)[None, None]

    def fill(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        heads, n, width = queries.shape
        stacked = queries.reshape(1, keys.shape[0], -1, width)
        found = scaled_dot_product_attention(stacked, keys[None], values[None], attn_mask=mask)
        joined: Tensor = found.reshape(heads, n, width).transpose(0, 1).reshape(n, -1)
        return joined

    def step(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        rows, shared, held, width = keys.shape
        stacked = queries.reshape(rows, shared, -1, width) * width**-0.5
        scores = stacked @ keys.transpose(2, 3) + mask
        weights = scores.softmax(-1, dtype=torch.float32).to(values.dtype)
        split = weights.view(rows, shared, -1, held // SPLIT_KEYS, SPLIT_KEYS).transpose(2, 3)
        found = split @ values.view(rows, shared, -1, SPLIT_KEYS, width)
        joined: Tensor = found.sum(2).view(rows, -1)
        return joined


class Expanded:
    """torch's scaled_dot_product_attention."""

    def fill_mask(self, mask: Tensor, groups: int) -> Tensor:
        return mask[None, None]

    def fill(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        found = scaled_dot_product_attention(queries[None], keys[None], values[None], attn_mask=mask, enable_gqa=True)
        joined: Tensor = found[0].transpose(0, 1).reshape(queries.shape[1], -1)
        return joined

    def step(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        found = scaled_dot_product_attention(queries[:, :, None], keys, values, attn_mask=mask, enable_gqa=True)
        joined: Tensor = found.reshape(len(queries), -1)
        return joined
