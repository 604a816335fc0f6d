"""Kokoro's weights: from a safetensors file to the network.

The file is the published one (``kokoro-v1_0.safetensors``): float32, 548 tensors named ``<part>.<torch name>`` for
the parts bert, bert_encoder, predictor, text_encoder and decoder, convolutions as weight norm's ``weight_g`` and
``weight_v``. Weight norm (Salimans and Kingma, 2016) is multiplied out once. The ``.pth`` of the same model is a
pickle, which can run code, and is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from duologue.errors import EngineUnavailable

if TYPE_CHECKING:
    from duologue.engines.tts.kokoro_network import Network

_LAYER = "bert.encoder.albert_layer_groups.0.albert_layers.0."
# Published beginnings and ours. The first that fits counts, in either direction.
PREFIXES = (
    (f"{_LAYER}attention.LayerNorm.", "bert.layer.attention_norm."),
    (f"{_LAYER}full_layer_layer_norm.", "bert.layer.output_norm."),
    (f"{_LAYER}ffn.", "bert.layer.ffn."),
    (f"{_LAYER}ffn_output.", "bert.layer.ffn_output."),
    (f"{_LAYER}attention.", "bert.layer."),
    ("bert.encoder.embedding_hidden_mapping_in.", "bert.embedding_hidden_mapping_in."),
    ("bert.embeddings.", "bert."),
    ("predictor.duration_proj.linear_layer.", "predictor.duration_proj."),
    ("decoder.generator.m_source.l_linear.", "decoder.generator.l_linear."),
)
# The pooler answers for whole sentences; nothing asks it.
_UNUSED = ("bert.pooler.", "bert.embeddings.position_ids")


def weights_file(folder: Path) -> Path:
    """The one safetensors file of the folder itself (voices lie below it). Raises EngineUnavailable."""
    files = sorted(folder.glob("*.safetensors"))
    if files:
        return files[0]
    if any(folder.glob("*.pth")):
        raise EngineUnavailable(
            f"{folder} holds Kokoro as a .pth, which is a pickle and can run code: "
            "pull the safetensors form with: duologue pull kokoro"
        )
    raise EngineUnavailable(f"{folder} holds no .safetensors file of Kokoro: run: duologue pull kokoro")


def fill(network: Network, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Give ``network``, which may be on "meta", its weights on the CPU.

    Raises EngineUnavailable for an unreadable file, and for one whose names or shapes are not the network's.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise EngineUnavailable('safetensors is not installed: run: pip install "duologue[gpu]"') from error
    path = weights_file(folder)
    try:
        network.load_state_dict(folded(load_file(path), dtype), assign=True)
    except (SafetensorError, OSError) as error:
        raise EngineUnavailable(f"{path} cannot be read: pull the model again") from error
    except (RuntimeError, KeyError) as error:
        raise EngineUnavailable(f"{path} is not the Kokoro network that its config.json describes: {error}") from error


def folded(published: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The file's tensors under our names, weight norm multiplied out."""
    tensors = {_our_name(name): tensor.to(dtype) for name, tensor in published.items() if not name.startswith(_UNUSED)}
    for name in [name for name in tensors if name.endswith(".weight_v")]:
        stem = name.removesuffix("_v")
        tensors[stem] = torch._weight_norm(tensors.pop(name), tensors.pop(f"{stem}_g"), 0)
    _fold_norms(tensors)
    return tensors


def _our_name(name: str) -> str:
    for theirs, ours in PREFIXES:
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            break
    return name.replace(".gamma", ".weight").replace(".beta", ".bias")


def _fold_norms(tensors: dict[str, Tensor]) -> None:
    """Files written from the kokoro package have a scale and a shift inside each adaptive norm, mostly 1 and 0.

    norm * w + b, then times 1 + g, plus s: the same as times 1 + (w (1 + g) - 1), plus (b (1 + g) + s).
    """
    for name in [name for name in tensors if name.endswith(".norm.weight")]:
        stem = name.removesuffix("norm.weight")
        w, b = tensors.pop(name), tensors.pop(f"{stem}norm.bias")
        for part, one in (("weight", 0.0), ("bias", 1.0)):
            scale, shift = tensors[f"{stem}fc.{part}"].chunk(2)
            row = (-1, *[1] * (scale.dim() - 1))
            grown = one + scale
            tensors[f"{stem}fc.{part}"] = torch.cat([w.view(row) * grown - one, b.view(row) * grown + shift])
