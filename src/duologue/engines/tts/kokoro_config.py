"""The sizes of a Kokoro network, as its ``config.json`` gives them.

Kokoro is StyleTTS 2 (Li et al., 2023) with an iSTFTNet vocoder (Kaneko et al., 2022). The published file leaves
a few widths out, because the published code has them as constants; they are fields here, with those constants as
defaults, so that a small network of the same architecture can be described, too.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

import msgspec

from duologue.errors import EngineUnavailable


class AlbertSizes(msgspec.Struct, frozen=True):
    """The phoneme encoder: an ALBERT whose one layer is run ``num_hidden_layers`` times."""

    hidden_size: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    num_hidden_layers: int
    embedding_size: int = 128


class VocoderSizes(msgspec.Struct, frozen=True):
    """The generator: upsampling stages with residual blocks, then an inverse STFT."""

    upsample_rates: tuple[int, ...]
    upsample_kernel_sizes: tuple[int, ...]
    upsample_initial_channel: int
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilation_sizes: tuple[tuple[int, ...], ...]
    gen_istft_n_fft: int
    gen_istft_hop_size: int


class KokoroConfig(msgspec.Struct, frozen=True):
    """``vocab``: phoneme -> id. ``decoder_dim`` and ``residual_dim`` are constants of the published code."""

    n_token: int
    hidden_dim: int
    style_dim: int
    n_layer: int
    max_dur: int
    text_encoder_kernel_size: int
    plbert: AlbertSizes
    istftnet: VocoderSizes
    vocab: dict[str, int] = {}
    decoder_dim: int = 1024
    residual_dim: int = 64

    @property
    def samples_per_pitch(self) -> int:
        """Samples that one value of the pitch curve stands for; a frame has two such values."""
        return prod(self.istftnet.upsample_rates) * self.istftnet.gen_istft_hop_size


def read_config(folder: Path) -> KokoroConfig:
    """``config.json`` of the torch layout. Raises EngineUnavailable where there is none, or another model's."""
    path = folder / "config.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=KokoroConfig)
    except OSError as error:
        raise EngineUnavailable(f"{path} cannot be read: pull the model again") from error
    except msgspec.DecodeError as error:
        hint = " It is an ONNX folder: set kokoro.backend to auto." if any(folder.rglob("*.onnx")) else ""
        raise EngineUnavailable(f"{path} does not describe a Kokoro network for torch ({error}).{hint}") from error
