"""What the loop of a speech model asks of the model itself: sounds made ready, rows filled, rows stepped.

A **row** is one conversation's preallocated key-value memory, with its own length. Its content is known as a list
of **atoms**, one a position: a text token as its id (>= 0), or one position of an encoded sound as a negative
number (``sound_atoms``). Two prompts share what their lists of atoms share at the beginning, and a row is taken
back to any length by saying so: nothing is copied, cleared or padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from duologue.audio.frame import Float32

# Positions that one sound may have: 2^14 tokens of 80 ms are 22 minutes.
SOUND_STRIDE = 1 << 14


class Sound(msgspec.Struct, frozen=True, eq=False):
    """A stretch of speech as the model reads it. ``key`` > 0 is unique in the process; ``tokens``: positions it
    takes; ``embeddings``: [tokens, hidden] on the model's device."""

    key: int
    tokens: int
    embeddings: Any


def sound_atoms(sound: Sound) -> list[int]:
    """The positions of ``sound`` in order."""
    first = sound.key * SOUND_STRIDE
    return [-(first + position) for position in range(sound.tokens)]


def sound_position(atom: int) -> tuple[int, int]:
    """(key, position) of a negative atom."""
    return divmod(-atom, SOUND_STRIDE)


class Fill(msgspec.Struct, frozen=True, eq=False):
    """Write ``atoms`` into ``row`` from position ``start`` on; what stood there or after it is gone.

    ``sounds``: those that the atoms speak of, by key.
    """

    row: int
    start: int
    atoms: Sequence[int]
    sounds: dict[int, Sound]


class Step(msgspec.Struct, frozen=True, eq=False):
    """Write ``token`` at position ``length`` of ``row``, which held ``length`` positions."""

    row: int
    length: int
    token: int


class RowModel(Protocol):
    """A loaded model. Called from one thread only; every call blocks until its result is there.

    ``rows``: how many rows there are; ``row_tokens``: positions in each; ``end_tokens``: what ends an answer.
    """

    rows: int
    row_tokens: int
    end_tokens: frozenset[int]

    def encode(self, audio: Sequence[Float32]) -> list[Sound]:
        """Each float32 [n] at 16 kHz as a sound. Batched and single calls agree."""

    def fill(self, fills: Sequence[Fill]) -> list[int]:
        """The token after each. Rows must differ; batched and single calls agree."""

    def step(self, steps: Sequence[Step]) -> list[int]:
        """The token after each, in one run of the model for all. Rows must differ."""

    def close(self) -> None:
        """Give the memory back."""
