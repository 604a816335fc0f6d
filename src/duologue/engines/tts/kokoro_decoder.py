"""Kokoro's half that makes sound of frames: a decoder, and an iSTFTNet generator driven by a harmonic source.

The source is sines at the pitch and its overtones, with noise (Wang et al., "Neural source-filter", 2019). Its
spectrum enters every upsampling stage. The noise is given from outside, so that an utterance sounds the same each
time and in any batch; the sines start at phase 0.

Both transforms are convolutions with the windowed Fourier basis. torch.istft checks its window on the host, which
would break a CUDA graph, and neither it nor torch.stft knows of rows with ends of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from duologue.audio.frame import VOICE_RATE_HZ, Float32
from duologue.engines.tts.kokoro_config import KokoroConfig
from duologue.engines.tts.kokoro_layers import AdaptiveBlock, AdaptiveNorm, Span, keep, span_of

# The pitch and its overtones.
HARMONICS = 9
_SINE_LEVEL = 0.1
_VOICED_NOISE = 0.003
# Below this many Hz there is no voice, only breath.
_VOICED_HZ = 10
_SLOPE = 0.1


class Decoder(nn.Module):
    """Stretched phonemes, pitch and energy -> sound."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, style = config.decoder_dim, config.style_dim
        inner = width + 2 + config.residual_dim
        last = config.istftnet.upsample_initial_channel
        self.encode = AdaptiveBlock(config.hidden_dim + 2, width, style)
        self.decode = nn.ModuleList(
            [AdaptiveBlock(inner, width, style) for _ in range(3)] + [AdaptiveBlock(inner, last, style, doubles=True)]
        )
        self.F0_conv = nn.Conv1d(1, 1, 3, stride=2, padding=1)
        self.N_conv = nn.Conv1d(1, 1, 3, stride=2, padding=1)
        self.asr_res = nn.ModuleList([nn.Conv1d(config.hidden_dim, config.residual_dim, 1)])
        self.generator = Generator(config)

    def forward(
        self, text: Tensor, curves: tuple[Tensor, Tensor], style: Tensor, noise: Tensor, frames: Tensor | None
    ) -> Tensor:
        """text [b, hidden, t]; curves: pitch and energy, each [b, 2 t]; noise [b, samples, 9]; all zero beyond
        each row's end, which ``frames`` [b] gives. -> sound [b, samples]."""
        total = text.shape[-1]
        span = None if frames is None else span_of(frames, total)
        doubled = None if frames is None else span_of(2 * frames, 2 * total)
        pitch, energy = curves
        beside = [keep(self.F0_conv(pitch[:, None]), span), keep(self.N_conv(energy[:, None]), span)]
        x = self.encode(torch.cat([text, *beside], dim=1), style, span, span)
        beside = [keep(self.asr_res[0](text), span), *beside]
        for block in self.decode:
            after = doubled if block is self.decode[-1] else span
            x = block(torch.cat([x, *beside], dim=1), style, span, after)
        sound: Tensor = self.generator(x, style, pitch, noise, None if frames is None else 2 * frames)
        return sound


