"""A Kokoro checkpoint with random weights, laid out and named as the published ones.

It lets loading, equality and speed be tested where the real weights are not at hand: a phrase costs the same
whatever the weights say. What is random is shaped so that it behaves: two to five frames a phoneme, a pitch
around 200 Hz, sound within full scale. "tiny" keeps every kind of part and shrinks the widths; "full" has the sizes
of Kokoro-82M: as safetensors 548 tensors in 327,115,152 bytes, to the byte what is published.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from duologue.engines.tts.kokoro_config import AlbertSizes, KokoroConfig, VocoderSizes

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from duologue.engines.tts.kokoro_network import Network

Size = Literal["tiny", "full"]
Form = Literal["safetensors", "onnx"]

VOICES = ("af_heart", "af_bella", "bf_emma")
_VOICE_ROWS = 510
_STYLE_SIZE = 256
# The published vocabulary: first id of a run of phonemes -> the run. 0 is the pad.
_RUNS = {1: ";:,.!?", 9: '—…"()“” \u0303ʣʥʦʨᵝꭧAI', 31: "O", 33: "Q", 35: "ST", 39: "W", 41: "Yᵊabcdef",
         50: "hijklmnopqrstuvwxyzɑɐɒæ", 75: "βɔɕç", 80: "ɖðʤə", 85: "ɚɛɜ", 90: "ɟ", 92: "ɡ", 99: "ɥ", 101: "ɨɪʝ",
         110: "ɯɰŋɳɲɴø", 118: "ɸθœ", 123: "ɹ", 125: "ɾɻ", 128: "ʁɽʂʃʈʧ", 135: "ʊʋ", 138: "ʌɣɤ", 142: "χʎ",
         147: "ʒʔ", 156: "ˈˌː", 162: "ʰ", 164: "ʲ", 169: "↓", 171: "→↗↘", 177: "ᵻ"}  # fmt: skip
VOCAB = {symbol: first + step for first, run in _RUNS.items() for step, symbol in enumerate(run)}
_VOCODER = VocoderSizes(
    upsample_rates=(10, 6),
    upsample_kernel_sizes=(20, 12),
    upsample_initial_channel=512,
    resblock_kernel_sizes=(3, 7, 11),
    resblock_dilation_sizes=((1, 3, 5),) * 3,
    gen_istft_n_fft=20,
    gen_istft_hop_size=5,
)
_FULL = KokoroConfig(
    n_token=178,
    hidden_dim=512,
    style_dim=128,
    n_layer=3,
    max_dur=50,
    text_encoder_kernel_size=5,
    plbert=AlbertSizes(768, 12, 2048, 512, 12),
    istftnet=_VOCODER,
    vocab=VOCAB,
)
CONFIGS: dict[Size, KokoroConfig] = {
    "full": _FULL,
    "tiny": msgspec.structs.replace(
        _FULL,
        hidden_dim=16,
        n_layer=2,
        plbert=AlbertSizes(24, 2, 32, 512, 2, 16),
        istftnet=msgspec.structs.replace(_VOCODER, upsample_initial_channel=16),
        decoder_dim=24,
        residual_dim=8,
    ),
}
# The mean of sigmoid(-2.9) over 50 outputs is 2.6 frames a phoneme, about what people take. A wide swing makes
# phonemes of very different lengths, for tests; a narrow one phrases as long as real ones, for measuring.
_DURATION_BIAS = -2.9
_DURATION_SWING = {"tiny": 6.0, "full": 1.0}
_PITCH_HZ = 200.0
_PITCH_SWING_HZ = 40.0
# What goes through exp() at the end must not vary by much. The sum of eleven bins stays within full scale, and loud
# enough, at full size, not to be trimmed as silence.
_LAST_SCALE = 0.05
_LOUDNESS_BIAS = {"tiny": -3.0, "full": 0.0}


def write_kokoro(folder: Path, size: Size, form: Form = "safetensors", seed: int = 0, *, timed: bool = True) -> None:
    """Write a checkpoint into ``folder``, which is made: weights, configuration, vocabulary and three voices.

    "onnx" is exported from our own network by torch.onnx, with the inputs and outputs of the published timestamped
    export; without ``timed`` it has no durations, as older exports. Needs torch and safetensors, or torch and onnx.
    """
    import torch

    (folder / "voices").mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    network = random_network(size, generator)
    if form == "safetensors":
        _write_safetensors(folder, network, generator)
    else:
        from duologue.bench.engines.kokoro_export import export

        (folder / "onnx").mkdir(exist_ok=True)
        export(network, folder / "onnx" / "model.onnx", timed=timed)
        _write_json(folder / "config.json", {"model_type": "style_text_to_speech_2"})
        _write_json(folder / "tokenizer.json", {"version": "1.0", "model": {"vocab": {"$": 0, **VOCAB}}})
        _write_json(folder / "tokenizer_config.json", {"unk_token": "$"})
    _write_voices(folder / "voices", form, seed)


def random_network(size: Size, generator: Generator) -> Network:
    """The network with random weights that keep signals at about their size."""
    import torch

    from duologue.engines.tts.kokoro_network import Network

    network = Network(CONFIGS[size]).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith("norm.weight") or "LayerNorm.weight" in name or ".alpha" in name:
            parameter.copy_(1 + 0.1 * torch.randn(parameter.shape, generator=generator))
        else:
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 100
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
    network.predictor.duration_proj.weight.mul_(_DURATION_SWING[size])
    network.predictor.duration_proj.bias.add_(_DURATION_BIAS)
    pitch, last = network.predictor.F0_proj, network.decoder.generator.conv_post
    assert pitch.bias is not None  # the layers are made with one
    assert last.bias is not None
    pitch.weight.mul_(_PITCH_SWING_HZ)
    pitch.bias.add_(_PITCH_HZ)
    last.weight.mul_(_LAST_SCALE)
    last.bias[: network.decoder.generator.bins].add_(_LOUDNESS_BIAS[size])
    return network


def published(network: Network) -> Iterator[tuple[str, Tensor]]:
    """The network's tensors under their published names, convolutions as direction and length (weight norm)."""
    for name, tensor in network.state_dict().items():
        theirs = _published_name(name)
        if theirs.endswith(".weight") and _has_weight_norm(theirs, tensor):
            yield f"{theirs}_g", tensor.flatten(1).norm(dim=1)[:, None, None]
            yield f"{theirs}_v", tensor * 1.5
        else:
            yield theirs, tensor


