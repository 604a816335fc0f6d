"""A row model whose next token is a hash of all that the row holds: any wrong position changes every later token."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence

import numpy as np

from duologue.audio.frame import SESSION_RATE_HZ, Float32
from duologue.engines.speech.rows import Fill, Sound, Step, sound_position

# Tokens that it may say: the letters, of which each is a token of its own (100 special tokens come first).
_FIRST_TOKEN = 100 + ord("a")
_LETTERS = 26
_WINDOW_TOKENS = 375
END = 2


class HashModel:
    """Pure Python. Rows know sounds by what they sound like, not by key. ``end_after``: how many tokens an answer has
    on average; ``break_next``: what the next call raises. ``encoded``, ``fills``, ``steps``: what was asked of it."""

    row_tokens = 2048
    end_tokens = frozenset({END})

    def __init__(self, rows: int = 8, *, end_after: int = 40) -> None:
        self.rows = rows
        self.held: list[list[bytes]] = [[] for _ in range(rows)]
        self.encoded: list[int] = []
        self.fills: list[list[tuple[int, int, int]]] = []
        self.steps: list[list[int]] = []
        self.is_closed = False
        self.break_next: type[BaseException] | None = None
        self._keys = itertools.count(1)
        self._end_after = end_after

    def encode(self, audio: Sequence[Float32]) -> list[Sound]:
        self._break([])
        self.encoded += [len(samples) for samples in audio]
        return [self._sound(samples) for samples in audio]

    def fill(self, fills: Sequence[Fill]) -> list[int]:
        self._break([fill.row for fill in fills])
        assert len({fill.row for fill in fills}) == len(fills), "rows must differ"
        self.fills.append([(fill.row, fill.start, len(fill.atoms)) for fill in fills])
        return [self._filled(fill) for fill in fills]

    def step(self, steps: Sequence[Step]) -> list[int]:
        self._break([step.row for step in steps])
        assert len({step.row for step in steps}) == len(steps), "rows must differ"
        self.steps.append([step.row for step in steps])
        return [self._stepped(step) for step in steps]

    def close(self) -> None:
        self.is_closed = True

    def _sound(self, samples: Float32) -> Sound:
        assert samples.dtype == np.float32
        windows = math.ceil(len(samples) / (30 * SESSION_RATE_HZ))
        return Sound(next(self._keys), windows * _WINDOW_TOKENS, hashlib.blake2b(samples.tobytes()).digest())

    def _filled(self, fill: Fill) -> int:
        held = self.held[fill.row]
        assert fill.atoms
        assert fill.start <= len(held), "a gap in the row"
        assert fill.start + len(fill.atoms) <= self.row_tokens, "past the row's end"
        del held[fill.start :]
        held += [self._content(atom, fill.sounds) for atom in fill.atoms]
        return self._next(held)

    def _stepped(self, step: Step) -> int:
        held = self.held[step.row]
        assert step.length <= len(held), "a gap in the row"
        assert step.length < self.row_tokens, "past the row's end"
        del held[step.length :]
        held.append(self._content(step.token, {}))
        return self._next(held)

    def _content(self, atom: int, sounds: dict[int, Sound]) -> bytes:
        if atom >= 0:
            return atom.to_bytes(4, "big")
        key, position = sound_position(atom)
        assert 0 <= position < sounds[key].tokens
        return bytes(sounds[key].embeddings) + position.to_bytes(4, "big")

    def _next(self, held: list[bytes]) -> int:
        number = int.from_bytes(hashlib.blake2b(b"|".join(held), digest_size=8).digest(), "big")
        return END if number % self._end_after == 0 else _FIRST_TOKEN + number // self._end_after % _LETTERS

    def _break(self, rows: Sequence[int]) -> None:
        if self.break_next is not None:
            for row in rows:
                self.held[row] = [b"half written"] * len(self.held[row])
            failure, self.break_next = self.break_next, None
            raise failure("made to fail")