class Generator(nn.Module):
    """Upsampling stages of residual blocks, then the inverse transform."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        sizes = config.istftnet
        self.rates = sizes.upsample_rates
        self.kernels = len(sizes.resblock_kernel_sizes)
        self.bins = sizes.gen_istft_n_fft // 2 + 1
        self.l_linear = nn.Linear(HARMONICS, 1)
        self.transform = Transform(sizes.gen_istft_n_fft, sizes.gen_istft_hop_size)
        self.samples_per_pitch = config.samples_per_pitch
        self.ups, self.noise_convs = nn.ModuleList(), nn.ModuleList()
        self.noise_res, self.resblocks = nn.ModuleList(), nn.ModuleList()
        channels = sizes.upsample_initial_channel
        for stage, (rate, kernel) in enumerate(zip(self.rates, sizes.upsample_kernel_sizes, strict=True)):
            self.ups.append(nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2))
            channels //= 2
            self.noise_convs.append(_noise_conv(2 * self.bins, channels, prod(self.rates[stage + 1 :])))
            is_last = stage == len(self.rates) - 1
            self.noise_res.append(SnakeBlock(channels, 11 if is_last else 7, (1, 3, 5), config.style_dim))
            for width, dilations in zip(sizes.resblock_kernel_sizes, sizes.resblock_dilation_sizes, strict=True):
                self.resblocks.append(SnakeBlock(channels, width, dilations, config.style_dim))
        self.conv_post = nn.Conv1d(channels, 2 * self.bins, 7, padding=3)

    def forward(self, x: Tensor, style: Tensor, pitch: Tensor, noise: Tensor, values: Tensor | None) -> Tensor:
        """x [b, c, p], pitch [b, p]; ``values`` [b]: how many of the p are true -> [b, p * samples_per_pitch]."""
        source = harmonics(pitch, noise, self.samples_per_pitch)
        excitation = torch.tanh(self.l_linear(source))[..., 0]
        ends = None if values is None else values * self.samples_per_pitch
        spectrum = self.transform.analyse(excitation, ends)
        factor, total = 1, pitch.shape[1]
        span: Span | None = None
        for stage, rate in enumerate(self.rates):
            is_last = stage == len(self.rates) - 1
            factor *= rate
            if values is not None:
                span = span_of(values * factor + is_last, total * factor + is_last)
            x = self.ups[stage](functional.leaky_relu(x, _SLOPE))
            x = functional.pad(x, (1, 0), mode="reflect") if is_last else x
            driven = self.noise_res[stage](keep(self.noise_convs[stage](spectrum), span), style, span)
            x = self._blend(stage, keep(x, span) + driven, style, span)
        out = self.conv_post(functional.leaky_relu(x))
        return self.transform.synthesise(torch.exp(out[:, : self.bins]), torch.sin(out[:, self.bins :]), span)

    def _blend(self, stage: int, x: Tensor, style: Tensor, span: Span | None) -> Tensor:
        first = stage * self.kernels
        total: Tensor = self.resblocks[first](x, style, span)
        for block in self.resblocks[first + 1 : first + self.kernels]:
            total = total + block(x, style, span)
        return total / self.kernels


class SnakeBlock(nn.Module):
    """Residual pairs of a dilated and a plain convolution, with x + sin(a x)^2 / a (Ziyin et al., 2020) between."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int], style_dim: int) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_same_conv(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(_same_conv(channels, kernel, 1) for _ in dilations)
        self.adain1 = nn.ModuleList(AdaptiveNorm(style_dim, channels) for _ in dilations)
        self.adain2 = nn.ModuleList(AdaptiveNorm(style_dim, channels) for _ in dilations)
        self.alpha1 = nn.ParameterList(torch.ones(1, channels, 1) for _ in dilations)
        self.alpha2 = nn.ParameterList(torch.ones(1, channels, 1) for _ in dilations)

    def forward(self, x: Tensor, style: Tensor, span: Span | None) -> Tensor:
        """x [b, c, t], zero beyond each row's end as the result is."""
        for index, alpha in enumerate(self.alpha1):
            inner = keep(_snake(self.adain1[index](x, style, span), alpha), span)
            inner = keep(self.convs1[index](inner), span)
            inner = keep(_snake(self.adain2[index](inner, style, span), self.alpha2[index]), span)
            x = keep(self.convs2[index](inner), span) + x
        return x


