"""A Voxtral Mini checkpoint with random weights, laid out and named as the published one.

It lets loading, equality and speed be tested where the real weights are not at hand: a step of the model costs the
same whatever its weights say. "tiny" keeps every kind of part (grouped heads, a head size that is not hidden/heads,
30 s windows of 375 positions) and shrinks the rest; "full" has the sizes of Voxtral-Mini-3B-2507: 4.68 billion
parameters, 9.4 GB.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from duologue.engines.weights import packaged_file

if TYPE_CHECKING:
    from torch import Generator, Tensor

Size = Literal["tiny", "full"]
_Shapes = list[tuple[str, tuple[int, ...]]]

# Largest file of weights: with it the full size is cut in two, as the published one is.
_SHARD_BYTES = 5_000_000_000
_SPECIAL_TOKENS = {0: "<unk>", 1: "<s>", 2: "</s>", 3: "[INST]", 4: "[/INST]", 5: "[AVAILABLE_TOOLS]",
                   6: "[/AVAILABLE_TOOLS]", 7: "[TOOL_RESULTS]", 8: "[/TOOL_RESULTS]", 9: "[TOOL_CALLS]", 10: "[IMG]",
                   11: "<pad>", 12: "[IMG_BREAK]", 13: "[IMG_END]", 14: "[PREFIX]", 15: "[MIDDLE]", 16: "[SUFFIX]",
                   17: "[SYSTEM_PROMPT]", 18: "[/SYSTEM_PROMPT]", 19: "[TOOL_CONTENT]", 24: "[AUDIO]",
                   25: "[BEGIN_AUDIO]", 34: "[TRANSCRIBE]"}  # fmt: skip
_TEXT: dict[Size, dict[str, Any]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 8,
             "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 4096},
    "full": {"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 30, "num_attention_heads": 32,
             "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131_072},
}  # fmt: skip
_AUDIO: dict[Size, dict[str, Any]] = {
    "tiny": {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
             "num_key_value_heads": 2, "head_dim": 16},
    "full": {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
             "num_key_value_heads": 20, "head_dim": 64},
}  # fmt: skip


def write_voxtral(folder: Path, size: Size, seed: int = 0) -> None:
    """Write the checkpoint into ``folder``, which is made. One file of weights is in memory at a time.

    Raises EngineUnavailable where mistral-common, whose vocabulary is used, is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = voxtral_config(size)
    _write_json(folder / "tekken.json", _tekken(config["vocab_size"]))
    _write_json(folder / "config.json", config)
    _write_json(folder / "params.json", _params(config))
    _write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 11})
    _write_json(folder / "preprocessor_config.json", _FEATURES)
    _write_weights(folder, config, seed)


_FEATURES = {"chunk_length": 30, "dither": 0.0, "feature_extractor_type": "WhisperFeatureExtractor",
             "feature_size": 128, "hop_length": 160, "n_fft": 400, "n_samples": 480_000, "nb_max_frames": 3000,
             "padding_side": "right", "padding_value": 0.0, "processor_class": "VoxtralProcessor",
             "return_attention_mask": False, "sampling_rate": 16_000}  # fmt: skip


def voxtral_config(size: Size) -> dict[str, Any]:
    """What ``config.json`` says of that size."""
    text = _TEXT[size] | {"model_type": "llama", "attention_bias": False, "attention_dropout": 0.0,
                          "hidden_act": "silu", "mlp_bias": False, "max_position_embeddings": 131_072,
                          "rms_norm_eps": 1e-5, "rope_theta": 100_000_000.0, "rope_scaling": None}  # fmt: skip
    audio = _AUDIO[size] | {"model_type": "voxtral_encoder", "activation_function": "gelu", "num_mel_bins": 128,
                            "max_source_positions": 1500, "scale_embedding": False, "vocab_size": 51_866}  # fmt: skip
    return {"architectures": ["VoxtralForConditionalGeneration"], "model_type": "voxtral", "torch_dtype": "bfloat16",
            "audio_config": audio, "text_config": text, "audio_token_id": 24, "projector_hidden_act": "gelu",
            "hidden_size": text["hidden_size"], "vocab_size": text["vocab_size"]}  # fmt: skip


