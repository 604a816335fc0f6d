"""The kokoro package's own network beside ours: the same folder, its own forward pass."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from duologue.engines.tts.kokoro_decoder import Transform
from duologue.engines.tts.kokoro_net import Utterance
from duologue.engines.tts.kokoro_torch import utterance_noise

with warnings.catch_warnings():
    # Deprecations of its dependencies, at import.
    warnings.simplefilter("ignore")
    from kokoro import istftnet
    from kokoro.model import CustomAlbert, KModel, ProsodyPredictor, TextEncoder
    from transformers import AlbertConfig


class Reference:
    """The package's KModel in float64, with the widths of the folder's config.json.

    Its short-time Fourier transform is replaced by ours, which has a test of its own: the angles of the first
    frame, real by symmetry, are pi or -pi by rounding in torch.stft.
    """

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        with warnings.catch_warnings():
            # weight_norm is deprecated, and dropout does nothing in an LSTM of one layer.
            warnings.simplefilter("ignore")
            self.model = _model(config)
        found = self.model.load_state_dict(load_file(folder / "kokoro-v1_0.safetensors"), strict=False)
        assert not found.unexpected_keys
        assert all(".norm." in key for key in found.missing_keys)
        self.model.decoder.generator.stft = _OurTransform(config["istftnet"])
        self.model.eval().to(torch.float64)

    def speak(self, utterance: Utterance, samples: int) -> tuple[Tensor, tuple[int, ...]]:
        """Sound and frames, with the noise that ours has for this utterance and length."""
        noise = utterance_noise(utterance, (samples, 9), "cpu")[None]
        ids = torch.tensor([[0, *utterance.tokens, 0]])
        style = torch.from_numpy(utterance.style)[None].double()
        with _noise(noise), _float64():
            sound, frames = self.model.forward_with_tokens(ids, style, utterance.speed)
        return sound, tuple(frames.tolist())


class _OurTransform(nn.Module):
    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        self.bins = sizes["gen_istft_n_fft"] // 2 + 1
        self.ours = Transform(sizes["gen_istft_n_fft"], sizes["gen_istft_hop_size"])

    def transform(self, sound: Tensor) -> tuple[Tensor, Tensor]:
        spectrum = self.ours.analyse(sound, None)
        return spectrum[:, : self.bins], spectrum[:, self.bins :]

    def inverse(self, magnitude: Tensor, angle: Tensor) -> Tensor:
        return self.ours.synthesise(magnitude, angle, None)[:, None]


def _model(config: dict[str, Any]) -> Any:
    width, layers = config["hidden_dim"], config["n_layer"]
    model = KModel.__new__(KModel)
    nn.Module.__init__(model)
    model.bert = CustomAlbert(AlbertConfig(vocab_size=config["n_token"], **config["plbert"]))
    model.bert_encoder = nn.Linear(config["plbert"]["hidden_size"], width)
    model.predictor = ProsodyPredictor(style_dim=128, d_hid=width, nlayers=layers, max_dur=50, dropout=0.2)
    model.text_encoder = TextEncoder(channels=width, kernel_size=5, depth=layers, n_symbols=config["n_token"])
    model.decoder = _decoder(config)
    return model


def _decoder(config: dict[str, Any]) -> Any:
    """Its Decoder with our widths: they are constants in its constructor, and nowhere else."""
    width, beside = config["decoder_dim"], config["residual_dim"]
    inner, last = width + 2 + beside, config["istftnet"]["upsample_initial_channel"]
    block, weight_norm = istftnet.AdainResBlk1d, torch.nn.utils.weight_norm
    decoder = istftnet.Decoder.__new__(istftnet.Decoder)
    nn.Module.__init__(decoder)
    decoder.encode = block(config["hidden_dim"] + 2, width, 128)
    decoder.decode = nn.ModuleList([block(inner, width, 128) for _ in range(3)])
    decoder.decode.append(block(inner, last, 128, upsample=True))
    decoder.F0_conv = weight_norm(nn.Conv1d(1, 1, 3, stride=2, padding=1))
    decoder.N_conv = weight_norm(nn.Conv1d(1, 1, 3, stride=2, padding=1))
    decoder.asr_res = nn.Sequential(weight_norm(nn.Conv1d(config["hidden_dim"], beside, 1)))
    decoder.generator = istftnet.Generator(128, **config["istftnet"])
    return decoder


@contextmanager
def _noise(noise: Tensor) -> Iterator[None]:
    """What the harmonic source draws is ``noise``; whatever else is drawn is not used."""
    drawn = torch.randn_like

    def given(like: Tensor) -> Tensor:
        return noise if like.shape == noise.shape else drawn(like)

    with mock.patch("torch.randn_like", given):
        yield


@contextmanager
def _float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