def _published_name(name: str) -> str:
    from duologue.engines.tts.kokoro_weights import PREFIXES

    if re.match(r"text_encoder\.cnn\.\d+\.1\.", name):
        return name.replace(".weight", ".gamma").replace(".bias", ".beta")
    for theirs, ours in PREFIXES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def _has_weight_norm(name: str, tensor: Tensor) -> bool:
    return tensor.dim() == 3 and not any(part in name for part in ("F0_proj", "N_proj", "noise_convs"))


def _write_safetensors(folder: Path, network: Network, generator: Generator) -> None:
    import torch
    from safetensors.torch import save_file

    width = network.config.plbert.hidden_size
    tensors = {name: tensor.contiguous() for name, tensor in published(network)}
    tensors["bert.pooler.weight"] = torch.randn((width, width), generator=generator) / width**0.5
    tensors["bert.pooler.bias"] = torch.zeros(width)
    save_file(tensors, folder / "kokoro-v1_0.safetensors")
    _write_json(folder / "config.json", msgspec.to_builtins(network.config))


def _write_voices(folder: Path, form: Form, seed: int) -> None:
    for index, name in enumerate(VOICES):
        rows = np.random.default_rng([seed, index]).standard_normal((_VOICE_ROWS, _STYLE_SIZE)) * 0.3
        voice = rows.astype("<f4")
        if form == "onnx":
            (folder / f"{name}.bin").write_bytes(voice.tobytes())
        else:
            from safetensors.numpy import save_file

            save_file({"voice": voice[:, None]}, folder / f"{name}.safetensors")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