def _params(config: dict[str, Any]) -> dict[str, Any]:
    """The same sizes in the names of the publisher's own format."""
    text, audio = config["text_config"], config["audio_config"]
    encoder = {"encoder_args": {"dim": audio["hidden_size"], "n_layers": audio["num_hidden_layers"],
                                "n_heads": audio["num_attention_heads"], "hidden_dim": audio["intermediate_size"],
                                "audio_encoding_args": _SPECTROGRAM | {"sampling_rate": 16_000, "frame_rate": 12.5}},
               "downsample_args": {"downsample_factor": 4}}  # fmt: skip
    return {"dim": text["hidden_size"], "n_layers": text["num_hidden_layers"], "head_dim": text["head_dim"],
            "hidden_dim": text["intermediate_size"], "n_heads": text["num_attention_heads"],
            "n_kv_heads": text["num_key_value_heads"], "norm_eps": text["rms_norm_eps"],
            "rope_theta": text["rope_theta"], "vocab_size": text["vocab_size"],
            "max_position_embeddings": 32_768, "multimodal": {"whisper_model_args": encoder}}  # fmt: skip


_SPECTROGRAM = {"num_mel_bins": 128, "hop_length": 160, "window_size": 400}


def _tekken(vocab_size: int) -> dict[str, Any]:
    """mistral-common's own vocabulary cut to ``vocab_size``, with Voxtral's version and audio tokens."""
    source = packaged_file("mistral_common", "data/tekken_240911.json")
    data: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    specials: int = data["config"]["default_num_special_tokens"]
    data.pop("image", None)
    data["vocab"] = data["vocab"][: vocab_size - specials]
    data["config"] |= {"version": "v7", "default_vocab_size": vocab_size, "num_vocab_tokens": len(data["vocab"])}
    data["special_tokens"] = [
        {"rank": rank, "token_str": _SPECIAL_TOKENS.get(rank, f"<SPECIAL_{rank}>"), "is_control": True}
        for rank in range(specials)
    ]
    data["audio"] = {"sampling_rate": 16_000, "frame_rate": 12.5, "chunk_length_s": 30.0,
                     "audio_encoding_config": _SPECTROGRAM}  # fmt: skip
    return data


def _shapes(config: dict[str, Any]) -> _Shapes:
    text, audio = config["text_config"], config["audio_config"]
    hidden, vocab = text["hidden_size"], text["vocab_size"]
    shapes: _Shapes = list(_encoder_shapes(audio))
    shapes += [("multi_modal_projector.linear_1.weight", (hidden, audio["intermediate_size"])),
               ("multi_modal_projector.linear_2.weight", (hidden, hidden)),
               ("language_model.model.embed_tokens.weight", (vocab, hidden))]  # fmt: skip
    for layer in range(text["num_hidden_layers"]):
        shapes += [(f"language_model.model.layers.{layer}.{name}", shape) for name, shape in _text_layer(text)]
    return [
        *shapes,
        ("language_model.model.norm.weight", (hidden,)),
        ("language_model.lm_head.weight", (vocab, hidden)),
    ]


