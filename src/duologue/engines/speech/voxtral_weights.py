"""Voxtral's weights, from a folder onto a device: read by transformers' class, kept as the few tensors a step needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duologue.engines.speech.voxtral_memory import VoxtralSizes
from duologue.errors import EngineUnavailable

if TYPE_CHECKING:
    from torch import Tensor, dtype, nn

_INSTALL = 'Voxtral needs torch, transformers and mistral-common: run: pip install "duologue[voxtral]"'


@dataclass(frozen=True)
class TextLayer:
    """One layer of the language model. Matrices that read the same input are one: [out, in]."""

    before_attention: Tensor
    query_key_value: Tensor
    attention_out: Tensor
    before_mlp: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True)
class VoxtralWeights:
    """``encoder``, ``projector``: transformers' modules. ``cosines``, ``sines``: rotary angles [row_tokens, d], the
    sines with the sign of the half that they are added to. ``end_tokens``: what ends an answer."""

    sizes: VoxtralSizes
    encoder: nn.Module
    projector: nn.Module
    embeddings: Tensor
    layers: tuple[TextLayer, ...]
    last_norm: Tensor
    norm_epsilon: float
    head: Tensor
    cosines: Tensor
    sines: Tensor
    end_tokens: frozenset[int]


def read_sizes(folder: Path) -> VoxtralSizes:
    """The sizes that ``config.json`` tells. Raises EngineUnavailable where it is not there or not of a Voxtral."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config.get("model_type")
        if kind != "voxtral":
            raise EngineUnavailable(f"{folder} holds a model of the type {kind}: choose a Voxtral Mini or Small")
        return VoxtralSizes.of_config(config)
    except FileNotFoundError as error:
        raise EngineUnavailable(f"{folder} has no config.json: pull the model again, or name another folder") from error
    except (ValueError, KeyError, AttributeError) as error:
        raise EngineUnavailable(f"{folder / 'config.json'} cannot be read ({error!r}): pull the model again") from error


def load_weights(folder: Path, device: str, kind: dtype, row_tokens: int) -> VoxtralWeights:
    """Read the model in ``folder`` and put it on ``device`` in the arithmetic ``kind``, part by part: nothing is on
    the device twice, and the files stay mapped rather than copied where they have that arithmetic already.

    Raises EngineUnavailable where packages are missing or the folder is not whole.
    """
    sizes = read_sizes(folder)
    net = _read(folder, kind)
    import torch

    with torch.inference_mode():
        text = net.model.language_model
        cosines, sines = _rotary(text.rotary_emb, row_tokens, kind)
        return VoxtralWeights(
            sizes=sizes,
            encoder=net.model.audio_tower.to(device),
            projector=net.model.multi_modal_projector.to(device),
            embeddings=text.embed_tokens.weight.to(device),
            layers=tuple(_take_layer(text.layers, index, device) for index in range(sizes.layers)),
            last_norm=text.norm.weight.to(device),
            norm_epsilon=float(net.config.text_config.rms_norm_eps),
            head=net.lm_head.weight.to(device),
            cosines=cosines.to(device),
            sines=sines.to(device),
            end_tokens=_end_tokens(net, folder),
        )


def _read(folder: Path, kind: dtype) -> Any:
    """transformers' VoxtralForConditionalGeneration in main memory."""
    try:
        from safetensors import SafetensorError
        from transformers import VoxtralForConditionalGeneration
        from transformers.utils import logging
    except ImportError as error:
        raise EngineUnavailable(_INSTALL) from error
    family: Any = VoxtralForConditionalGeneration
    messages: Any = logging
    messages.disable_progress_bar()
    try:
        net, report = family.from_pretrained(
            folder, dtype=kind, local_files_only=True, use_safetensors=True, trust_remote_code=False,
            attn_implementation="sdpa", output_loading_info=True,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise EngineUnavailable(f"the weights in {folder} cannot be loaded ({reason}): pull the model again") from error
    lacking = [*report["missing_keys"], *(report.get("mismatched_keys") or ())]
    if lacking:
        raise EngineUnavailable(f"{folder} is not whole: {len(lacking)} weights are missing: pull the model again")
    return net.eval().requires_grad_(False)


def _take_layer(layers: Any, index: int, device: str) -> TextLayer:
    """The layer's tensors; transformers' own is given up at once, so that only one layer is ever held twice."""
    import torch

    layer = layers[index]
    layers[index] = torch.nn.Identity()
    heads, mlp = layer.self_attn, layer.mlp
    if any(part.bias is not None for part in (heads.q_proj, heads.o_proj, mlp.gate_proj, mlp.down_proj)):
        raise EngineUnavailable("this Voxtral has biases in its language model, which Duologue does not know")
    return TextLayer(
        before_attention=layer.input_layernorm.weight.to(device),
        query_key_value=torch.cat([heads.q_proj.weight, heads.k_proj.weight, heads.v_proj.weight]).to(device),
        attention_out=heads.o_proj.weight.to(device),
        before_mlp=layer.post_attention_layernorm.weight.to(device),
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]).to(device),
        down=mlp.down_proj.weight.to(device),
    )


def _rotary(rotary: Any, row_tokens: int, kind: dtype) -> tuple[Tensor, Tensor]:
    """The model's own cosines and sines of every position."""
    import torch

    positions = torch.arange(row_tokens)[None]
    cosines, sines = rotary(torch.zeros(1, dtype=torch.float32), positions)
    signed = sines[0].clone()
    signed[:, : signed.shape[1] // 2] *= -1
    return cosines[0].to(kind), signed.to(kind)


def _end_tokens(net: Any, folder: Path) -> frozenset[int]:
    ends = net.generation_config.eos_token_id
    if ends is None:
        ends = net.config.text_config.eos_token_id
    if ends is None:
        raise EngineUnavailable(f"{folder} does not say which token ends an answer: pull the model again")
    return frozenset([ends] if isinstance(ends, int) else ends)
