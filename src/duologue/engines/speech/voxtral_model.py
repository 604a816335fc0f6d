"""Voxtral in this process: sounds encoded, rows filled and stepped (``rows.RowModel``) on transformers' weights."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from duologue.audio.frame import Float32
from duologue.engines.speech.attention import SPLIT_KEYS
from duologue.engines.speech.decoder import Decoder, Piece
from duologue.engines.speech.graphs import FixedSteps
from duologue.engines.speech.mel import LogMel, window_count
from duologue.engines.speech.rows import SOUND_STRIDE, Fill, Sound, Step, sound_position
from duologue.engines.speech.voxtral_memory import ENCODE_WINDOWS, FILL_TOKENS, require_memory
from duologue.engines.speech.voxtral_weights import VoxtralWeights, load_weights, read_sizes
from duologue.engines.torch_device import loading, torch_device
from duologue.errors import ConfigError, EngineError, EngineLost

if TYPE_CHECKING:
    from torch import Tensor

    from duologue.options import VoxtralOptions

_sound_keys = itertools.count(1)


class VoxtralRows:
    """The model and its rows. All its calls block and come from one thread; EngineLost where the GPU failed."""

    def __init__(self, weights: VoxtralWeights, options: VoxtralOptions, rows: int) -> None:
        self.rows = rows
        self.row_tokens = len(weights.cosines)
        self.end_tokens = weights.end_tokens
        self.device = str(weights.head.device)
        self._weights = weights
        self._temperature = options.temperature
        self._mel = LogMel(weights.sizes.mel_bins, self.device)
        is_grouped = options.attention == "grouped"
        self._decoder = Decoder(weights, rows, self.row_tokens, is_grouped=is_grouped)
        self._steps = FixedSteps(
            self._decoder.step, rows, self.row_tokens, spare_row=self._decoder.spare_row, device=self.device
        )

    @classmethod
    def load(cls, folder: Path, options: VoxtralOptions, rows: int) -> VoxtralRows:
        """Bring in the checkpoint of ``folder`` and, on a GPU, record its steps.

        ``row_tokens`` becomes ``context_tokens`` rounded up to a multiple of 512.
        Raises EngineUnavailable where packages or weights are missing, ConfigError where settings cannot work
        here: a GPU that is not there, or more rows than its memory holds.
        """
        device = torch_device(options.device)
        if options.cuda_graphs == "on" and device == "cpu":
            raise ConfigError("voxtral.cuda_graphs is on, but Voxtral runs on the CPU: set it to auto or off.")
        kind = _arithmetic(options.dtype, device)
        row_tokens = SPLIT_KEYS * math.ceil(options.context_tokens / SPLIT_KEYS)
        if device != "cpu":
            free, _ = torch.cuda.mem_get_info(device)
            require_memory(read_sizes(folder), rows, row_tokens, kind.itemsize, free)
        try:
            with loading(device), torch.inference_mode():
                model = cls(load_weights(folder, device, kind, row_tokens), options, rows)
                if device != "cpu" and options.cuda_graphs != "off":
                    model._steps.record()
        except torch.OutOfMemoryError as error:
            raise ConfigError(
                "the GPU ran out of memory while Voxtral was loaded: lower voxtral.conversations or "
                "voxtral.context_tokens, or free the GPU of other programs"
            ) from error
        return model

    def encode(self, audio: Sequence[Float32]) -> list[Sound]:
        """Each float32 [n] at 16 kHz as a sound of 375 positions for each 30 s begun."""
        if not audio:
            return []
        counts = [window_count(len(heard)) for heard in audio]
        most = min(self.row_tokens, SOUND_STRIDE) // self._weights.sizes.window_tokens
        if max(counts) > most:
            raise EngineError(f"{30 * max(counts)} s of speech are more than the {30 * most} s that a row holds")
        with _computing():
            windows = torch.cat([self._mel(heard) for heard in audio])
            embedded = torch.cat([self._encoded(part) for part in torch.split(windows, ENCODE_WINDOWS)])
            # Clones, so that one sound does not keep the memory of all that were encoded with it.
            parts = [part.flatten(0, 1).clone() for part in torch.split(embedded, counts)]
        return [Sound(key=next(_sound_keys), tokens=len(part), embeddings=part) for part in parts]

    def fill(self, fills: Sequence[Fill]) -> list[int]:
        """The token after each. Raises EngineError for what does not fit, before anything is written."""
        self._check([(fill.row, fill.start + len(fill.atoms)) for fill in fills])
        for fill in fills:
            self._check_atoms(fill)
        tokens = [0] * len(fills)
        with _computing():
            for part in _passes(fills):
                for index, token in self._filled(fills, part):
                    tokens[index] = token
        return tokens

    def step(self, steps: Sequence[Step]) -> list[int]:
        """The token after each. Raises EngineError where a row is full, before anything is written."""
        self._check([(step.row, step.length + 1) for step in steps])
        tokens: list[int] = []
        with _computing():
            for first in range(0, len(steps), self._steps.most):
                tokens += self._chosen(self._steps(steps[first : first + self._steps.most]))
        return tokens

    def close(self) -> None:
        """Give the memory back; nothing may be called after it."""
        self._steps.close()
        del self._steps, self._decoder, self._weights, self._mel
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def _encoded(self, windows: Tensor) -> Tensor:
        """[w, bins, 3000] -> [w, window_tokens, hidden]."""
        weights = self._weights
        heard = weights.encoder(windows.to(weights.head.dtype)).last_hidden_state
        # Four of the encoder's positions stand side by side in one of the language model's.
        grouped = heard.reshape(len(windows), weights.sizes.window_tokens, weights.sizes.encoder_mlp_width)
        projected: Tensor = weights.projector(grouped)
        return projected

    def _filled(self, fills: Sequence[Fill], part: Sequence[tuple[int, Piece]]) -> list[tuple[int, int]]:
        """One pass: (index, token) of the fills that it ends."""
        embedded = torch.cat([self._embedded(fills[index], piece) for index, piece in part])
        hidden = self._decoder.fill(embedded, [piece for _, piece in part])
        ends = itertools.accumulate(piece.end - piece.start for _, piece in part)
        ended = [
            (index, end - 1)
            for (index, piece), end in zip(part, ends, strict=True)
            if piece.end == fills[index].start + len(fills[index].atoms)
        ]
        if not ended:
            return []
        tokens = self._chosen(self._decoder.logits(hidden[[last for _, last in ended]]))
        return [(index, token) for (index, _), token in zip(ended, tokens, strict=True)]

    def _embedded(self, fill: Fill, piece: Piece) -> Tensor:
        """[n, hidden] of the piece's atoms."""
        atoms = fill.atoms[piece.start - fill.start : piece.end - fill.start]
        ids = torch.tensor([max(atom, 0) for atom in atoms], device=self.device)
        embedded = self._weights.embeddings[ids]
        for at, count in _sound_runs(atoms):
            key, position = sound_position(atoms[at])
            embedded[at : at + count] = fill.sounds[key].embeddings[position : position + count]
        return embedded

    def _chosen(self, logits: Tensor) -> list[int]:
        """One token of each [n, vocabulary]: the likeliest, or drawn by the temperature. One wait for the GPU."""
        if self._temperature == 0:
            best: list[int] = logits.argmax(-1).tolist()
            return best
        likely = (logits.float() / self._temperature).softmax(-1)
        # The first of many clocks, each ringing at its token's rate, rings for that token as often as it is likely.
        drawn: list[int] = likely.div_(torch.empty_like(likely).exponential_()).argmax(-1).tolist()
        return drawn

    def _check(self, ends: Sequence[tuple[int, int]]) -> None:
        rows = {row for row, _ in ends}
        if len(rows) != len(ends) or not rows <= set(range(self.rows)):
            raise EngineError(f"rows must differ and be below {self.rows}: {[row for row, _ in ends]}")
        longest = max((end for _, end in ends), default=0)
        if longest > self.row_tokens:
            raise EngineError(
                f"the conversation has {longest} tokens and its row holds {self.row_tokens}: set context_tokens higher",
                code="context_full",
            )

    def _check_atoms(self, fill: Fill) -> None:
        """A wrong index is an error of the whole GPU, not of one turn: it must not get there."""
        if not fill.atoms or fill.start < 0:
            raise EngineError("a fill needs a token and a start that is not negative")
        if max(fill.atoms) >= self._weights.sizes.vocabulary:
            raise EngineError(f"token {max(fill.atoms)} is not in the vocabulary")
        for key in {sound_position(atom)[0] for atom in fill.atoms if atom < 0}:
            if key not in fill.sounds:
                raise EngineError(f"sound {key} is not among those given")