def _encoder_shapes(audio: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, wide = audio["hidden_size"], audio["intermediate_size"]
    yield "audio_tower.conv1.weight", (width, audio["num_mel_bins"], 3)
    yield "audio_tower.conv1.bias", (width,)
    yield "audio_tower.conv2.weight", (width, width, 3)
    yield "audio_tower.conv2.bias", (width,)
    yield "audio_tower.embed_positions.weight", (audio["max_source_positions"], width)
    for layer in range(audio["num_hidden_layers"]):
        name = f"audio_tower.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield f"{name}.self_attn.{part}.weight", (width, width)
            if part != "k_proj":
                yield f"{name}.self_attn.{part}.bias", (width,)
        yield f"{name}.fc1.weight", (wide, width)
        yield f"{name}.fc1.bias", (wide,)
        yield f"{name}.fc2.weight", (width, wide)
        yield f"{name}.fc2.bias", (width,)
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            yield f"{name}.{norm}.weight", (width,)
            yield f"{name}.{norm}.bias", (width,)
    yield "audio_tower.layer_norm.weight", (width,)
    yield "audio_tower.layer_norm.bias", (width,)


def _text_layer(text: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, wide = text["hidden_size"], text["intermediate_size"]
    queries = text["num_attention_heads"] * text["head_dim"]
    keys = text["num_key_value_heads"] * text["head_dim"]
    yield "self_attn.q_proj.weight", (queries, hidden)
    yield "self_attn.k_proj.weight", (keys, hidden)
    yield "self_attn.v_proj.weight", (keys, hidden)
    yield "self_attn.o_proj.weight", (hidden, queries)
    yield "mlp.gate_proj.weight", (wide, hidden)
    yield "mlp.up_proj.weight", (wide, hidden)
    yield "mlp.down_proj.weight", (hidden, wide)
    yield "input_layernorm.weight", (hidden,)
    yield "post_attention_layernorm.weight", (hidden,)


def _write_weights(folder: Path, config: dict[str, Any], seed: int) -> None:
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    shapes, layers = _shapes(config), config["text_config"]["num_hidden_layers"]
    shards = list(_shards(shapes))
    names = ["model.safetensors"]
    if len(shards) > 1:
        names = [f"model-{index + 1:05d}-of-{len(shards):05d}.safetensors" for index in range(len(shards))]
        where = {name: file for file, shard in zip(names, shards, strict=True) for name, _ in shard}
        total = sum(2 * math.prod(shape) for _, shape in shapes)
        _write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})
    for file, shard in zip(names, shards, strict=True):
        weights = {name: _weight(name, shape, layers, generator) for name, shape in shard}
        save_file(weights, folder / file, {"format": "pt"})
        # safetensors lets only the owner read its files; a server may run as somebody else.
        (folder / file).chmod(0o644)


def _shards(shapes: _Shapes) -> Iterator[_Shapes]:
    shard: _Shapes = []
    held = 0
    for name, shape in shapes:
        size = 2 * math.prod(shape)
        if shard and held + size > _SHARD_BYTES:
            yield shard
            shard, held = [], 0
        shard.append((name, shape))
        held += size
    yield shard


def _weight(name: str, shape: Sequence[int], layers: int, generator: Generator) -> Tensor:
    """bfloat16, of a spread that keeps every layer's output near one, so that what is heard reaches the words.

    Queries and keys have three times that: with less, every position attends alike and answers repeat one token. What
    ``layers`` add to the stream is divided by their root: with more, 30 of them swell a rounding error until two ways
    of computing the same differ as much as two answers.
    """
    import torch

    if "embed_positions" in name:
        return sinusoids(*shape).to(torch.bfloat16)
    if len(shape) == 1:
        mean, spread = (1.0 if name.endswith("norm.weight") else 0.0), 0.1
    else:
        mean, spread = 0.0, 1 / math.sqrt(math.prod(shape[1:]))
    if name.endswith("embed_tokens.weight"):
        spread = 1.0
    elif name.startswith("language_model") and name.endswith(("q_proj.weight", "k_proj.weight")):
        spread *= 3
    elif name.startswith("language_model") and name.endswith(("o_proj.weight", "down_proj.weight")):
        spread /= math.sqrt(layers)
    return torch.empty(tuple(shape), dtype=torch.bfloat16).normal_(mean, spread, generator=generator)


def sinusoids(positions: int, width: int) -> Tensor:
    """Whisper's encoder positions, float32 [positions, width]: sines, then cosines, of wavelengths from 2 pi to
    10,000 * 2 pi (Radford et al. 2022, section 2.2, and the public code's spacing)."""
    import torch

    step = math.log(10_000) / (width // 2 - 1)
    rates = torch.exp(-step * torch.arange(width // 2, dtype=torch.float32))
    angles = torch.arange(positions, dtype=torch.float32)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
