"""How much memory a Voxtral takes on its device: arithmetic on its sizes, before anything is loaded."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.errors import ConfigError

# Positions filled in one pass, windows encoded in one, and rows stepped in one: they bound what a pass needs besides.
FILL_TOKENS = 2048
ENCODE_WINDOWS = 8
STEP_ROWS = 64
# What CUDA itself, its libraries and torch's rounding take.
_CUDA_BYTES = 1_000_000_000


class VoxtralSizes(msgspec.Struct, frozen=True):
    """The sizes of one Voxtral: its language model's, and with ``encoder_`` its encoder's."""

    hidden: int
    layers: int
    heads: int
    shared_heads: int
    head_width: int
    mlp_width: int
    vocabulary: int
    encoder_hidden: int
    encoder_layers: int
    encoder_mlp_width: int
    encoder_positions: int
    mel_bins: int

    @classmethod
    def of_config(cls, config: dict[str, Any]) -> VoxtralSizes:
        """From a checkpoint's config.json; KeyError for what it does not say."""
        text, audio = config["text_config"], config["audio_config"]
        heads = text["num_attention_heads"]
        return cls(
            hidden=text["hidden_size"],
            layers=text["num_hidden_layers"],
            heads=heads,
            shared_heads=text.get("num_key_value_heads") or heads,
            head_width=text.get("head_dim") or text["hidden_size"] // heads,
            mlp_width=text["intermediate_size"],
            vocabulary=text["vocab_size"],
            encoder_hidden=audio["hidden_size"],
            encoder_layers=audio["num_hidden_layers"],
            encoder_mlp_width=audio["intermediate_size"],
            encoder_positions=audio["max_source_positions"],
            mel_bins=audio["num_mel_bins"],
        )

    @property
    def window_tokens(self) -> int:
        """Positions of the language model that one 30 s window takes: 375."""
        return self.encoder_positions * self.encoder_hidden // self.encoder_mlp_width

    def parameters(self) -> int:
        """How many numbers the weights are: 4.68 billion for Voxtral Mini."""
        attention = self.hidden * self.head_width * 2 * (self.heads + self.shared_heads)
        layer = attention + 3 * self.hidden * self.mlp_width + 2 * self.hidden
        text = self.layers * layer + 2 * self.vocabulary * self.hidden + self.hidden
        width, wide = self.encoder_hidden, self.encoder_mlp_width
        encoder_layer = 4 * width * width + 3 * width + 2 * width * wide + wide + width + 4 * width
        ends = 3 * width * (self.mel_bins + width) + 2 * width + self.encoder_positions * width + 2 * width
        return text + self.encoder_layers * encoder_layer + ends + self.hidden * (wide + self.hidden)

    def position_bytes(self, element_bytes: int) -> int:
        """Keys and values of one position of a row: 122,880 for Voxtral Mini in bfloat16."""
        return 2 * self.layers * self.shared_heads * self.head_width * element_bytes


def needed_bytes(sizes: VoxtralSizes, rows: int, row_tokens: int, element_bytes: int) -> int:
    """Weights, rows and what a pass needs besides."""
    # A step copies one layer's keys and values of its rows and scores them; a fill holds its masks and widest layer.
    lanes = min(rows, STEP_ROWS)
    stepped = lanes * row_tokens * (sizes.position_bytes(element_bytes) // sizes.layers + 8 * sizes.heads)
    groups = sizes.heads // sizes.shared_heads
    filled = FILL_TOKENS * (4 * sizes.mlp_width + 2 * groups * row_tokens) * element_bytes
    encoded = ENCODE_WINDOWS * 2 * sizes.encoder_positions * 3 * sizes.encoder_mlp_width * element_bytes
    held = (rows + 1) * row_tokens * sizes.position_bytes(element_bytes)
    return sizes.parameters() * element_bytes + held + stepped + max(filled, encoded)


def require_memory(sizes: VoxtralSizes, rows: int, row_tokens: int, element_bytes: int, free_bytes: int) -> None:
    """Raises ConfigError, with the numbers and what to change, where ``free_bytes`` of a GPU are not enough."""
    needed = needed_bytes(sizes, rows, row_tokens, element_bytes) + _CUDA_BYTES
    if needed <= free_bytes:
        return
    weights = sizes.parameters() * element_bytes
    row = row_tokens * sizes.position_bytes(element_bytes)
    raise ConfigError(
        f"Voxtral needs {_gb(needed)} on the GPU and {_gb(free_bytes)} are free: {_gb(weights)} for its weights and "
        f"{_gb(row)} for each of {rows} rows of {row_tokens} tokens. {_what_to_change(needed, row, rows, free_bytes)}"
    )


def _what_to_change(needed: int, row: int, rows: int, free_bytes: int) -> str:
    if needed - rows * row + row > free_bytes:
        return "The weights alone do not fit: use a larger GPU, free this one, or run Voxtral behind vLLM."
    return "Lower voxtral.conversations or voxtral.context_tokens, or free the GPU of other programs."


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