@contextmanager
def _computing() -> Iterator[None]:
    """No gradients. Raises EngineLost where the GPU itself failed: no call of this process will work on it again."""
    try:
        with torch.inference_mode():
            yield
    except torch.AcceleratorError as error:
        raise EngineLost("The GPU failed under Voxtral: restart the server.") from error


def _arithmetic(name: str, device: str) -> torch.dtype:
    if name == "auto":
        name = "float32" if device == "cpu" else "bfloat16"
    kinds = {"bfloat16": torch.bfloat16, "float32": torch.float32}
    return kinds[name]


def _passes(fills: Sequence[Fill]) -> Iterator[list[tuple[int, Piece]]]:
    """Each fill by its index, cut so that a pass has FILL_TOKENS positions at most."""
    part: list[tuple[int, Piece]] = []
    room = FILL_TOKENS
    for index, fill in enumerate(fills):
        start, end = fill.start, fill.start + len(fill.atoms)
        while start < end:
            taken = min(room, end - start)
            part.append((index, Piece(row=fill.row, start=start, end=start + taken)))
            start += taken
            room -= taken
            if room == 0:
                yield part
                part, room = [], FILL_TOKENS
    if part:
        yield part


def _sound_runs(atoms: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(index, count) of each stretch of one sound's positions that follow each other."""
    at = 0
    while at < len(atoms):
        end = at + 1
        if atoms[at] < 0:
            while end < len(atoms) and atoms[end] == atoms[end - 1] - 1:
                end += 1
            yield at, end - at
        at = end