class Transform(nn.Module):
    """Short-time Fourier transform and back, centred, with a periodic Hann window as long as a frame."""

    analysis: Tensor
    synthesis: Tensor
    squares: Tensor

    def __init__(self, size: int, hop: int) -> None:
        super().__init__()
        self.size, self.hop, self.bins = size, hop, size // 2 + 1
        for name, table in zip(("analysis", "synthesis", "squares"), _fourier(size), strict=True):
            # An explicit device: the network is built on "meta" and only its parameters are filled in.
            self.register_buffer(name, torch.tensor(table, device="cpu")[:, None], persistent=False)

    def analyse(self, sound: Tensor, ends: Tensor | None) -> Tensor:
        """sound [b, n] -> [b, 2 * bins, n / hop + 1], magnitudes then angles; zero beyond ``ends`` [b].

        The first frame is its own mirror image, so its imaginary part is 0, as the lowest and the highest bin's
        always is. Where the real part is negative, too, the angle is pi: left to rounding, or to the sign of a 0,
        it would be pi or -pi by chance.
        """
        half = self.size // 2
        mirrored = functional.pad(sound[:, None], (half, half), mode="reflect")[:, 0]
        if ends is not None:
            mirrored = _mirror_ends(mirrored, ends, half)
        parts = functional.conv1d(mirrored[:, None], self.analysis, stride=self.hop)
        real, imaginary = parts[:, : self.bins], parts[:, self.bins :]
        imaginary = torch.cat([torch.zeros_like(imaginary[..., :1]), imaginary[..., 1:]], dim=2)
        angle = torch.atan2(imaginary, real).masked_fill((imaginary == 0) & (real < 0), pi)
        spectrum = torch.cat([torch.sqrt(real**2 + imaginary**2), angle], dim=1)
        return spectrum if ends is None else keep(spectrum, span_of(ends // self.hop + 1, spectrum.shape[2]))

    def synthesise(self, magnitude: Tensor, angle: Tensor, span: Span | None) -> Tensor:
        """Two [b, bins, m] -> [b, (m - 1) * hop]: overlapped, and divided by the windows' overlapped squares."""
        parts = keep(torch.cat([magnitude * torch.cos(angle), magnitude * torch.sin(angle)], dim=1), span)
        sound = functional.conv_transpose1d(parts, self.synthesis, stride=self.hop)
        kept = torch.ones_like(angle[:1, :1]) if span is None else span.inside.to(parts.dtype)
        weight = functional.conv_transpose1d(kept, self.squares, stride=self.hop).clamp(min=1e-11)
        half = self.size // 2
        return (sound / weight)[:, 0, half : sound.shape[2] - half]


def harmonics(pitch: Tensor, noise: Tensor, hop: int) -> Tensor:
    """pitch [b, p] Hz, zero beyond the end; noise [b, p * hop, 9], standard normal -> sines with noise, that shape.

    Phase adds up once a pitch value and is interpolated between, on a straight line.
    """
    multiples = torch.arange(1, HARMONICS + 1, device=pitch.device)
    turns = (pitch[:, None] * multiples[:, None] / VOICE_RATE_HZ) % 1
    phase = torch.cumsum(turns, dim=2) * 2 * pi
    sines = torch.sin(functional.interpolate(phase * hop, scale_factor=float(hop), mode="linear")).transpose(1, 2)
    voiced = (pitch > _VOICED_HZ).float().repeat_interleave(hop, dim=1)[..., None]
    level = voiced * _VOICED_NOISE + (1 - voiced) * _SINE_LEVEL / 3
    return sines * _SINE_LEVEL * voiced + level * noise


def _mirror_ends(mirrored: Tensor, ends: Tensor, half: int) -> Tensor:
    """Write each row's reflection behind its true end. mirrored [b, half + n + half]; ends [b], within n."""
    steps = torch.arange(half, device=ends.device)
    last = ends[:, None] + half - 1
    return mirrored.scatter(1, last + 1 + steps, mirrored.gather(1, last - 1 - steps))


def _fourier(size: int) -> tuple[Float32, Float32, Float32]:
    """Analysis and synthesis rows [2 * bins, size], real parts then imaginary, and the window's squares [1, size]."""
    bins = size // 2 + 1
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    angles = 2 * np.pi * np.outer(np.arange(bins), np.arange(size)) / size
    rows = np.concatenate([np.cos(angles), -np.sin(angles)])
    # Exactly 0, or the angle of a negative constant part would be pi or -pi by chance.
    rows[np.abs(rows) < 1e-12] = 0
    # Inner bins stand for their mirror images, too.
    counted = np.where((np.arange(bins) == 0) | (np.arange(bins) == size // 2), 1.0, 2.0) / size
    synthesis = rows * np.tile(counted, 2)[:, None]
    return (
        (rows * window).astype(np.float32),
        (synthesis * window).astype(np.float32),
        (window**2)[None].astype(np.float32),
    )


def _noise_conv(inputs: int, outputs: int, stride: int) -> nn.Conv1d:
    """From the spectrum's rate down to a stage's; the last stage has that rate already."""
    if stride == 1:
        return nn.Conv1d(inputs, outputs, 1)
    return nn.Conv1d(inputs, outputs, 2 * stride, stride, padding=(stride + 1) // 2)


def _same_conv(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)


def _snake(x: Tensor, alpha: Tensor) -> Tensor:
    return x + (1 / alpha) * torch.sin(alpha * x) ** 2
